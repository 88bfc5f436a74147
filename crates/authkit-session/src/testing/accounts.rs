//! What WorkOS knows of sessions and their tokens, and how it rotates them.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    mem,
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    clock::Clock,
    testing::{Key, key},
};

#[derive(Default)]
pub(super) struct Accounts {
    pub(super) sessions: Vec<Session>,
    tokens: HashMap<String, Token>,
    /// How many tokens there ever were.
    issued: usize,
    replayed: VecDeque<(Duration, String)>,
    pub(super) rotation: Option<Rotation>,
    pub(super) lifetime: Option<u64>,
    pub(super) signing: usize,
    pub(super) published: Option<String>,
}

/// What becomes of a refresh token that was exchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rotation {
    /// For 30 seconds it brings the same pair again.
    Replayed,
    /// It is spent at once.
    Strict,
    /// It stays the session's.
    None,
}

#[derive(Default)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) claims: Value,
    pub(super) user: Value,
    pub(super) organizations: Vec<String>,
    pub(super) extra: BTreeMap<String, Value>,
    revoked: bool,
}

impl Session {
    /// Nothing is answered about it any more.
    pub(super) fn end(&mut self) {
        let id = mem::take(&mut self.id);
        *self = Self { id, revoked: true, ..Self::default() };
    }
}

struct Token {
    session: usize,
    spent: Option<Spent>,
}

struct Spent {
    at: Duration,
    answer: String,
}

impl Accounts {
    /// Begins a session, of which nobody has an access token; returns its refresh token.
    pub(super) fn begin(&mut self, user: &str, more: Value) -> String {
        let number = self.sessions.len();
        let mut claims = json!({ "sub": user, "client_id": "client_1" });
        let Value::Object(more) = more else { panic!("claims are an object, not {more}") };
        for (name, value) in more {
            claims[name] = value;
        }
        self.sessions.push(Session {
            id: format!("session_{number}"),
            organizations: claims["org_id"].as_str().map(str::to_owned).into_iter().collect(),
            claims,
            user: json!({ "object": "user", "id": user, "email": format!("{user}@example.com") }),
            extra: BTreeMap::new(),
            revoked: false,
        });
        self.new_token(number)
    }

    /// The number of the session that a token is of.
    pub(super) fn session_of(&self, token: &str) -> usize {
        self.tokens[token].session
    }

    pub(super) fn session(&mut self, id: &str) -> &mut Session {
        self.sessions.iter_mut().find(|session| session.id == id).unwrap()
    }

    fn new_token(&mut self, session: usize) -> String {
        let token = format!("refresh_{}", self.issued);
        self.issued += 1;
        self.tokens.insert(token.clone(), Token { session, spent: None });
        token
    }

    pub(super) fn refresh(
        &mut self,
        token: &str,
        organization: Option<&str>,
        clock: &Clock,
    ) -> (u16, String) {
        let refused = |code: &str| (400, json!({ "error": code }).to_string());
        let now = clock.monotonic();
        let rotation = self.rotation.unwrap_or(Rotation::Replayed);
        let Some(Token { session: number, spent }) = self.tokens.get(token) else {
            return refused("invalid_grant");
        };
        let (number, session) = (*number, &mut self.sessions[*number]);
        if session.revoked {
            return refused("invalid_grant");
        }
        if let Some(spent) = spent {
            return match rotation {
                Rotation::Replayed if now < spent.at + REPLAYED => (200, spent.answer.clone()),
                Rotation::Replayed | Rotation::Strict | Rotation::None => refused("invalid_grant"),
            };
        }
        if let Some(organization) = organization {
            if !session.organizations.iter().any(|member| member == organization) {
                return refused("organization_not_found");
            }
            session.claims["org_id"] = json!(organization);
        }
        if rotation == Rotation::None {
            return (200, self.answer(number, token, clock.unix()));
        }
        let new = self.new_token(number);
        let answer = self.answer(number, &new, clock.unix());
        let spent = Spent { at: now, answer: answer.clone() };
        self.tokens.get_mut(token).unwrap().spent = Some(spent);
        self.forget_answers(now);
        self.replayed.push_back((now, token.to_owned()));
        (200, answer)
    }

    /// Forgets the tokens whose answers would not be repeated any more: they are refused like those that never were.
    fn forget_answers(&mut self, now: Duration) {
        while self.replayed.front().is_some_and(|(at, _)| *at + REPLAYED <= now) {
            let (_, token) = self.replayed.pop_front().unwrap();
            self.tokens.remove(&token);
        }
    }

    pub(super) fn answer(&self, session: usize, refresh_token: &str, now: u64) -> String {
        let session = &self.sessions[session];
        let mut claims = session.claims.clone();
        claims["sid"] = json!(session.id);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + self.lifetime.unwrap_or(300));
        let mut answer = json!({
            "user": session.user,
            "organization_id": claims["org_id"],
            "access_token": self.key().token(&claims),
            "refresh_token": refresh_token,
        });
        for (name, value) in &session.extra {
            answer[name] = value.clone();
        }
        answer.to_string()
    }

    fn key(&self) -> &'static Key {
        key(self.signing)
    }

    pub(super) fn jwks(&self) -> String {
        let usual = || json!({ "keys": [self.key().jwk()] }).to_string();
        self.published.clone().unwrap_or_else(usual)
    }
}

/// Source: WorkOS's page on session resilience.
const REPLAYED: Duration = Duration::from_secs(30);
