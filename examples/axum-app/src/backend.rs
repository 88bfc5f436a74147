use std::{env, ffi::OsStr, io, time::Duration};

use authkit_emulator::Emulator;
use authkit_redis::RedisReplicas;
use authkit_tower::{AuthKit, Config, ConfigError, CookiePassword};
use axum_app::{Organization, Organizations};

use crate::variable;

/// Whom users sign in with.
pub(crate) enum Backend {
    WorkOs {
        authkit: AuthKit,
    },
    /// Runs until this is dropped.
    Emulator {
        authkit: AuthKit,
        emulator: Emulator,
    },
}

impl Backend {
    /// WorkOS as soon as one `WORKOS_*` variable is set, for an application that listens on `port`.
    pub(crate) async fn choose(port: u16) -> Result<Self, String> {
        if env::vars_os().any(|(name, value)| is_workos(&name, &value)) {
            let config = Config::from_env().map_err(|error| list(&error))?;
            let authkit = AuthKit::new(with_redis(config)?).map_err(|error| list(&error))?;
            return Ok(Self::WorkOs { authkit });
        }
        let emulator = start_emulator().await?;
        let redirect_uri = format!("http://localhost:{port}/callback");
        let password = CookiePassword::new(DEVELOPMENT_PASSWORD).map_err(|error| list(&error))?;
        let config = Config::new(emulator.client_id(), emulator.api_key(), redirect_uri, password)
            .with_base_url(emulator.url())
            .with_issuers([emulator.issuer()]);
        let authkit = AuthKit::new(with_redis(config)?).map_err(|error| list(&error))?;
        Ok(Self::Emulator { authkit, emulator })
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        match self {
            Self::WorkOs { authkit } | Self::Emulator { authkit, .. } => authkit,
        }
    }

    pub(crate) fn organizations(&self) -> Organizations {
        let users = match self {
            Self::WorkOs { .. } => Vec::new(),
            Self::Emulator { emulator, .. } => emulator.users(),
        };
        let memberships = users.into_iter().flat_map(|user| {
            user.memberships.into_iter().map(move |membership| {
                let organization =
                    Organization::new(membership.organization_id, membership.organization_name);
                (user.id.clone(), organization)
            })
        });
        memberships.collect()
    }

    /// What to print at the start.
    pub(crate) fn greeting(&self) -> String {
        let emulator = match self {
            Self::WorkOs { authkit } => {
                let callback = authkit.settings().redirect_uri();
                return format!("Signing in with WorkOS, which sends browsers back to {callback}.");
            }
            Self::Emulator { emulator, .. } => emulator,
        };
        let mut text = format!(
            "No WORKOS_* variable is set: signing in with an emulator of WorkOS on {}.\n\nUsers:\n",
            emulator.url()
        );
        for user in emulator.users() {
            let memberships: Vec<String> = user
                .memberships
                .iter()
                .map(|membership| format!("{} ({})", membership.organization_name, membership.role))
                .collect();
            let line = format!("  {:<20} {}", user.email, memberships.join(", "));
            text.push_str(line.trim_end());
            text.push_str(
                &user.impersonated_by.map_or(String::new(), |by| format!(", impersonated by {by}")),
            );
            text.push('\n');
        }
        text
    }
}

/// Shares refreshes and revocations with other replicas, where `REDIS_URL` says how to reach them.
fn with_redis(config: Config) -> Result<Config, String> {
    match env::var("REDIS_URL") {
        Ok(url) if !url.is_empty() => {
            let replicas = RedisReplicas::connect(&url);
            Ok(replicas.map_err(|error| format!("REDIS_URL: {error}"))?.share(config))
        }
        Ok(_) | Err(_) => Ok(config),
    }
}

/// An empty variable counts as one that is not set, as it does for the configuration.
fn is_workos(name: &OsStr, value: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"WORKOS_") && !value.is_empty()
}

async fn start_emulator() -> Result<Emulator, String> {
    let port = variable("EMULATOR_PORT")?.unwrap_or(4100);
    let token_ttl = variable("EMULATOR_TOKEN_TTL")?.map(Duration::from_secs);
    let builder = || match token_ttl {
        Some(ttl) => Emulator::builder().token_ttl(ttl),
        None => Emulator::builder(),
    };
    let started = match builder().port(port).start().await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => builder().start().await,
        other => other,
    };
    started.map_err(|error| format!("cannot start the emulator on 127.0.0.1:{port}: {error}"))
}

/// A problem a line.
fn list(error: &ConfigError) -> String {
    let problems: Vec<String> =
        error.problems().iter().map(|problem| format!("\n  - {problem}")).collect();
    format!(
        "correct the WORKOS_* variables, or unset all of them to use an emulator:{}",
        problems.concat()
    )
}

/// Seals nothing but sessions of an emulator that listens on loopback and forgets everything when it stops, so that it
/// may be public. Fixed, so that a restart of this program alone does not change what cookies look like.
const DEVELOPMENT_PASSWORD: &str = "development-only-cookie-password";
