use std::{future::Future, time::Instant};

use authkit_session::VerifiedToken;
use http::Extensions;

use crate::{
    api_key::ApiKey, bearer::Bearer, deadline::Deadline, lookup::PrincipalLookup, machine::Machine,
    oauth_client::OAuthClient, principal_ref::PrincipalRef, session::Session,
};

/// Who sent a request, whatever it authenticated with.
///
/// For handlers that serve several kinds, behind a layer that accepts them. What a kind cannot have is absent: only a
/// [`Session`] and a [`Bearer`] have roles, only a [`Machine`] and an [`OAuthClient`] have scopes. With axum it is an
/// extractor, and so is each kind by itself.
///
/// | | user | organization | roles | permissions | scopes |
/// |---|---|---|---|---|---|
/// | [`Session`], [`Bearer`] | yes | where chosen | yes | yes | – |
/// | [`ApiKey`] | of a user's key | yes | – | yes | – |
/// | [`Machine`] | – | yes | – | – | yes |
/// | [`OAuthClient`] | yes | where chosen | – | – | yes |
///
/// # Examples
///
/// ```
/// use authkit_tower::Principal;
/// use http::Request;
///
/// fn greet<B>(request: &Request<B>) -> Option<String> {
///     Some(match Principal::of(request.extensions())? {
///         Principal::Session(session) => format!("Hello {}", session.user().display_name()),
///         other => format!("hello {}", other.subject()),
///     })
/// }
/// # assert!(greet(&Request::new(())).is_none());
/// ```
#[derive(Clone, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a new kind of principal has to break every match on it"
)]
pub enum Principal {
    /// A browser, which authenticated with its session cookie.
    Session(Session),
    /// A program with a user's access token.
    Bearer(Bearer),
    /// A program with a customer's API key.
    ApiKey(ApiKey),
    /// An application that acts for itself.
    Machine(Machine),
    /// An OAuth application that acts for a user.
    Client(OAuthClient),
}

impl Principal {
    /// The principal of the request with these extensions; `None` if no layer has attached one.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        match PrincipalLookup::of(extensions) {
            PrincipalLookup::Principal(principal) => Some(principal.to_owned()),
            PrincipalLookup::NoPrincipal(_) | PrincipalLookup::NoLayer => None,
        }
    }

    /// The id of the principal: the user's (`user_…`), an API key owner's (`org_…` or `user_…`), or the client id of a
    /// machine (`client_…`).
    pub fn subject(&self) -> &str {
        self.borrowed().subject()
    }

    /// The user's id (`user_…`). A machine, and an organization's API key, have none.
    pub fn user_id(&self) -> Option<&str> {
        self.borrowed().user_id()
    }

    /// The organization's id (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        self.borrowed().organization_id()
    }

    /// The main role of the user in the organization.
    pub fn role(&self) -> Option<&str> {
        self.token().and_then(VerifiedToken::role)
    }

    /// All roles of the user in the organization.
    pub fn roles(&self) -> &[String] {
        self.borrowed().roles()
    }

    /// The permissions of the user or of the API key.
    pub fn permissions(&self) -> &[String] {
        self.borrowed().permissions()
    }

    /// The scopes of the machine's or the OAuth application's token.
    pub fn scopes(&self) -> &[String] {
        self.borrowed().scopes()
    }

    /// The access token of a [`Session`] or a [`Bearer`].
    pub fn token(&self) -> Option<&VerifiedToken> {
        self.borrowed().token()
    }

    /// When the request's credential expires, for timers; `None` for an API key that does not expire.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiry().instant()
    }

    /// Completes when the request's credential expires, by the clock of the configuration, or when it ends earlier by a
    /// sign-out or a revocation. Checks once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    fn expiry(&self) -> Deadline {
        match self {
            Self::Session(session) => session.expiry(),
            Self::Bearer(bearer) => bearer.expiry(),
            Self::ApiKey(key) => key.expiry(),
            Self::Machine(machine) => machine.expiry(),
            Self::Client(client) => client.expiry(),
        }
    }

    fn borrowed(&self) -> PrincipalRef<'_> {
        match self {
            Self::Session(session) => PrincipalRef::Session(session),
            Self::Bearer(bearer) => PrincipalRef::Bearer(bearer),
            Self::ApiKey(key) => PrincipalRef::ApiKey(key),
            Self::Machine(machine) => PrincipalRef::Machine(machine),
            Self::Client(client) => PrincipalRef::Client(client),
        }
    }
}
