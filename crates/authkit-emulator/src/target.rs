use serde_json::{Value, json};

use crate::{
    call::Call,
    endpoint::Endpoint,
    grant::Grant,
    state::{Directory, State},
};

/// Requests: those to one endpoint, about a grant, a user, a session or an
/// organization where one is named. All that are named must fit. A [`Fault`](crate::Fault) is for them, and
/// [`Emulator::calls`](crate::Emulator::calls) counts them.
///
/// # Examples
///
/// ```
/// use authkit_emulator::{Endpoint, Fault, Grant, Target};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// // Bob's refreshes are refused, whoever else refreshes and however often Bob signs in anew.
/// let refreshes = Target::from(Grant::RefreshToken).user("bob@acme.test");
/// emulator.fault(Fault::answer("1").on(refreshes.clone()).until_cleared());
/// assert_eq!(emulator.calls(refreshes), 0);
/// // Nobody's session can be revoked, three times.
/// emulator.fault(Fault::answer("revoke-503").times(3));
/// // Whoever switches to Globex has to sign in through its identity provider.
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

    /// Only requests about one user, named by address or id: whose code or token is exchanged, whose session is
    /// ended or listed, who signs in.
    pub fn user(mut self, email: impl Into<String>) -> Self {
        self.user = Some(email.into());
        self
    }

    /// Only requests about one session: whose token is exchanged, or that is ended.
    pub fn session(mut self, session_id: impl Into<String>) -> Self {
        self.session = Some(session_id.into());
        self
    }

    /// Only requests about one organization, named by id or name: the one that is asked for, else the one of the
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

    /// What is named but does not exist, so that the fault could never happen.
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

    /// For calls in which a typing error should stop the test.
    pub(crate) fn expect_known(&self, state: &State) {
        if let Some(unknown) = self.unknown(state) {
            panic!("the emulator knows no {unknown}, so nothing can be about it");
        }
    }

    /// As the control API tells it: only what is named.
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
