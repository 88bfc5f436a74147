use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Map, Value};

use crate::{
    overrides::Overrides,
    seal::seal,
    state::{ClientKind, Impersonator, NewSession, Shared, State, pairs},
    storage_state::storage_state,
};

/// A session that [`Emulator::session`](crate::Emulator::session) made without HTTP. Every endpoint accepts it.
///
/// The methods that return `Self` change the session or its access token before a test uses them.
///
/// # Examples
///
/// ```
/// use authkit_emulator::Emulator;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = Emulator::start().await;
/// let session = emulator.session("alice@acme.test").organization("Globex").expired();
///
/// let cookie = session.cookie("a-cookie-password-of-32-characters");
/// let header = format!("wos_session={cookie}");
/// # assert_eq!(session.claims()["role"], "member");
/// # }
/// ```
#[must_use = "a session is used by its cookie or its tokens"]
pub struct TestSession {
    shared: Arc<Shared>,
    session_id: String,
    organization_id: Option<String>,
    refresh_token: String,
    age: Age,
    lifetime: Duration,
    custom: Map<String, Value>,
    sealed: Overrides,
    claims: Value,
    access_token: String,
}

/// Which organization a session begins in.
#[derive(Clone, Copy)]
pub(crate) enum Choice<'a> {
    First,
    Nothing,
    Named(&'a str),
}

/// When the access token was issued.
enum Age {
    Since(Duration),
    /// Long enough ago that it has expired, whatever its lifetime.
    Expired,
}

