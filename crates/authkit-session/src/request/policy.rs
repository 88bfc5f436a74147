use std::time::Duration;

use crate::{
    candidate::SessionCandidate,
    clock::Clock,
    decide::{CutOffEffect, Demand, Refreshing, SessionLimit},
    token::TokenTimes,
};

/// A layer's requirements on sessions. The default: any session that verifies, refreshed when due.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct Policy {
    max_token_age: Option<Duration>,
    max_session_age: Option<Duration>,
    idle_timeout: Option<Duration>,
    unrefreshable: bool,
}

impl Policy {
    /// Refreshes sessions whose access token was made longer ago than `age` (default: when they expire), so that a
    /// role that was taken away ends sooner. Whole seconds; each refresh is a call to WorkOS.
    pub fn with_max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// Refuses sessions, not bearer tokens, whose user signed in (`auth_time`) this long ago or longer, or whose token does not say when
    /// (default: sessions last as long as WorkOS refreshes them). Whole seconds.
    pub fn with_max_session_age(mut self, age: Duration) -> Self {
        self.max_session_age = Some(age);
        self
    }

    /// Refuses sessions that have not been used for this long (default: they last unused). Whole seconds.
    ///
    /// The age of the access token (`iat`) stands for the time without use: a session in use is refreshed once its token
    /// is older than half of this.
    pub fn with_idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// Refuses expired sessions (default: they are refreshed), for clients that keep no cookies.
    pub fn without_refresh(mut self) -> Self {
        self.unrefreshable = true;
        self
    }

    /// The greatest age of information about the principal.
    pub(crate) fn max_age(self) -> Option<Duration> {
        self.max_token_age
    }

    /// Whether a session with these times may still be used.
    ///
    /// Reads the clock only if there is a limit, which most layers do not have.
    #[inline]
    pub(crate) fn limit(&self, times: Option<TokenTimes>, clock: &Clock) -> SessionLimit {
        let Some(times) = times else { return SessionLimit::Within };
        let age = |since: u64| Duration::from_secs(clock.unix().saturating_sub(since));
        // A token that does not name the time of its user's sign-in counts as too old.
        let signed_in = || times.auth_time.map_or(Duration::MAX, age);
        if self.max_session_age.is_some_and(|max| signed_in() >= max) {
            SessionLimit::TooOld
        } else if self.idle_timeout.is_some_and(|timeout| age(times.issued_at) >= timeout) {
            SessionLimit::Idle
        } else {
            SessionLimit::Within
        }
    }

    /// The demand on a token that was issued at `made`, if it verified.
    #[inline]
    pub(crate) fn demand(
        &self,
        cut_off: CutOffEffect,
        issued_at: Option<u64>,
        clock: &Clock,
    ) -> Demand {
        let is_older = |limit: Option<Duration>| match (limit, issued_at) {
            (Some(limit), Some(issued_at)) => {
                clock.unix().saturating_sub(issued_at) >= limit.as_secs()
            }
            (None, _) | (_, None) => false,
        };
        match cut_off {
            CutOffEffect::Changed => Demand::NewerPair,
            CutOffEffect::MayHaveChanged => Demand::NewPair,
            CutOffEffect::None | CutOffEffect::Ended if is_older(self.max_token_age) => {
                Demand::NewPair
            }
            CutOffEffect::None | CutOffEffect::Ended
                if is_older(self.idle_timeout.map(|timeout| timeout / 2)) =>
            {
                Demand::NewPairIfPossible
            }
            CutOffEffect::None | CutOffEffect::Ended => Demand::Nothing,
        }
    }

    #[inline]
    pub(crate) fn refreshing(&self, candidate: &SessionCandidate) -> Refreshing {
        if candidate.pair.is_some() && !self.unrefreshable {
            Refreshing::Possible
        } else {
            Refreshing::Impossible
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn limits_count_whole_seconds_and_a_token_without_auth_time_is_too_old() {
        let now = 1_800_000_000;
        let clock = Clock::simulated(SystemTime::UNIX_EPOCH + Duration::from_secs(now));
        let policy = Policy::default()
            .with_max_session_age(Duration::from_secs(3_600))
            .with_idle_timeout(Duration::from_secs(900));
        let times = |auth_time: Option<u64>, issued_at: u64| {
            let auth_time = auth_time.map(|age| now - age);
            Some(TokenTimes { auth_time, issued_at: now - issued_at })
        };
        let cases = [
            (times(Some(0), 0), SessionLimit::Within, Demand::Nothing),
            (times(Some(3_599), 449), SessionLimit::Within, Demand::Nothing),
            (times(Some(3_599), 450), SessionLimit::Within, Demand::NewPairIfPossible),
            (times(Some(3_599), 899), SessionLimit::Within, Demand::NewPairIfPossible),
            (times(Some(3_599), 900), SessionLimit::Idle, Demand::NewPairIfPossible),
            (times(Some(3_600), 0), SessionLimit::TooOld, Demand::Nothing),
            (times(Some(3_600), 900), SessionLimit::TooOld, Demand::NewPairIfPossible),
            (times(None, 0), SessionLimit::TooOld, Demand::Nothing),
            (None, SessionLimit::Within, Demand::Nothing),
        ];
        for (times, limit, demand) in cases {
            assert_eq!(policy.limit(times, &clock), limit, "{times:?}");
            let issued_at = times.map(|times| times.issued_at);
            assert_eq!(policy.demand(CutOffEffect::None, issued_at, &clock), demand, "{times:?}");
            assert_eq!(Policy::default().limit(times, &clock), SessionLimit::Within);
        }
        let unread = Clock::of(|| panic!("there is no limit"), || Duration::ZERO);
        let times = Some(TokenTimes { auth_time: Some(0), issued_at: 0 });
        let unlimited = Policy::default();
        assert_eq!(unlimited.limit(times, &unread), SessionLimit::Within);
        assert_eq!(unlimited.demand(CutOffEffect::None, Some(0), &unread), Demand::Nothing);
        let hour = Duration::from_secs(3_600);
        assert_eq!(Policy::default().with_max_token_age(hour).max_age(), Some(hour));
        assert_eq!(policy.max_age(), None, "of anything but sessions");
        let ahead = Some(TokenTimes { auth_time: Some(now + 60), issued_at: now + 60 });
        assert_eq!(policy.limit(ahead, &clock), SessionLimit::Within, "a clock that is ahead");
    }
}
