use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use authkit_tower::{HookDecision, RefreshedSession, Session};

/// The refreshes that the refresh hook has seen since the program started.
///
/// A real application would look the user up in the hook, and return [`HookDecision::Refuse`] if the account is closed.
#[derive(Clone, Debug, Default)]
pub struct Refreshes {
    by_session: Arc<Mutex<HashMap<String, Refresh>>>,
}

/// The last refresh of a session.
#[derive(Clone, Debug)]
pub(crate) struct Refresh {
    pub(crate) at: SystemTime,
    pub(crate) why: Why,
    /// The changes in the new token: name, old value, new value.
    pub(crate) changes: Vec<(&'static str, String, String)>,
}

/// Why a session was refreshed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Why {
    /// Its token had expired this long ago; the request waited.
    Ended(Duration),
    /// Its token would have expired after this time, or the user asked for the refresh.
    Early(Duration),
    /// Its user switched to another organization.
    Switched,
}

impl Refreshes {
    /// The hook: records the refresh, and keeps every session.
    pub async fn note(self, refreshed: RefreshedSession) -> HookDecision {
        let session = &refreshed.session;
        if let Some(previous) = &refreshed.previous {
            let (at, ends) = (session.issued_at(), previous.expires_at());
            let why = if session.organization_id() != previous.organization_id() {
                Why::Switched
            } else {
                match at.duration_since(ends) {
                    Ok(late) => Why::Ended(late),
                    Err(early) => Why::Early(early.duration()),
                }
            };
            let none = || "none".to_owned();
            let text = |value: Option<&str>| value.map_or_else(none, str::to_owned);
            let changes = [
                ("role", text(previous.role()), text(session.role())),
                (
                    "permissions",
                    previous.permissions().join(", "),
                    session.permissions().join(", "),
                ),
            ];
            let changes = changes.into_iter().filter(|(_, before, now)| before != now).collect();
            self.keep(session.session_id(), Refresh { at, why, changes });
        }
        HookDecision::Keep
    }

    pub(crate) fn of(&self, session: &Session) -> Option<Refresh> {
        let refreshes = self.by_session.lock().unwrap_or_else(PoisonError::into_inner);
        refreshes.get(session.session_id()).cloned()
    }

    fn keep(&self, session_id: &str, refresh: Refresh) {
        let mut refreshes = self.by_session.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshes.len() >= MOST {
            refreshes.clear();
        }
        refreshes.insert(session_id.to_owned(), refresh);
    }
}

/// The most sessions that are remembered, so that memory does not grow with the number of users.
const MOST: usize = 10_000;
