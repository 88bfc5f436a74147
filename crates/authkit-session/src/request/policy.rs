use std::time::Duration;

use crate::{
    candidate::SessionCandidate,
    clock::Clock,
    decide::{CutOffEffect, Demand, Refreshing},
};

/// What one layer wants of sessions. The default: any session that verifies, refreshed where it is due.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Policy {
    max_token_age: Option<Duration>,
    unrefreshable: bool,
}

impl Policy {
    /// Refreshes sessions whose access token was made longer ago than `age` (default: when they expire), so that a
    /// role that was taken away ends sooner. Whole seconds; each refresh is a call to WorkOS.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// Never refreshes, for clients that keep no cookies: an expired session is refused.
    pub fn without_refresh(mut self) -> Self {
        self.unrefreshable = true;
        self
    }

    /// The greatest age of what is known of whoever sent the request.
    pub(crate) fn max_age(self) -> Option<Duration> {
        self.max_token_age
    }

    /// What is asked of a token that was issued at `made`, if it verified.
    pub(crate) fn demand(self, cut_off: CutOffEffect, made: Option<u64>, clock: &Clock) -> Demand {
        let too_old = match (self.max_token_age, made) {
            (Some(age), Some(made)) => clock.unix().saturating_sub(made) >= age.as_secs(),
            (None, _) | (_, None) => false,
        };
        match cut_off {
            CutOffEffect::Changed => Demand::NewerPair,
            CutOffEffect::MayHaveChanged => Demand::NewPair,
            CutOffEffect::None | CutOffEffect::Ended if too_old => Demand::NewPair,
            CutOffEffect::None | CutOffEffect::Ended => Demand::Nothing,
        }
    }

    pub(crate) fn refreshing(self, candidate: &SessionCandidate) -> Refreshing {
        if candidate.pair.is_some() && !self.unrefreshable {
            Refreshing::Possible
        } else {
            Refreshing::Impossible
        }
    }
}
