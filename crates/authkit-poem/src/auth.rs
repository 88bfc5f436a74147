use authkit_tower::{FromParts, SessionRejection};
use http::request::Parts;
use poem::{Body, Error, FromRequest, Request, Response, Result};

use crate::request::uri_of;

/// Extractor of a [`Session`](authkit_tower::Session), a [`Principal`](authkit_tower::Principal), an `Option` of one, or
/// of a type of the application that is [`FromParts`].
///
/// If the request has none, the handler does not run, and the client gets the answer of the middleware around it;
/// without a middleware it gets 500.
///
/// # Examples
///
/// ```
/// use authkit_poem::Auth;
/// use authkit_tower::Session;
/// use poem::handler;
///
/// #[handler]
/// fn greeting(Auth(session): Auth<Option<Session>>) -> String {
///     session.map_or("Welcome".to_owned(), |session| format!("Hello {}", session.user().display_name()))
/// }
/// # let _ = greeting;
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_structs, reason = "handlers take it apart")]
pub struct Auth<T>(pub T);

impl<'a, T: FromParts> FromRequest<'a> for Auth<T> {
    async fn from_request(request: &'a Request, _: &mut poem::RequestBody) -> Result<Self> {
        T::from_parts(&parts_of(request)).map(Self).map_err(error_of)
    }
}

fn parts_of(request: &Request) -> Parts {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = uri_of(request).clone();
    parts.version = request.version();
    parts.headers = request.headers().clone();
    parts.extensions = request.extensions().clone();
    parts
}

fn error_of(rejection: SessionRejection) -> Error {
    let (parts, body) = rejection.into_http_response().into_parts();
    let mut response = Response::builder().status(parts.status).body(Body::from_bytes(body));
    *response.headers_mut() = parts.headers;
    *response.extensions_mut() = parts.extensions;
    Error::from_response(response)
}

#[cfg(test)]
mod tests {
    use authkit_tower::Session;

    use super::*;

    #[tokio::test]
    async fn without_a_middleware_the_answer_says_what_was_forgotten() {
        let request = Request::builder().uri_str("/dashboard").finish();
        let session = Auth::<Session>::from_request_without_body(&request).await;
        let mut response = session.err().unwrap().into_response();
        assert_eq!(response.status(), 500);
        let body = response.take_body().into_string().await.unwrap();
        assert!(body.contains("AuthKitLayer"), "{body}");
    }
}