impl TestSession {
    /// Signs a user in. The error names an unknown user or organization.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        email: &str,
        organization: Choice<'_>,
    ) -> Result<Self, String> {
        let mut state = shared.lock();
        let user = state.directory.user_named(email);
        let user = user.ok_or_else(|| format!("the emulator knows no user {email}"))?;
        let organizations = state.directory.organizations_of(&user.id);
        let organization = match organization {
            Choice::First => organizations.first().copied(),
            Choice::Nothing => None,
            Choice::Named(named) => {
                let member =
                    organizations.iter().find(|known| known.id == named || known.name == named);
                let missing = || format!("{email} is not a member of {named}");
                Some(*member.ok_or_else(missing)?)
            }
        };
        let organization_id = organization.map(|organization| organization.id.clone());
        let new_session = NewSession {
            user_id: user.id.clone(),
            organization_id: organization_id.clone(),
            method: "Password".to_owned(),
            client: ClientKind::Confidential,
            user_agent: None,
        };
        let session_id = pairs::begin(&mut state, new_session);
        let refresh_token = state.sessions.issue_token(&session_id);
        let lifetime = state.token_ttl;
        drop(state);
        let session = Self {
            shared,
            session_id,
            organization_id,
            refresh_token,
            age: Age::Since(Duration::ZERO),
            lifetime,
            custom: Map::new(),
            sealed: Overrides::default(),
            claims: Value::Null,
            access_token: String::new(),
        };
        Ok(session.minted())
    }

    /// Moves the session to another organization of the user, given by id or by name, as if the user had chosen it at
    /// sign-in.
    ///
    /// # Panics
    ///
    /// If there is no such organization, or the user is not a member of it.
    pub fn organization(mut self, organization: &str) -> Self {
        {
            let mut state = self.shared.lock();
            let id = state.directory.expect_organization(organization);
            let user_id =
                state.sessions.get(&self.session_id).map(|session| session.user_id.clone());
            let member =
                user_id.is_some_and(|user_id| state.directory.membership(&user_id, &id).is_some());
            assert!(member, "the user of the session is not a member of {organization}");
            if let Some(session) = state.sessions.get_mut(&self.session_id) {
                session.organization_id = Some(id.clone());
            }
            self.organization_id = Some(id);
        }
        self.minted()
    }

    /// Removes the organization from the session, as if the user had none.
    pub fn without_organization(mut self) -> Self {
        if let Some(session) = self.shared.lock().sessions.get_mut(&self.session_id) {
            session.organization_id = None;
        }
        self.organization_id = None;
        self.minted()
    }

    /// Makes this a session in which `email` impersonates the user.
    pub fn impersonated_by(self, email: &str, reason: Option<&str>) -> Self {
        if let Some(session) = self.shared.lock().sessions.get_mut(&self.session_id) {
            session.impersonator =
                Some(Impersonator { email: email.to_owned(), reason: reason.map(str::to_owned) });
            session.method = "Impersonation".to_owned();
        }
        self.minted()
    }

    /// Sets the lifetime of the access token, from its time of issue (default: the emulator's token lifetime).
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self.minted()
    }

    /// Issues the access token this long ago (default: now).
    pub fn issued_ago(mut self, ago: Duration) -> Self {
        self.age = Age::Since(ago);
        self.minted()
    }

    /// Makes the access token one that expired a minute ago. The session itself goes on.
    pub fn expired(mut self) -> Self {
        self.age = Age::Expired;
        self.minted()
    }

    /// Sets a claim of this access token, also a reserved one. A refreshed token does not have the claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.custom.insert(name.to_owned(), value.into());
        self.minted()
    }

    /// Sets a member of the cookie's [`payload`](Self::payload) to any value, of any type.
    pub fn sealed_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.sealed.set(name, value.into());
        self
    }

    /// Leaves a member out of the cookie's [`payload`](Self::payload).
    pub fn without_sealed_field(mut self, name: &str) -> Self {
        self.sealed.leave_out(name);
        self
    }

    /// The access token.
    pub fn access_token(&self) -> &str {
        &self.access_token
    }

    /// The refresh token.
    pub fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    /// The session id, `sid` in the access token.
    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    /// The claims of the access token.
    pub fn claims(&self) -> Value {
        self.claims.clone()
    }

    /// The answer of 200 that `authenticate` would give for this session: `user`, the tokens, `authentication_method`
    /// and, if the session has them, `organization_id` and `impersonator`.
    pub fn answer(&self) -> Value {
        Value::Object(self.members(&self.shared.lock()))
    }

    /// The payload of the session cookie: `access_token`, `refresh_token`, `user` and, if there is one, `impersonator`,
    /// with the changes that a test has made.
    pub fn payload(&self) -> Value {
        let state = self.shared.lock();
        let mut payload = self.members(&state);
        payload.retain(|name, _| SEALED.contains(&name.as_str()));
        let session = state.sessions.get(&self.session_id).expect("sessions are never forgotten");
        match state.directory.user(&session.user_id) {
            Some(user) => user.answer.apply(&mut payload),
            None => drop(payload.remove("user")),
        }
        self.sealed.apply(&mut payload);
        Value::Object(payload)
    }

    /// The value of the session cookie, sealed as by [`seal`](crate::seal).
    pub fn cookie(&self, password: &str) -> String {
        seal(&self.payload(), password)
    }

    /// The state of a browser that holds the [`cookie`](Self::cookie) as `wos_session` for the application at `app_url`,
    /// in the format of Playwright's `storageState`.
    ///
    /// # Panics
    ///
    /// If `app_url` is not an http(s) URL, or the cookie is larger than a browser keeps.
    pub fn storage_state(&self, password: &str, app_url: &str) -> Value {
        let state = storage_state("wos_session", &self.cookie(password), app_url);
        state.unwrap_or_else(|problem| panic!("no browser could hold this session: {problem}"))
    }

    fn members(&self, state: &State) -> Map<String, Value> {
        let organization_id = self.organization_id.as_deref();
        let (access_token, refresh_token) = (&self.access_token, &self.refresh_token);
        pairs::answer(state, &self.session_id, organization_id, access_token, refresh_token)
    }

    fn minted(mut self) -> Self {
        let state = self.shared.lock();
        let age = match self.age {
            Age::Since(age) => age,
            Age::Expired => self.lifetime + EXPIRED_FOR,
        };
        let issued_at = state.now().checked_sub(age).unwrap_or(UNIX_EPOCH);
        let mut claims = pairs::claims(
            &state,
            &self.session_id,
            self.organization_id.as_deref(),
            issued_at,
            self.lifetime,
        );
        claims.extend(self.custom.clone());
        let key = Arc::clone(state.keys.signing());
        drop(state);
        self.claims = Value::Object(claims);
        self.access_token = key.sign(&key.header(), &self.claims);
        self
    }
}

impl std::fmt::Debug for TestSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestSession").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// Longer than any leeway that a verifier is likely to have.
const EXPIRED_FOR: Duration = Duration::from_secs(60);

/// The members that the Ruby SDK seals.
const SEALED: [&str; 4] = ["access_token", "refresh_token", "user", "impersonator"];
