use serde_json::{Value, json};

use crate::{
    call::Call,
    endpoint::Endpoint,
    grant::Grant,
    state::{Directory, State},
};

/// A set of requests: those to one endpoint and, where the target names them, with one grant, and about one user,
/// session and organization. A request must match everything that is named. A [`Fault`](crate::Fault) happens to the
/// requests of a target, and [`Emulator::calls`](crate::Emulator::calls) counts them.
///
/// # Examples
///
/// ```
/// use authkit_emulator::{Endpoint, Fault, Grant, Target};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// // WorkOS refuses Bob's refreshes, also after Bob has signed in again, and nobody else's.
/// let refreshes = Target::from(Grant::RefreshToken).user("bob@acme.test");
/// emulator.fault(Fault::answer("1").on(refreshes.clone()).until_cleared());
/// assert_eq!(emulator.calls(refreshes), 0);
/// // The next three revocations fail.
/// emulator.fault(Fault::answer("revoke-503").times(3));
/// // A user who switches to Globex has to sign in through its identity provider.
/// emulator.fault(Fault::answer("22").on(Target::default().organization("Globex")));
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "hand it to `Fault::on` or `Emulator::calls`"]
pub struct Target {
    endpoint: Endpoint,
    grant: Option<Grant>,
    user: Option<String>,
    session: Option<String>,
    organization: Option<String>,
}

impl Default for Target {
    /// Every request to [`Endpoint::Authenticate`].
    fn default() -> Self {
        Self::from(Endpoint::Authenticate)
    }
}

impl From<Endpoint> for Target {
    /// Every request to the endpoint.
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, grant: None, user: None, session: None, organization: None }
    }
}

impl From<Grant> for Target {
    /// Every exchange of the grant.
    fn from(grant: Grant) -> Self {
        Self { grant: Some(grant), ..Self::from(Endpoint::Authenticate) }
    }
}

impl Target {
    /// Only exchanges of one grant.
    pub fn grant(mut self, grant: Grant) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Only requests about one user, given by address or id: sign-ins, exchanges of the user's codes and tokens, ends and
    /// lists of the user's sessions.
    pub fn user(mut self, email: impl Into<String>) -> Self {
        self.user = Some(email.into());
        self
    }

    /// Only requests about one session: exchanges of its tokens, and its end.
    pub fn session(mut self, session_id: impl Into<String>) -> Self {
        self.session = Some(session_id.into());
        self
    }

    /// Only requests about one organization, given by id or name: the one that the request names, else that of the
    /// session or of the sign-in.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    pub(crate) fn covers(&self, call: &Call, directory: &Directory) -> bool {
        let user =
            |named: &str| directory.user_named(named).map_or(named, |user| &user.id).to_owned();
        let organization = |named: &str| {
            directory.organization_named(named).map_or(named, |found| &found.id).to_owned()
        };
        self.endpoint == call.endpoint
            && self.grant.is_none_or(|grant| call.grant == Some(grant))
            && self.user.as_deref().is_none_or(|named| call.user_id == Some(user(named)))
            && self.session.as_ref().is_none_or(|id| call.session_id.as_ref() == Some(id))
            && (self.organization.as_deref())
                .is_none_or(|named| call.organization_id == Some(organization(named)))
    }

    /// The user, session or organization that the target names although it does not exist.
    pub(crate) fn unknown(&self, state: &State) -> Option<String> {
        let user = self.user.as_deref().filter(|named| state.directory.user_named(named).is_none());
        let session = self.session.as_deref().filter(|id| state.sessions.get(id).is_none());
        let organization = self.organization.as_deref();
        let organization =
            organization.filter(|named| state.directory.organization_named(named).is_none());
        user.map(|named| format!("user {named}"))
            .or_else(|| session.map(|id| format!("session {id}")))
            .or_else(|| organization.map(|named| format!("organization {named}")))
    }

    /// Panics if the target names something that does not exist, so that a typing error stops the test.
    pub(crate) fn expect_known(&self, state: &State) {
        if let Some(unknown) = self.unknown(state) {
            panic!("the emulator knows no {unknown}, so no request matches this target");
        }
    }

    /// The target in the control API's JSON: only the members that are named.
    pub(crate) fn to_json(&self) -> Value {
        let mut target = json!({ "endpoint": self.endpoint.name() });
        let named = [
            ("grant", self.grant.map(Grant::name)),
            ("user", self.user.as_deref()),
            ("session", self.session.as_deref()),
            ("organization", self.organization.as_deref()),
        ];
        for (name, value) in named.into_iter().filter_map(|(name, value)| Some((name, value?))) {
            target[name] = json!(value);
        }
        target
    }
}
