use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use serde_json::Value;
use tokio::time;

use crate::{
    clock::Clock,
    testing::accounts::{Accounts, Rotation},
    upstream::transport::{MAX_ANSWER, Sending, Transport, TransportError},
};

/// A WorkOS in memory: it rotates tokens as the real one does, answers what it is told to, and counts its calls.
pub(crate) struct Workos {
    /// What WorkOS takes the time to be.
    pub(crate) clock: Clock,
    state: Mutex<State>,
}

/// Where a call goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Endpoint {
    /// An exchange of a refresh token.
    Authenticate,
    /// An exchange of a code; no sign-in is under way, so every code is made up.
    Code,
    /// The keys of session tokens, or of an AuthKit domain.
    Jwks,
    Revoke,
    /// A question about a customer's API key; there are none but those that a test answers for.
    ApiKey,
}

/// How a call is answered.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// As WorkOS does, after so long.
    Usual(Duration),
    /// With this status, these header fields and this body, and nothing is done.
    Instead(u16, Vec<(&'static str, String)>, String),
    /// What is asked for is done, but this is answered with status 200.
    Garbled(String),
    /// Nothing is done, since the request does not arrive.
    NotSent,
    /// What is asked for is done at once, and answered after so long.
    Late(Duration),
    /// What is asked for is done, but its answer is lost.
    Lost,
    /// Nothing is done, and no answer comes.
    Hangs,
    /// The same, and so it is on the connections that are open, until one is new.
    PoolDies,
    /// The transport itself has a bug.
    Panics,
}

#[derive(Default)]
struct State {
    accounts: Accounts,
    replies: HashMap<Endpoint, VecDeque<Reply>>,
    usually: HashMap<Endpoint, Reply>,
    calls: HashMap<Endpoint, usize>,
    exchanges: Vec<Exchange>,
    under_way: usize,
    most_under_way: usize,
    weather: Option<Weather>,
    pool_is_dead: bool,
    /// The tokens whose successors are still on their way, and their sessions.
    undelivered: HashMap<String, usize>,
}

type Weather = Box<dyn FnMut(Endpoint, Duration) -> Reply + Send>;

/// A refresh that was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exchange {
    /// When, by WorkOS's clock.
    pub(crate) at: Duration,
    pub(crate) token: String,
    pub(crate) organization: Option<String>,
}

