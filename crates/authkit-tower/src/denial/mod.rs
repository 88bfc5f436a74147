//! What is refused, who asks, and what they see.

mod answer;
mod pages;

use std::time::Duration;

use authkit_session::{Asker, Reason, Refusal, RefusalKind};
use http::{Extensions, HeaderMap, Method, Request, Uri};
use tracing::{error, info, warn};

pub(crate) use self::{
    answer::{Scheme, answer},
    pages::{Action, Link, Page},
};
use crate::{
    client::ClientKind,
    origin::CrossOrigin,
    uri::{self, ReturnPath, Site},
};

/// Why a request was answered before it reached the service.
///
/// It is in the extensions of every such response, for layers outside that count or log.
/// [`AuthKitLayer::with_denial`](crate::AuthKitLayer::with_denial) edits the answer itself.
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
    /// What kind of denial it is.
    pub fn kind(&self) -> DenialKind {
        self.kind
    }

    /// Who asked, hence which protocol the answer speaks.
    pub fn client(&self) -> ClientKind {
        self.client
    }

    /// Why no session was found, where one was looked for; not for the eyes of the client.
    pub fn reason(&self) -> Option<Reason> {
        self.reason
    }

    /// Where to sign in, where that helps: a path of this service.
    pub fn login_url(&self) -> Option<&str> {
        self.login_url.as_deref()
    }

    /// When to try again, where that helps.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

/// The kinds of [`Denial`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum DenialKind {
    /// Nobody is signed in, or not recently enough: 401, or the way to the sign-in page.
    Unauthenticated,
    /// Somebody is signed in who may not do this: 403.
    Forbidden,
    /// It cannot be told now who is signed in; the session is kept: 503.
    Unavailable,
    /// Another site had the browser send this: 403.
    CrossOrigin,
    /// The service is put together wrongly: 500.
    Misconfigured,
}

/// Why a request is denied, before it is known who asks.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Challenge {
        organization: Option<Box<str>>,
        reason: Reason,
    },
    /// Signed in, but longer ago than this.
    SignInAgain {
        max_age: Duration,
    },
    Forbidden,
    /// The handler takes a session, and there is a bearer token.
    #[cfg_attr(not(feature = "axum"), expect(dead_code, reason = "extractors deny for it"))]
    NotByBearer,
    Unavailable {
        retry_after: Duration,
        reason: Reason,
    },
    CrossOrigin(CrossOrigin),
    Misconfigured(Mistake),
}

impl Cause {
    /// Nothing was looked for.
    pub(crate) const NOBODY: Self =
        Self::Challenge { organization: None, reason: Reason::NoCookie };

    /// One event for whoever wonders why a request was not let in; where a session was looked for, that has its own.
    fn report(&self, client: ClientKind) {
        match self {
            Self::Challenge { .. } | Self::Unavailable { .. } => {}
            Self::SignInAgain { max_age } => {
                info!(?client, ?max_age, "denied: signed in too long ago")
            }
            Self::Forbidden => info!(?client, "denied: a guard's condition is not met"),
            Self::NotByBearer => warn!(
                ?client,
                "denied: this handler takes a Session, which a bearer token has none of; take a Principal"
            ),
            Self::CrossOrigin(from) => warn!(?client, ?from, "denied: sent by another site"),
            Self::Misconfigured(mistake) => error!(?client, "denied: {}", mistake.text()),
        }
    }

    pub(crate) fn of(refusal: &Refusal, client: ClientKind) -> Self {
        let reason = refusal.reason();
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

/// How a service can be put together wrongly.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mistake {
    #[cfg(feature = "axum")]
    SessionOutsideLayer,
    GuardOutsideLayer,
    LayerOverEndpoints,
}

impl Mistake {
    /// What to do about it.
    pub(crate) fn text(self) -> &'static str {
        match self {
            #[cfg(feature = "axum")]
            Self::SessionOutsideLayer => {
                "No AuthKitLayer ran before this handler asked for a Session. Put \
                 `.route_layer(AuthKitLayer::new(&authkit))` after the handler's `.route(..)`, on the same router."
            }
            Self::GuardOutsideLayer => {
                "No AuthKitLayer ran before this Require. The layer goes outside the guard. axum: \
                 `.route_layer(Require::..)` first, `.route_layer(AuthKitLayer::new(&authkit))` after it. ServiceBuilder \
                 and tonic: `.layer(AuthKitLayer::new(&authkit))` first, `.layer(Require::..)` after it."
            }
            Self::LayerOverEndpoints => {
                "AuthKitLayer::new covers the sign-in endpoints too, so nobody could sign in. Merge `Endpoints` after \
                 the layer (axum), put `.layer(Endpoints::new(&authkit))` before it (ServiceBuilder), or use \
                 `AuthKitLayer::optional`."
            }
        }
    }
}

/// The parts of a request that shape an answer to it.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) client: ClientKind,
    pub(crate) method: &'a Method,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

impl<'a> Caller<'a> {
    pub(crate) fn of<B>(request: &'a Request<B>) -> Self {
        Self::new(request.method(), request.uri(), request.headers(), request.extensions())
    }

    pub(crate) fn new(
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
        extensions: &'a Extensions,
    ) -> Self {
        Self {
            client: ClientKind::of(method, headers),
            method,
            uri: uri::original(uri, extensions),
            headers,
        }
    }

    pub(crate) fn return_path(&self, site: &Site) -> ReturnPath {
        ReturnPath::of_request(self.client, self.method, self.uri, self.headers, site)
    }

    /// Whether the answer may delete a session's cookie.
    pub(crate) fn asker(&self) -> Asker {
        if self.client == ClientKind::Document && *self.method == Method::GET {
            Asker::Document
        } else {
            Asker::Other
        }
    }
}

#[cfg(test)]
mod tests;
