//! Converts heads of actix, whose types are those of `http` 0.2, to heads of `http` 1, and back.

use std::str::FromStr;

use actix_web::{
    Error, HttpRequest,
    error::ErrorInternalServerError,
    http::{
        StatusCode, Version,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
};
use http::{Method, Uri, request::Parts};

/// The head of a request, without extensions.
///
/// # Errors
///
/// If one version accepts what the other refuses.
pub(crate) fn request_parts(request: &HttpRequest) -> Result<Parts, http::Error> {
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = Method::from_bytes(request.method().as_str().as_bytes())?;
    parts.uri = Uri::from_str(&request.uri().to_string())?;
    parts.version = match request.version() {
        Version::HTTP_09 => http::Version::HTTP_09,
        Version::HTTP_10 => http::Version::HTTP_10,
        Version::HTTP_2 => http::Version::HTTP_2,
        Version::HTTP_3 => http::Version::HTTP_3,
        _ => http::Version::HTTP_11,
    };
    headers_from_actix(request.headers(), &mut parts.headers)?;
    Ok(parts)
}

pub(crate) fn headers_from_actix(
    from: &HeaderMap,
    to: &mut http::HeaderMap,
) -> Result<(), http::Error> {
    for (name, value) in from {
        let mut converted = http::HeaderValue::from_bytes(value.as_bytes())?;
        converted.set_sensitive(value.is_sensitive());
        to.append(http::HeaderName::from_bytes(name.as_ref())?, converted);
    }
    Ok(())
}

/// Replaces the headers in `to`.
pub(crate) fn headers_to_actix(from: &http::HeaderMap, to: &mut HeaderMap) -> Result<(), Error> {
    to.clear();
    for (name, value) in from {
        let name = HeaderName::from_bytes(name.as_ref()).map_err(ErrorInternalServerError)?;
        let mut converted =
            HeaderValue::from_bytes(value.as_bytes()).map_err(ErrorInternalServerError)?;
        converted.set_sensitive(value.is_sensitive());
        to.append(name, converted);
    }
    Ok(())
}

pub(crate) fn status(status: http::StatusCode) -> StatusCode {
    // Both take the same numbers.
    StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

pub(crate) fn status_of_actix(status: StatusCode) -> http::StatusCode {
    http::StatusCode::from_u16(status.as_u16()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_head_stays_what_it_is() {
        let request = TestRequest::post()
            .uri("/a%20b?c=%C3%A4")
            .version(Version::HTTP_2)
            .append_header(("cookie", "a=1"))
            .append_header(("cookie", "b=2"))
            .append_header(("x-bytes", HeaderValue::from_bytes(b"\xe4").unwrap()))
            .to_http_request();
        let parts = request_parts(&request).unwrap();
        assert_eq!((parts.method, parts.version), (Method::POST, http::Version::HTTP_2));
        assert_eq!(parts.uri, "/a%20b?c=%C3%A4");
        assert_eq!(parts.headers.get_all("cookie").iter().count(), 2);
        assert_eq!(parts.headers["x-bytes"].as_bytes(), b"\xe4");

        let mut back = HeaderMap::new();
        back.insert(HeaderName::from_static("gone"), HeaderValue::from_static("gone"));
        headers_to_actix(&parts.headers, &mut back).unwrap();
        assert_eq!(back.get_all("cookie").count(), 2);
        assert_eq!((back.len(), back.contains_key("gone")), (3, false));
    }
}
