use std::{
    fmt,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    body::BoxBody,
    dev::Payload,
    error::{self, Error},
    http::StatusCode,
};
use authkit_tower::{FromParts, SessionRejection};

use crate::{convert, exchange::HttpParts};

/// Extractor of a [`Session`](authkit_tower::Session), a [`Principal`](authkit_tower::Principal), an `Option` of one, or
/// of a type of the application that is [`FromParts`].
///
/// If the request has none, the handler does not run, and the client gets the answer of the middleware around it;
/// without a middleware it gets 500.
///
/// # Examples
///
/// ```
/// use authkit_actix::Auth;
/// use authkit_tower::Session;
///
/// async fn greeting(Auth(session): Auth<Option<Session>>) -> String {
///     session.map_or("Welcome".to_owned(), |session| format!("Hello {}", session.user().display_name()))
/// }
/// # let _ = actix_web::web::get().to(greeting);
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Auth<T>(pub T);

impl<T: FromParts> FromRequest for Auth<T> {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(extract(request).map(Self))
    }
}

fn extract<T: FromParts>(request: &HttpRequest) -> Result<T, Error> {
    if let Some(HttpParts(parts)) = request.extensions().get() {
        return T::from_parts(parts).map_err(|rejection| AuthError(rejection).into());
    }
    let parts = convert::request_parts(request).map_err(error::ErrorBadRequest)?;
    T::from_parts(&parts).map_err(|rejection| AuthError(rejection).into())
}

/// Error of [`Auth`]: its response is that of a [`SessionRejection`].
#[derive(Debug)]
pub struct AuthError(SessionRejection);

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl ResponseError for AuthError {
    fn status_code(&self) -> StatusCode {
        convert::status(self.0.response().status())
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let rejection = self.0.response();
        let mut response = HttpResponse::new(self.status_code());
        if let Err(error) = convert::headers_to_actix(rejection.headers(), response.headers_mut()) {
            return HttpResponse::from_error(error);
        }
        response.extensions_mut().insert(rejection.extensions().clone());
        response.set_body(BoxBody::new(rejection.body().clone()))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, test::TestRequest};
    use authkit_tower::{Denial, DenialKind, Session};

    use super::*;

    #[actix_web::test]
    async fn without_a_middleware_the_answer_says_what_was_forgotten() {
        let request = TestRequest::with_uri("/dashboard").to_http_request();
        let error = Auth::<Session>::extract(&request).await.err().unwrap();
        let response = error.error_response();
        assert_eq!(response.status(), 500);
        let kind = response
            .extensions()
            .get::<http::Extensions>()
            .and_then(|extensions| extensions.get::<Denial>().map(Denial::kind));
        assert_eq!(kind, Some(DenialKind::Misconfigured));
        let body = to_bytes(response.into_body()).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("AuthKitLayer"), "{body:?}");
    }
}
