//! What becomes of the requests that inputs make.

use std::cell::Cell;

use crate::service::{Answer, Kind};

/// What has happened to the requests of this thread. A target in which nobody is admitted any more keeps every rule.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Requests that reached the handler as somebody.
    pub admitted: usize,
    /// Requests that did after an exchange.
    pub refreshed: usize,
    /// Answers that set a session cookie.
    pub cookies: usize,
    /// Requests that were admitted by the token in their `Authorization`.
    pub bearers: usize,
}

thread_local! {
    static SEEN: Cell<Seen> = Cell::default();
}

impl Seen {
    /// Counts from now on.
    pub fn begin() {
        SEEN.set(Self::default());
    }

    /// The counts.
    pub fn so_far() -> Self {
        SEEN.get()
    }

    pub(crate) fn note(kind: Kind, answer: &Answer, has_exchanged: bool) {
        let mut seen = SEEN.get();
        let is_admitted = usize::from(answer.admitted.is_some());
        seen.admitted += is_admitted;
        seen.refreshed += is_admitted * usize::from(has_exchanged);
        seen.cookies += usize::from(answer.sets_a_session());
        match kind {
            Kind::Bearer => seen.bearers += is_admitted,
            Kind::Required | Kind::Optional | Kind::Guarded | Kind::TrustedOrigin => {}
        }
        SEEN.set(seen);
    }
}
