//! Denials: answers that are sent instead of calling the inner service.
//!
//! 1. The [`Cause`] says why, and the [`ClientKind`] says in which protocol. They alone determine status, headers and
//!    body.
//! 2. Only a client that shows pages is redirected, with 302 or 303, so that no form is sent twice. Every other client
//!    gets a status that its programs can read.
//! 3. A denial is `private, no-store` and varies by cookie. A 401 says how to authenticate (`WWW-Authenticate`), a 503
//!    when to try again (`Retry-After`).
//!    An `EventSource` would never try again after a 503: it gets an empty stream that says when to.
//! 4. A page or a problem shows nothing of the request except its own path, checked and encoded.
//! 5. Denials are logged by kind, with a count: how many there are is in the hands of clients.
//! 6. The layer's editor may change the complete answer. The [`Denial`] stays in the response's extensions.

mod answer;
mod caller;
mod challenge;
mod log;
mod pages;

use std::time::Duration;

use authkit_session::{Reason, Refusal, integration::RefusalKind};
use bytes::Bytes;
use http::Response;

pub(crate) use self::{
    answer::{answer, answer_without_layer},
    caller::Caller,
    challenge::{Challenge, Scheme, SignInOffer},
    log::DenialLog,
    pages::{Page, PageAction, PageLink},
};
use crate::{
    client_kind::ClientKind, origin::CrossOrigin, principal_ref::PrincipalKind,
    settings::LayerSettings,
};

/// A denial as it is sent.
pub(crate) type Denied = Box<Response<Bytes>>;

/// Why a request was answered before it reached the service.
///
/// The extensions of every such response hold one, for layers outside that count or log. To change the answer itself, use
/// [`AuthKitLayer::edit_denials`](crate::AuthKitLayer::edit_denials).
///
/// # Examples
///
/// ```
/// use authkit_tower::{Denial, DenialKind};
///
/// fn is_outage<B>(response: &http::Response<B>) -> bool {
///     response.extensions().get::<Denial>().is_some_and(|denial| denial.kind() == DenialKind::Unavailable)
/// }
/// # assert!(!is_outage(&http::Response::new(())));
/// ```
#[derive(Clone, Debug)]
pub struct Denial {
    kind: DenialKind,
    client: ClientKind,
    reason: Option<Reason>,
    login_url: Option<String>,
    retry_after: Option<Duration>,
}

impl Denial {
    /// The kind of the denial.
    pub fn kind(&self) -> DenialKind {
        self.kind
    }

    /// The kind of client, which decides the protocol of the answer.
    pub fn client(&self) -> ClientKind {
        self.client
    }

    /// Why the session was refused, if the layer looked for one. Meant for logs, not for the client.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Where to sign in, if that helps: a path of this service.
    pub fn login_url(&self) -> Option<&str> {
        self.login_url.as_deref()
    }

    /// How long the client should wait before it tries again, if that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The kinds of [`Denial`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DenialKind {
    /// Nobody is signed in, or not recently enough: 401, or a redirect to the sign-in page.
    Unauthenticated,
    /// The user is signed in, but may not do this: 403.
    Forbidden,
    /// The session cannot be checked right now, and is kept: 503; an event stream that only says when to come back, for
    /// an `EventSource`.
    Unavailable,
    /// Another site had the browser send the request: 403.
    CrossOrigin,
    /// The request contradicts itself, as with several `Authorization` fields: 400.
    BadRequest,
    /// Layers, guards or endpoints are in the wrong place: 500.
    Misconfigured,
}

/// Why a request is denied, whatever its client is.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Challenge {
        organization: Option<Box<str>>,
        reason: Reason,
    },
    /// The user signed in longer ago than this. A layer's limit has a reason; a guard has none.
    SignInAgain {
        max_age: Duration,
        reason: Option<Reason>,
    },
    Forbidden,
    /// The token lacks a scope.
    InsufficientScope {
        /// The scopes that it needs, between spaces.
        scope: Box<str>,
    },
    /// The handler takes another kind of principal than the request's.
    OtherPrincipal {
        wanted: PrincipalKind,
    },
    /// Several `Authorization` fields.
    RepeatedCredentials,
    Unavailable {
        retry_after: Duration,
        reason: Reason,
    },
    CrossOrigin(CrossOrigin),
    Misconfigured(Mistake),
}

