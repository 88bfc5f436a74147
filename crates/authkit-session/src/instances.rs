//! Detects a second authenticator of one environment in one process.
//!
//! Two authenticators do not share refreshes and sign-outs: a session that signs out at one continues at the other
//! until its token expires. Clones of one authenticator share everything; [`Revocations`](crate::Revocations) share
//! sign-outs.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::settings::Settings;

/// The entry of one authenticator among those that are alive. The authenticator holds it as long as it lives.
#[derive(Debug)]
pub(crate) struct InstanceRegistration(
    #[allow(dead_code, reason = "it is there to be counted")] Arc<str>,
);

/// Whether another authenticator of the same environment is alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum OtherInstances {
    None,
    Alive,
}

impl InstanceRegistration {
    /// Registers an authenticator.
    pub(crate) fn register(settings: &Settings, base_url: &str) -> (Self, OtherInstances) {
        let name: Arc<str> =
            [base_url, settings.client_id(), settings.cookie_name()].join("\n").into();
        let mut registered = REGISTERED.lock().unwrap_or_else(PoisonError::into_inner);
        registered.retain(|other| other.strong_count() > 0);
        let is_alive = registered.iter().filter_map(Weak::upgrade).any(|other| *other == *name);
        registered.push(Arc::downgrade(&name));
        (Self(name), if is_alive { OtherInstances::Alive } else { OtherInstances::None })
    }
}

static REGISTERED: Mutex<Vec<Weak<str>>> = Mutex::new(Vec::new());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::OwnerParts;

    /// D6 of docs/cases.md.
    #[test]
    fn d6_a_second_authenticator_of_one_environment_is_noticed_while_the_first_lives() {
        let settings = |cookie: &'static str| {
            OwnerParts::new(|config| config.with_cookie_name(cookie)).settings
        };
        let register =
            |cookie| InstanceRegistration::register(&settings(cookie), "https://d6.test");
        let (first, alone) = register("d6_a");
        assert_eq!(alone, OtherInstances::None);
        assert_eq!(register("d6_a").1, OtherInstances::Alive);
        assert_eq!(register("d6_b").1, OtherInstances::None, "another cookie");
        drop(first);
        assert_eq!(register("d6_a").1, OtherInstances::None, "the first is gone");
    }
}
