use std::{future::Future, ops::Deref, time::Instant};

use authkit_session::VerifiedToken;
use http::Extensions;

use crate::{bearer::Bearer, deadline::Deadline, found::Found, session::Session};

/// Whoever sent a request: a browser with a session, or a program with an access token of its own.
///
/// For handlers behind a layer [that takes bearer tokens](crate::AuthKitLayer::with_bearer). What both have in common is
/// [`VerifiedToken`], which it dereferences to: ids, roles, permissions. Only a [`Session`] knows the user's name and
/// e-mail address, or can be signed out. With axum it is an extractor too.
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
#[allow(clippy::exhaustive_enums, reason = "a new way in has to break every match on it")]
pub enum Principal {
    /// A browser, by its session cookie.
    Session(Session),
    /// A program, by `Authorization: Bearer`.
    Bearer(Bearer),
}

impl Principal {
    /// Who sent the request with these extensions; `None` where no layer let it through by what it brought.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        match Found::by(extensions) {
            Found::Session(session) => Some(Self::Session(session.clone())),
            Found::Bearer(bearer) => Some(Self::Bearer(bearer.clone())),
            Found::Nobody(_) | Found::Nothing => None,
        }
    }

    /// When the token ends, for timers.
    pub fn deadline(&self) -> Instant {
        self.ends().instant()
    }

    /// Completes when the token ends, by the clock of the configuration; looks at it once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.ends().passed()
    }

    fn ends(&self) -> Deadline {
        match self {
            Self::Session(session) => session.ends(),
            Self::Bearer(bearer) => bearer.ends(),
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