impl Cause {
    /// For requests whose cookies were not read.
    pub(crate) const NOT_SIGNED_IN: Self =
        Self::Challenge { organization: None, reason: Reason::NoCookie };

    /// The cause in a few words: visible ASCII without `%`, which gRPC need not encode.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::Challenge { .. } => "not signed in",
            Self::SignInAgain { .. } => "signed in too long ago",
            Self::Forbidden => "permission denied",
            Self::InsufficientScope { .. } => "insufficient scope",
            Self::OtherPrincipal { wanted: PrincipalKind::Session } => {
                "an access token is not enough"
            }
            Self::OtherPrincipal {
                wanted:
                    PrincipalKind::Bearer
                    | PrincipalKind::ApiKey
                    | PrincipalKind::Machine
                    | PrincipalKind::Client,
            } => "another kind of credential is needed",
            Self::RepeatedCredentials => "several Authorization fields",
            Self::CrossOrigin(_) => "cross-origin request refused",
            Self::Unavailable { .. } => "the session cannot be checked now",
            Self::Misconfigured(mistake) => mistake.text(),
        }
    }

    pub(crate) fn of(refusal: &Refusal, client: ClientKind, settings: &LayerSettings) -> Self {
        let reason = refusal.reason();
        if let Some(max_age) = settings.sign_in_within(reason) {
            return Self::SignInAgain { max_age, reason: Some(reason) };
        }
        let challenge =
            || Self::Challenge { organization: refusal.organization().map(Into::into), reason };
        let unavailable = || Self::Unavailable { retry_after: refusal.retry_after(), reason };
        match refusal.kind() {
            RefusalKind::Challenge => challenge(),
            RefusalKind::ChallengeDocuments if client == ClientKind::Document => challenge(),
            RefusalKind::ChallengeDocuments | RefusalKind::Unavailable => unavailable(),
        }
    }
}

/// A layer, guard or extractor in the wrong place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mistake {
    SessionOutsideLayer,
    GuardOutsideLayer,
    LayerOverEndpoints,
    NestedEndpoints,
}

impl Mistake {
    /// What to change in the program.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::SessionOutsideLayer => {
                "No AuthKitLayer ran before this handler asked for a Session. axum: put \
                 `.route_layer(AuthKitLayer::new(&authkit))` after the handler's `.route(..)`, on the same router; a \
                 `.fallback(..)` takes `.layer(..)`, as `route_layer` leaves it out. ServiceBuilder and tonic: put `.layer(AuthKitLayer::new(&authkit))` before the service."
            }
            Self::GuardOutsideLayer => {
                "No AuthKitLayer ran before this Require. The layer goes outside the guard. axum: \
                 `.route_layer(Require::..)` first, `.route_layer(AuthKitLayer::new(&authkit))` after it. ServiceBuilder \
                 and tonic: `.layer(AuthKitLayer::new(&authkit))` first, `.layer(Require::..)` after it."
            }
            Self::LayerOverEndpoints => {
                "AuthKitLayer::new covers the sign-in endpoints too, so nobody could sign in. Merge `Endpoints` after \
                 the layer (axum), put `.layer(Endpoints::new(&authkit))` before it (ServiceBuilder), or name what needs no \
                 session by `AuthKitLayer::except`, which lets the endpoints through."
            }
            Self::NestedEndpoints => {
                "These Endpoints are nested below a prefix that their paths do not have, so nobody is sent here to sign in. \
                 Merge `Endpoints` into the outermost router: `.merge(Endpoints::new(&authkit))`. Or name their paths with \
                 the prefix, such as `Config::with_login_path(\"/auth/login\")`, `Config::with_logout_path(\"/auth/logout\")` \
                 and a redirect URI that ends in `/auth/callback`, and write `.nest_service(\"/auth\", \
                 Endpoints::new(&authkit))`."
            }
        }
    }
}

#[cfg(test)]
mod tests;
