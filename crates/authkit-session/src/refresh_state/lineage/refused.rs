use std::time::Duration;

use crate::refresh_state::lineage::JUST_NOW;

/// An answer of WorkOS that the same exchange would bring again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum RefusedFor {
    Grant,
    OrganizationGone,
    InteractionNeeded,
}

impl RefusedFor {
    /// Whether another organization may be answered otherwise.
    pub(crate) fn is_about_organization(self) -> bool {
        match self {
            Self::Grant => false,
            Self::OrganizationGone | Self::InteractionNeeded => true,
        }
    }
}

/// How long ago a refusal was, or that it was not the first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum RefusedSince {
    /// Less than 10 seconds: the browser may hold a newer cookie already.
    JustNow,
    /// Less than a minute.
    AWhile,
    /// Refused before, more than a minute ago, and again: dead.
    Twice,
}

/// That WorkOS refused a token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Refused {
    why: RefusedFor,
    at: Duration,
    times: Times,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Times {
    Once,
    Twice,
}

impl Refused {
    /// A refusal now, after the one `before`, if any.
    pub(super) fn again(before: Option<Self>, why: RefusedFor, at: Duration) -> Self {
        let times = match (before.map(|before| before.why), why) {
            (Some(RefusedFor::Grant), RefusedFor::Grant) => Times::Twice,
            _ => Times::Once,
        };
        Self { why, at, times }
    }

    /// What WorkOS would answer again, if it is not to be asked now. It is not asked about a dead token at all.
    pub(super) fn holds(self, now: Duration) -> Option<(RefusedFor, RefusedSince)> {
        let holds = self.times == Times::Twice || now.saturating_sub(self.at) < REFUSAL_HOLDS;
        holds.then(|| (self.why, self.since(now)))
    }

    /// Until when it is kept, to know the second one.
    pub(super) fn forget_at(self) -> Duration {
        self.at + KEPT
    }

    pub(super) fn why(self) -> RefusedFor {
        self.why
    }

    pub(super) fn since(self, now: Duration) -> RefusedSince {
        match self.times {
            Times::Twice => RefusedSince::Twice,
            Times::Once if now.saturating_sub(self.at) < JUST_NOW => RefusedSince::JustNow,
            Times::Once => RefusedSince::AWhile,
        }
    }
}

/// How long it is kept.
const KEPT: Duration = Duration::from_secs(60 * 60);
/// How long WorkOS is not asked again about a token that it refused once.
const REFUSAL_HOLDS: Duration = Duration::from_secs(60);