impl Workos {
    pub(crate) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self { clock, state: Mutex::default() })
    }

    /// Signs a user in: the answer to the callback's exchange.
    pub(crate) fn sign_in(&self, user: &str, more: Value) -> String {
        let token = self.begin(user, more);
        let accounts = &self.state().accounts;
        accounts.answer(accounts.session_of(&token), &token, self.clock.unix())
    }

    /// Begins a session, of which nobody has an access token; returns its refresh token.
    pub(crate) fn begin(&self, user: &str, more: Value) -> String {
        self.state().accounts.begin(user, more)
    }

    /// Lets a session's user be a member of this organization too.
    pub(crate) fn join(&self, session_id: &str, organization: &str) {
        self.state().accounts.session(session_id).organizations.push(organization.to_owned());
    }

    /// Sets a field of the session's user from now on.
    pub(crate) fn change_user(&self, session_id: &str, field: &str, value: Value) {
        self.state().accounts.session(session_id).user[field] = value;
    }

    /// Sets a claim of the session's tokens from now on.
    pub(crate) fn claim(&self, session_id: &str, claim: &str, value: Value) {
        self.state().accounts.session(session_id).claims[claim] = value;
    }

    /// Adds a field to the answers about the session from now on.
    pub(crate) fn answer_field(&self, session_id: &str, field: &str, value: Value) {
        self.state().accounts.session(session_id).extra.insert(field.to_owned(), value);
    }

    /// Ends a session: its refresh token is refused from now on.
    pub(crate) fn revoke(&self, session_id: &str) {
        self.state().accounts.session(session_id).end();
    }

    pub(crate) fn rotate(&self, rotation: Rotation) {
        self.state().accounts.rotation = Some(rotation);
    }

    /// Sets how many seconds access tokens last from now on (300 before).
    pub(crate) fn lifetime(&self, seconds: u64) {
        self.state().accounts.lifetime = Some(seconds);
    }

    /// Signs with the `n`th key from now on, and publishes it alone.
    pub(crate) fn sign_with(&self, n: usize) {
        self.state().accounts.signing = n;
    }

    /// Publishes this instead of a JWK set.
    pub(crate) fn publish(&self, jwks: impl Into<String>) {
        self.state().accounts.published = Some(jwks.into());
    }

    /// Answers the next call so, after those queued before.
    pub(crate) fn will(&self, endpoint: Endpoint, reply: Reply) {
        self.state().replies.entry(endpoint).or_default().push_back(reply);
    }

    /// Answers calls so for which no answer is queued.
    pub(crate) fn usually(&self, endpoint: Endpoint, reply: Reply) {
        self.state().usually.insert(endpoint, reply);
    }

    /// Answers calls as `weather` says, for which no answer is queued. From now on [`exchanges`](Self::exchanges) are not
    /// recorded, since there will be many.
    pub(crate) fn weather(
        &self,
        weather: impl FnMut(Endpoint, Duration) -> Reply + Send + 'static,
    ) {
        self.state().weather = Some(Box::new(weather));
    }

    /// Whether a token of this session was exchanged, and no answer of that has arrived.
    pub(crate) fn is_undelivered(&self, session_id: &str) -> bool {
        let state = self.state();
        state.undelivered.values().any(|session| state.accounts.sessions[*session].id == session_id)
    }

    pub(crate) fn calls(&self, endpoint: Endpoint) -> usize {
        self.state().calls.get(&endpoint).copied().unwrap_or_default()
    }

    /// The refreshes that were asked for so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        self.state().exchanges.clone()
    }

    /// How many refreshes were asked for at once, at most.
    pub(crate) fn most_under_way(&self) -> usize {
        self.state().most_under_way
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn carry_out(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let path = request.uri().path();
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let endpoint = if path.starts_with("/sso/jwks/") || path == "/oauth2/jwks" {
            Endpoint::Jwks
        } else if path == "/api_keys/validations" {
            Endpoint::ApiKey
        } else if path.ends_with("/revoke") {
            Endpoint::Revoke
        } else if body["grant_type"] == "authorization_code" {
            Endpoint::Code
        } else {
            Endpoint::Authenticate
        };
        let _call = (endpoint == Endpoint::Authenticate).then(|| Call::begin(self));
        let reply = self.state().begin(endpoint, &body, self.clock.monotonic());
        let (status, fields, body) = match reply {
            Reply::Usual(wait) => {
                time::sleep(wait).await;
                let (status, answer) = self.answer(endpoint, &body);
                self.heard(status, &body);
                (status, Vec::new(), answer)
            }
            Reply::Instead(status, fields, body) => (status, fields, body),
            Reply::Garbled(answer) => {
                let _ = self.answer_unheard(endpoint, &body);
                (200, Vec::new(), answer)
            }
            Reply::Late(wait) => {
                let (status, answer) = self.answer_unheard(endpoint, &body);
                time::sleep(wait).await;
                self.heard(status, &body);
                (status, Vec::new(), answer)
            }
            Reply::NotSent => return Err(TransportError::NotSent),
            Reply::Lost => {
                let _ = self.answer_unheard(endpoint, &body);
                return Err(TransportError::Lost);
            }
            Reply::Hangs => std::future::pending().await,
            Reply::PoolDies => {
                self.state().pool_is_dead = true;
                std::future::pending().await
            }
            Reply::Panics => panic!("a bug in the transport"),
        };
        if body.len() > MAX_ANSWER {
            return Err(TransportError::TooLarge);
        }
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(name, value);
        }
        Ok(response.body(Bytes::from(body)).unwrap())
    }

    /// Does what is asked for, though the answer may not arrive.
    fn answer_unheard(&self, endpoint: Endpoint, body: &Value) -> (u16, String) {
        let (status, answer) = self.answer(endpoint, body);
        if let (200, Some(token)) = (status, body["refresh_token"].as_str()) {
            let state = &mut *self.state();
            let session = state.accounts.session_of(token);
            state.undelivered.insert(token.to_owned(), session);
        }
        (status, answer)
    }

    /// An answer with this status arrives.
    fn heard(&self, status: u16, body: &Value) {
        if let (200, Some(token)) = (status, body["refresh_token"].as_str()) {
            self.state().undelivered.remove(token);
        }
    }

    fn answer(&self, endpoint: Endpoint, body: &Value) -> (u16, String) {
        let accounts = &mut self.state().accounts;
        match endpoint {
            Endpoint::Code => (400, r#"{"error":"invalid_grant"}"#.to_owned()),
            Endpoint::Jwks => (200, accounts.jwks()),
            Endpoint::ApiKey => (200, r#"{"api_key":null}"#.to_owned()),
            Endpoint::Revoke => {
                let id = body["session_id"].as_str().unwrap();
                let session = accounts.sessions.iter_mut().find(|session| session.id == id);
                if let Some(session) = session {
                    session.end();
                }
                (200, "{}".to_owned())
            }
            Endpoint::Authenticate => {
                let token = body["refresh_token"].as_str().unwrap();
                accounts.refresh(token, body["organization_id"].as_str(), &self.clock)
            }
        }
    }
}

/// As the one over HTTPS: a connection on which an answer did not come in time is not used again.
impl Transport for Workos {
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        Box::pin(async move {
            let answer = async {
                if self.state().pool_is_dead {
                    std::future::pending::<()>().await;
                }
                self.carry_out(&request).await
            };
            time::timeout(deadline, answer).await.unwrap_or_else(|_| {
                self.state().pool_is_dead = false;
                Err(TransportError::TimedOut)
            })
        })
    }

    fn send_on_new_connection(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        self.state().pool_is_dead = false;
        self.send(request, deadline)
    }
}

impl fmt::Debug for Workos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workos")
    }
}

/// A refresh that is under way.
struct Call<'a>(&'a Workos);

impl<'a> Call<'a> {
    fn begin(workos: &'a Workos) -> Self {
        let state = &mut *workos.state();
        state.under_way += 1;
        state.most_under_way = state.most_under_way.max(state.under_way);
        Self(workos)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.state().under_way -= 1;
    }
}

impl State {
    fn begin(&mut self, endpoint: Endpoint, body: &Value, at: Duration) -> Reply {
        *self.calls.entry(endpoint).or_default() += 1;
        if endpoint == Endpoint::Authenticate && self.weather.is_none() {
            let text = |field: &str| body[field].as_str().map(str::to_owned);
            self.exchanges.push(Exchange {
                at,
                token: text("refresh_token").unwrap(),
                organization: text("organization_id"),
            });
        }
        if let Some(queued) = self.replies.get_mut(&endpoint).and_then(VecDeque::pop_front) {
            return queued;
        }
        match &mut self.weather {
            Some(weather) => weather(endpoint, at),
            None => self.usually.get(&endpoint).cloned().unwrap_or(Reply::Usual(Duration::ZERO)),
        }
    }
}
