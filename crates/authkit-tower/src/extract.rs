//! The axum integration: extractors over [`FromParts`], responses, and [`Endpoints`] as a router.

use std::convert::Infallible;

use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, IntoResponseParts, Redirect, ResponseParts},
    routing::any,
};
use http::{Method, Response, Uri, request::Parts};

use crate::{
    api_key::ApiKey, authkit::StartedSession, bearer::Bearer, browser_redirect::BrowserRedirect,
    endpoints::Endpoints, from_parts::FromParts, machine::Machine, oauth_client::OAuthClient,
    principal::Principal, resource::ResourceMetadata, session::Session,
    session_rejection::SessionRejection,
};

impl<S: Send + Sync> FromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

/// `None` if nobody is signed in. If the session cannot be checked right now, the result is a rejection, never `None`.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Session {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        FromParts::from_parts(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Bearer {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ApiKey {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Machine {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OAuthClient {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = SessionRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, SessionRejection> {
        Self::from_parts(parts)
    }
}

/// `None` if nobody is signed in, by cookie or by token. If that cannot be checked right now, the result is a
/// rejection.
impl<S: Send + Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = SessionRejection;

    async fn from_request_parts(
        parts: &mut Parts,
        _: &S,
    ) -> Result<Option<Self>, SessionRejection> {
        FromParts::from_parts(parts)
    }
}

impl IntoResponse for SessionRejection {
    fn into_response(self) -> Response<Body> {
        self.into_http_response().map(Body::from)
    }
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

/// The metadata at its two paths, to be merged into the outermost router.
impl<S: Clone + Send + Sync + 'static> From<ResourceMetadata> for Router<S> {
    fn from(metadata: ResourceMetadata) -> Self {
        let mut paths =
            metadata.paths().map(|path| path.replace('{', "{{").replace('}', "}}")).to_vec();
        paths.dedup();
        paths.into_iter().fold(Self::new(), |router, path| {
            let metadata = metadata.clone();
            let answer = move |method: Method, uri: Uri| async move {
                let answer = metadata.respond(&method, uri.path()).unwrap_or_default();
                answer.map(Body::from)
            };
            router.route(&path, any(answer))
        })
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
