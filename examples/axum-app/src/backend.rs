use std::env;

use authkit_redis::RedisReplicas;
use authkit_tower::{AuthKit, ConfigError, ConfigProblem, dev::EnvOrEmulator};
use axum_app::{Organization, Organizations, Refreshes};

/// The WorkOS or the emulator that users sign in with.
pub(crate) struct Backend {
    authkit: AuthKit,
    refreshes: Refreshes,
}

impl Backend {
    /// Chooses WorkOS if a `WORKOS_*` variable is set, else an emulator, for an application that listens on `port`.
    pub(crate) async fn choose(port: u16) -> Result<Self, String> {
        let refreshes = Refreshes::default();
        let (hook, replicas) = (refreshes.clone(), redis()?);
        let backend = EnvOrEmulator::new()
            .with_port(port)
            .without_greeting()
            .with_config(|config| match replicas {
                Some(replicas) => replicas.share(config),
                None => config,
            })
            .with_config(|config| {
                config.with_refresh_hook(move |refreshed| hook.clone().note(refreshed))
            });
        let authkit = backend.start().await.map_err(|error| refusal(&error))?;
        Ok(Self { authkit, refreshes })
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        &self.authkit
    }

    pub(crate) fn refreshes(&self) -> &Refreshes {
        &self.refreshes
    }

    pub(crate) fn organizations(&self) -> Organizations {
        let users = self.authkit.emulator().map(|emulator| emulator.users()).unwrap_or_default();
        let memberships = users.into_iter().flat_map(|user| {
            user.memberships.into_iter().map(move |membership| {
                let organization =
                    Organization::new(membership.organization_id, membership.organization_name);
                (user.id.clone(), organization)
            })
        });
        memberships.collect()
    }

    /// The text that the program prints at the start.
    pub(crate) fn greeting(&self) -> String {
        let Some(emulator) = self.authkit.emulator() else {
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

/// The store that shares refreshes and revocations with other replicas, if `REDIS_URL` is set.
fn redis() -> Result<Option<RedisReplicas>, String> {
    match env::var("REDIS_URL") {
        Ok(url) if !url.is_empty() => {
            let replicas = RedisReplicas::connect(&url);
            Ok(Some(replicas.map_err(|error| format!("REDIS_URL: {error}"))?))
        }
        Ok(_) | Err(_) => Ok(None),
    }
}

/// The text of all problems. If variables are missing, it also says how to start without WorkOS.
fn refusal(error: &ConfigError) -> String {
    let is_missing = |problem: &ConfigProblem| matches!(problem, ConfigProblem::Missing(_));
    if !error.problems().iter().any(is_missing) {
        return error.to_string();
    }
    format!("{error}\nWith no WORKOS_* variable set, it starts with an emulator of WorkOS.")
}
