//! What axum needs: extractors, and [`Endpoints`] as a router.

use std::{convert::Infallible, fmt};

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, IntoResponseParts, Redirect, ResponseParts},
};
use bytes::Bytes;
use http::{Response, request::Parts};

use crate::{
    authkit::StartedSession,
    browser_redirect::BrowserRedirect,
    denial::{Caller, Cause, Denial, Mistake, answer_without_layer},
    endpoints::Endpoints,
    lookup::PrincipalLookup,
    principal::Principal,
    session::Session,
};

/// Why an extractor has no [`Session`] or [`Principal`] to give: the answer that the layer outside gives, or 500 without one.
pub struct SessionRejection {
    response: Box<Response<Bytes>>,
}

impl SessionRejection {
    /// Why the request is denied.
    pub fn denial(&self) -> Option<&Denial> {
        self.response.extensions().get()
    }
}

impl fmt::Debug for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionRejection").field(&self.denial()).finish()
    }
}

impl fmt::Display for SessionRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no session: answered with status {}", self.response.status().as_u16())
    }
}

impl std::error::Error for SessionRejection {}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response<Body> {
        self.response.map(Body::from)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let response = match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::Session(session) => return Ok(session.clone()),
            PrincipalLookup::Bearer(bearer) => {
                bearer.state().deny(&Cause::NotByBearer, caller(parts))
            }
            PrincipalLookup::NoPrincipal(none) => none.deny(caller(parts)),
            PrincipalLookup::NoLayer => {
                answer_without_layer(Mistake::SessionOutsideLayer, caller(parts))
            }
        };
        Err(SessionRejection { response })
    }
}

/// `None` says that nobody is signed in. That it cannot be told now is a rejection, never `None`.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        let response = match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::Session(session) => return Ok(Some(session.clone())),
            PrincipalLookup::Bearer(bearer) => {
                bearer.state().deny(&Cause::NotByBearer, caller(parts))
            }
            PrincipalLookup::NoPrincipal(none) if none.is_signed_out() => return Ok(None),
            PrincipalLookup::NoPrincipal(none) => none.deny(caller(parts)),
            PrincipalLookup::NoLayer => {
                answer_without_layer(Mistake::SessionOutsideLayer, caller(parts))
            }
        };
        Err(SessionRejection { response })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        let response = match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::Session(session) => return Ok(Self::Session(session.clone())),
            PrincipalLookup::Bearer(bearer) => return Ok(Self::Bearer(bearer.clone())),
            PrincipalLookup::NoPrincipal(none) => none.deny(caller(parts)),
            PrincipalLookup::NoLayer => {
                answer_without_layer(Mistake::SessionOutsideLayer, caller(parts))
            }
        };
        Err(SessionRejection { response })
    }
}

/// `None` says that nobody is signed in, by cookie or by token. That it cannot be told now is a rejection.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        match PrincipalLookup::of(&parts.extensions) {
            PrincipalLookup::NoPrincipal(none) if none.is_signed_out() => Ok(None),
            PrincipalLookup::Session(_)
            | PrincipalLookup::Bearer(_)
            | PrincipalLookup::NoPrincipal(_)
            | PrincipalLookup::NoLayer => {
                <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
            }
        }
    }
}

fn caller(parts: &Parts) -> Caller<'_> {
    Caller::of_parts(parts)
}

/// The three endpoints at their paths, to be merged into the outermost router.
///
/// Under `nest`, use `nest_service(prefix, endpoints)` instead: the paths are those that the browser sees.
impl<S: Clone + Send + Sync + 'static> From<Endpoints> for Router<S> {
    fn from(endpoints: Endpoints) -> Self {
        let paths = endpoints.paths().map(|path| path.replace('{', "{{").replace('}', "}}"));
        paths
            .into_iter()
            .fold(Self::new(), |router, path| router.route_service(&path, endpoints.clone()))
    }
}

impl IntoResponse for BrowserRedirect {
    fn into_response(self) -> Response<Body> {
        Redirect::to(self.as_str()).into_response()
    }
}

/// Sets the session's cookies.
impl IntoResponseParts for StartedSession {
    type Error = Infallible;

    fn into_response_parts(self, mut parts: ResponseParts) -> Result<ResponseParts, Infallible> {
        self.write_cookies(parts.headers_mut());
        Ok(parts)
    }
}

#[cfg(test)]
mod tests;
