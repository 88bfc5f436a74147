//! Detects a second authenticator of one environment in one process.
//!
//! Two authenticators do not share refreshes and sign-outs: a session that signs out at one continues at the other
//! until its token expires. Clones of one authenticator share everything; [`Revocations`](crate::Revocations) share
//! sign-outs.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::config::settings::Settings;

/// An authenticator keeps this as long as it lives.
#[derive(Debug)]
pub(crate) struct SiblingGuard(#[allow(dead_code, reason = "it is there to be counted")] Arc<str>);

/// Whether another authenticator of the same environment is alive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Siblings {
    None,
    Some,
}

impl SiblingGuard {
    /// Registers an authenticator.
    pub(crate) fn register(settings: &Settings, base_url: &str) -> (Self, Siblings) {
        let name: Arc<str> =
            [base_url, settings.client_id(), settings.cookie_name()].join("\n").into();
        let mut present = PRESENT.lock().unwrap_or_else(PoisonError::into_inner);
        present.retain(|other| other.strong_count() > 0);
        let has_sibling = present.iter().filter_map(Weak::upgrade).any(|other| *other == *name);
        present.push(Arc::downgrade(&name));
        (Self(name), if has_sibling { Siblings::Some } else { Siblings::None })
    }
}

static PRESENT: Mutex<Vec<Weak<str>>> = Mutex::new(Vec::new());

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::OwnerParts;

    /// D6 of the field's list.
    #[test]
    fn d6_a_second_authenticator_of_one_environment_is_noticed_while_the_first_lives() {
        let settings = |cookie: &'static str| {
            OwnerParts::new(|config| config.with_cookie_name(cookie)).settings
        };
        let register = |cookie| SiblingGuard::register(&settings(cookie), "https://d6.test");
        let (first, alone) = register("d6_a");
        assert_eq!(alone, Siblings::None);
        assert_eq!(register("d6_a").1, Siblings::Some);
        assert_eq!(register("d6_b").1, Siblings::None, "another cookie");
        drop(first);
        assert_eq!(register("d6_a").1, Siblings::None, "the first is gone");
    }
}
