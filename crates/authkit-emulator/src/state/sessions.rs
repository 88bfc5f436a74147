use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};

use crate::{clock::timestamp, ids, state::Impersonator};

/// Sessions, and the refresh tokens that continue them.
#[derive(Default)]
pub(crate) struct Sessions {
    sessions: HashMap<String, Session>,
    /// Ids in the order of creation, for the list endpoint.
    order: Vec<String>,
    tokens: HashMap<String, TokenState>,
    /// Retired tokens, oldest first, so that they can be forgotten.
    retired: VecDeque<(SystemTime, String)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) user_id: String,
    /// The organization chosen at sign-in, which a refresh without one falls back to.
    pub(crate) organization_id: Option<String>,
    pub(crate) impersonator: Option<Impersonator>,
    pub(crate) method: String,
    pub(crate) client: ClientKind,
    pub(crate) user_agent: Option<String>,
    pub(crate) signed_in_at: SystemTime,
    pub(crate) expires_at: SystemTime,
    pub(crate) ended_at: Option<SystemTime>,
}

/// How the application authenticated when the session began.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ClientKind {
    /// With its API key.
    Confidential,
    /// With PKCE alone, like a browser or mobile application.
    Public,
}

/// The data of a new session.
#[derive(Clone, Debug)]
pub(crate) struct NewSession {
    pub(crate) user_id: String,
    pub(crate) organization_id: Option<String>,
    pub(crate) method: String,
    pub(crate) client: ClientKind,
    pub(crate) user_agent: Option<String>,
}

/// The state of a refresh token.
pub(crate) enum TokenState {
    Live { session_id: String },
    Retired { session_id: String, at: SystemTime, replay: Replay },
}

/// The answer that a retired token gets while the grace lasts.
#[derive(Clone)]
pub(crate) struct Replay {
    pub(crate) answer: Value,
    /// The session of that answer. It can differ from the token's session, since a fault can change the id.
    pub(crate) session_id: String,
}

impl TokenState {
    pub(crate) fn session_id(&self) -> &str {
        match self {
            Self::Live { session_id } | Self::Retired { session_id, .. } => session_id,
        }
    }
}

impl Sessions {
    /// Returns the new session's id.
    pub(crate) fn begin(
        &mut self,
        new: NewSession,
        impersonator: Option<Impersonator>,
        now: SystemTime,
    ) -> String {
        let lifetime =
            if impersonator.is_some() { IMPERSONATION_LIFETIME } else { SESSION_LIFETIME };
        self.insert(Session {
            id: ids::object_id("session", now),
            user_id: new.user_id,
            organization_id: new.organization_id,
            impersonator,
            method: new.method,
            client: new.client,
            user_agent: new.user_agent,
            signed_in_at: now,
            expires_at: now + lifetime,
            ended_at: None,
        })
    }

    /// Ends a session, starts a copy under another id, and returns that id.
    pub(crate) fn renew(&mut self, id: &str, now: SystemTime) -> Option<String> {
        let mut session = self.get(id)?.clone();
        self.end(id, now);
        session.id = ids::object_id("session", now);
        Some(self.insert(session))
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Session> {
        self.sessions.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut Session> {
        self.sessions.get_mut(id)
    }

    /// The sessions of a user, newest first.
    pub(crate) fn of_user(&self, user_id: &str) -> impl Iterator<Item = &Session> {
        self.order
            .iter()
            .rev()
            .filter_map(|id| self.get(id))
            .filter(move |session| session.user_id == user_id)
    }

    /// Ends a session; false if no session has that id.
    pub(crate) fn end(&mut self, id: &str, now: SystemTime) -> bool {
        let session = self.sessions.get_mut(id);
        if let Some(session) = session {
            session.ended_at.get_or_insert(now);
            return true;
        }
        false
    }

    pub(crate) fn end_all(&mut self, user_id: &str, now: SystemTime) {
        for session in self.sessions.values_mut().filter(|session| session.user_id == user_id) {
            session.ended_at.get_or_insert(now);
        }
    }

    pub(crate) fn issue_token(&mut self, session_id: &str) -> String {
        let token = ids::secret_token();
        self.tokens.insert(token.clone(), TokenState::Live { session_id: session_id.to_owned() });
        token
    }

    pub(crate) fn token(&self, token: &str) -> Option<&TokenState> {
        self.tokens.get(token)
    }

    /// Retires a token whose exchange was answered with `replay`, and forgets tokens that were retired longer than
    /// `remembered` ago.
    pub(crate) fn retire_token(
        &mut self,
        token: &str,
        replay: Replay,
        now: SystemTime,
        remembered: Duration,
    ) {
        if let Some(state) = self.tokens.get_mut(token) {
            let session_id = state.session_id().to_owned();
            *state = TokenState::Retired { session_id, at: now, replay };
            self.retired.push_back((now, token.to_owned()));
        }
        let is_old = |at: SystemTime| now.duration_since(at).unwrap_or_default() > remembered;
        while self.retired.front().is_some_and(|(at, _)| is_old(*at)) {
            if let Some((_, token)) = self.retired.pop_front() {
                self.tokens.remove(&token);
            }
        }
    }

    fn insert(&mut self, session: Session) -> String {
        let id = session.id.clone();
        self.order.push(id.clone());
        self.sessions.insert(id.clone(), session);
        id
    }
}

impl Session {
    pub(crate) fn is_over(&self, now: SystemTime) -> bool {
        self.ended_at.is_some() || self.expires_at <= now
    }

    pub(crate) fn to_json(&self, now: SystemTime) -> Value {
        let status = match self.ended_at {
            Some(_) => "revoked",
            None if self.expires_at <= now => "expired",
            None => "active",
        };
        let mut session = json!({
            "object": "session",
            "id": self.id,
            "user_id": self.user_id,
            "ip_address": null,
            "user_agent": self.user_agent,
            "auth_method": auth_method(&self.method),
            "status": status,
            "expires_at": timestamp(self.expires_at),
            "ended_at": self.ended_at.map(timestamp),
            "created_at": timestamp(self.signed_in_at),
            "updated_at": timestamp(self.ended_at.unwrap_or(self.signed_in_at)),
        });
        if let Some(organization_id) = &self.organization_id {
            session["organization_id"] = json!(organization_id);
        }
        if let Some(impersonator) = &self.impersonator {
            session["impersonator"] = impersonator.to_json();
        }
        session
    }
}

/// The list endpoint's name for an `authentication_method`.
fn auth_method(method: &str) -> &'static str {
    match method {
        "Impersonation" => "impersonation",
        "MagicAuth" => "magic_code",
        "Passkey" => "passkey",
        "Password" => "password",
        "SSO" => "sso",
        provider if provider.ends_with("OAuth") => "oauth",
        _ => "unknown",
    }
}

/// How long a session can be refreshed (in production, a setting of the dashboard).
const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long an impersonated session can be refreshed: 60 minutes, as in production.
const IMPERSONATION_LIFETIME: Duration = Duration::from_secs(60 * 60);
