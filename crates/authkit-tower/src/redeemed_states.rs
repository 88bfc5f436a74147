//! The redeemed states: each state counts once in this process, whoever brings it back.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use authkit_session::integration::BoundedMap;

/// Remembers states for as long as their flows live. All clones of a handle share one.
pub(crate) struct RedeemedStates(Mutex<BoundedMap>);

impl RedeemedStates {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BoundedMap::new(MAX_STATES, LIFETIME)))
    }

    /// Redeems the state of this id. `false` if it was redeemed before.
    pub(crate) fn redeem(&self, id: &str, now: Duration) -> bool {
        // Each operation of the map is complete or has not started, so a panic of another thread does no harm.
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.forget_expired(now);
        let is_new = !states.contains(id);
        states.add(id, (), now);
        is_new
    }
}

impl fmt::Debug for RedeemedStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedeemedStates").finish_non_exhaustive()
    }
}

/// A flow lives ten minutes by the wall clock, and this table uses another clock: the extra minute is a safety margin.
const LIFETIME: Duration = Duration::from_secs(660);
/// More sign-ins than the calls to WorkOS allow in that time, which are 15 a second.
const MAX_STATES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c1_a_state_counts_once_for_as_long_as_a_flow_lives() {
        let (states, at) = (RedeemedStates::new(), Duration::from_secs);
        assert!(states.redeem("a", at(0)));
        assert!(states.redeem("b", at(0)));
        for later in [0, 1, 600] {
            assert!(!states.redeem("a", at(later)), "after {later} s");
        }
        for n in 0..40_000 {
            states.redeem(&n.to_string(), at(601));
        }
        assert_eq!(states.0.lock().unwrap().len(), 16_384, "no flood fills the memory");
    }
}
