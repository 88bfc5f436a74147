use std::{env, ffi::OsStr, io, time::Duration};

use authkit_emulator::Emulator;
use authkit_redis::RedisReplicas;
use authkit_tower::{AuthKit, Config, ConfigError, CookiePassword};
use axum_app::{Organization, Organizations, Refreshes};

use crate::variable;

/// Whom users sign in with.
pub(crate) struct Backend {
    authkit: AuthKit,
    refreshes: Refreshes,
    /// In place of WorkOS; runs until this is dropped.
    emulator: Option<Emulator>,
}

impl Backend {
    /// WorkOS as soon as one `WORKOS_*` variable is set, for an application that listens on `port`.
    pub(crate) async fn choose(port: u16) -> Result<Self, String> {
        let refreshes = Refreshes::default();
        let (config, emulator) = if env::vars_os().any(|(name, value)| is_workos(&name, &value)) {
            (Config::from_env().map_err(|error| refusal(&error))?, None)
        } else {
            let emulator = start_emulator().await?;
            (emulated(&emulator, port)?, Some(emulator))
        };
        let hook = refreshes.clone();
        let config =
            with_redis(config)?.with_refresh_hook(move |refreshed| hook.clone().note(refreshed));
        let authkit = AuthKit::new(config).map_err(|error| refusal(&error))?;
        Ok(Self { authkit, refreshes, emulator })
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        &self.authkit
    }

    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.refreshes
    }

    pub(crate) fn organizations(&self) -> Organizations {
        let users = self.emulator.as_ref().map(Emulator::users).unwrap_or_default();
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
        let Some(emulator) = &self.emulator else {
            let callback = self.authkit.settings().redirect_uri();
            return format!("Signing in with WorkOS, which sends browsers back to {callback}.");
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

/// The configuration for an emulator, and an application that listens on `port`.
fn emulated(emulator: &Emulator, port: u16) -> Result<Config, String> {
    let redirect_uri = format!("http://localhost:{port}/callback");
    let password = CookiePassword::new(DEVELOPMENT_PASSWORD).map_err(|error| refusal(&error))?;
    let config = Config::new(emulator.client_id(), emulator.api_key(), redirect_uri, password);
    Ok(config.with_base_url(emulator.url()).with_issuers([emulator.issuer()]))
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

/// Every problem, and the way to start without WorkOS.
fn refusal(error: &ConfigError) -> String {
    format!("{error}\nWith no WORKOS_* variable set, it starts with an emulator of WorkOS.")
}

/// Seals nothing but sessions of an emulator that listens on loopback and forgets everything when it stops, so that it
/// may be public. Fixed, so that a restart of this program alone does not change what cookies look like.
const DEVELOPMENT_PASSWORD: &str = "development-only-cookie-password";
