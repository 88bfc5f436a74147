use std::time::Duration;

use crate::decide::{
    JUST_NOW,
    refresh_outcome::{ApiRefusal, RefusalAge},
};

/// A refusal of a refresh token by WorkOS.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct RememberedRefusal {
    refusal: ApiRefusal,
    at: Duration,
    times: Times,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Times {
    Once,
    Twice,
}

impl RememberedRefusal {
    /// Records a refusal at `at`, after the previous one, if any.
    pub(super) fn after(before: Option<Self>, refusal: ApiRefusal, at: Duration) -> Self {
        let times = match (before.map(|before| before.refusal), refusal) {
            (Some(ApiRefusal::InvalidGrant), ApiRefusal::InvalidGrant) => Times::Twice,
            (Some(_) | None, _) => Times::Once,
        };
        Self { refusal, at, times }
    }

    /// The refusal to repeat without asking WorkOS, if any. WorkOS is never asked about a dead token.
    pub(super) fn holds(self, now: Duration) -> Option<(ApiRefusal, RefusalAge)> {
        let holds = self.times == Times::Twice || now.saturating_sub(self.at) < REFUSAL_HOLDS;
        holds.then(|| (self.refusal, self.age(now)))
    }

    /// How long the refusal is kept, so that a second one is recognised.
    pub(super) fn forget_at(self) -> Duration {
        self.at + KEPT
    }

    pub(super) fn refusal(self) -> ApiRefusal {
        self.refusal
    }

    pub(super) fn age(self, now: Duration) -> RefusalAge {
        match self.times {
            Times::Twice => RefusalAge::Repeated,
            Times::Once if now.saturating_sub(self.at) < JUST_NOW => RefusalAge::JustNow,
            Times::Once => RefusalAge::Recent,
        }
    }
}

/// How long a refusal is kept.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// How long WorkOS is not asked again about a token that it has refused once.
const REFUSAL_HOLDS: Duration = Duration::from_secs(60);
