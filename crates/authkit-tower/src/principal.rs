use std::{future::Future, ops::Deref, time::Instant};

use authkit_session::VerifiedToken;
use http::Extensions;

use crate::{bearer::Bearer, deadline::Deadline, lookup::PrincipalLookup, session::Session};

/// Who sent a request: a browser with a session, or a program with an access token of its own.
///
/// For handlers behind a layer [that accepts bearer tokens](crate::AuthKitLayer::with_bearer). It dereferences to what
/// both have in common, [`VerifiedToken`]: ids, roles, permissions. Only a [`Session`] knows the user's name and e-mail
/// address, or can be signed out. With axum it is an extractor too.
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
///         Principal::Bearer(bearer) => format!("hello {}", bearer.user_id()),
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
    /// A program, which authenticated with `Authorization: Bearer`.
    Bearer(Bearer),
}

impl Principal {
    /// The principal of the request with these extensions; `None` if no layer has attached one.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        match PrincipalLookup::of(extensions) {
            PrincipalLookup::Session(session) => Some(Self::Session(session.clone())),
            PrincipalLookup::Bearer(bearer) => Some(Self::Bearer(bearer.clone())),
            PrincipalLookup::NoPrincipal(_) | PrincipalLookup::NoLayer => None,
        }
    }

    /// When the access token expires, for timers.
    pub fn deadline(&self) -> Instant {
        self.expiry().instant()
    }

    /// Completes when the access token expires, by the clock of the configuration, or when its session ends before, by a
    /// sign-out or a revocation. It looks once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    fn expiry(&self) -> Deadline {
        match self {
            Self::Session(session) => session.expiry(),
            Self::Bearer(bearer) => bearer.expiry(),
        }
    }
}

impl Deref for Principal {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        match self {
            Self::Session(session) => session,
            Self::Bearer(bearer) => bearer,
        }
    }
}
