//! Converts a poem request to a request of `http`, and back.

use std::{
    fmt, io, mem,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::Uri;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use poem::{Request, RequestParts};

/// The body of a poem request, with the parts for which a request of `http` has no place, such as the peer's address
/// and the parameters of the route.
pub struct RequestBody {
    body: BoxBody<Bytes, io::Error>,
    rest: Box<RequestParts>,
}

/// The URI that the browser sees; `nest` shortens the request's own URI, to `/` at least. If a middleware outside has
/// written another URI, the layer judges that one, as the routes do. A request made by hand has no original URI, which then
/// is `/`.
pub(crate) fn uri_of(request: &Request) -> &Uri {
    let (original, left) = (request.original_uri(), request.uri());
    let is_shortened = left.path() == "/" || original.path().ends_with(left.path());
    if original.path() != "/" && is_shortened { original } else { left }
}

pub(crate) fn to_http(request: Request) -> http::Request<RequestBody> {
    let uri = uri_of(&request).clone();
    let (mut rest, body) = request.into_parts();
    let (mut parts, ()) = http::Request::new(()).into_parts();
    parts.method = rest.method.clone();
    parts.uri = uri;
    parts.version = rest.version;
    parts.headers = mem::take(&mut rest.headers);
    parts.extensions = mem::take(&mut rest.extensions);
    http::Request::from_parts(parts, RequestBody { body: body.into(), rest: Box::new(rest) })
}

pub(crate) fn from_http(request: http::Request<RequestBody>) -> Request {
    let (parts, RequestBody { body, mut rest }) = request.into_parts();
    rest.headers = parts.headers;
    rest.extensions = parts.extensions;
    Request::from_parts(*rest, body.into())
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::{Method, Version};
    use poem::{Body, Endpoint, Route, endpoint::make};

    use super::*;

    #[tokio::test]
    async fn a_request_comes_back_as_it_was() {
        let request = Request::builder()
            .method(Method::POST)
            .uri_str("/a?b=1")
            .version(Version::HTTP_2)
            .header("x-header", "value")
            .extension(7_u8)
            .body("body");
        let back = from_http(to_http(request));
        assert_eq!((back.method(), back.version()), (&Method::POST, Version::HTTP_2));
        assert_eq!(back.uri(), "/a?b=1");
        assert_eq!(back.header("x-header"), Some("value"));
        assert_eq!(back.data::<u8>(), Some(&7));
        assert_eq!(back.into_body().into_string().await.unwrap(), "body");
    }

    /// A path that is excepted lets nobody to another one.
    #[tokio::test]
    async fn a_path_that_was_rewritten_is_judged_as_it_is_routed() {
        for (sent, left, expected) in [
            ("/about?x", "/about?x", "/about?x"),
            ("/app/about", "/about", "/app/about"),
            ("/app", "/", "/app"),
            ("/", "/admin", "/admin"),
            ("/about", "/admin", "/admin"),
            ("/assets/x", "/admin/assets/x", "/admin/assets/x"),
        ] {
            let (parts, ()) = http::Request::get(sent).body(()).unwrap().into_parts();
            let address = (Default::default(), Default::default(), http::uri::Scheme::HTTP);
            let parts = RequestParts::from((parts, address.0, address.1, address.2));
            let mut request = Request::from_parts(parts, Body::empty());
            *request.uri_mut() = left.parse().unwrap();
            assert_eq!(uri_of(&request), expected, "{sent}, {left}");
        }
    }

    #[tokio::test]
    async fn under_nest_the_path_is_the_one_that_the_browser_sees() {
        let (parts, ()) = http::Request::get("/app/page?tab=1").body(()).unwrap().into_parts();
        let address = (Default::default(), Default::default(), http::uri::Scheme::HTTP);
        let parts = RequestParts::from((parts, address.0, address.1, address.2));
        let inner = make(async |request| {
            let request = to_http(request);
            let seen = request.uri().to_string();
            format!("{seen} {}", from_http(request).uri())
        });
        let app = Route::new().nest("/app", inner);
        let response = app.get_response(Request::from_parts(parts, Body::empty())).await;
        let said = response.into_body().into_string().await.unwrap();
        assert_eq!(said, "/app/page?tab=1 /page?tab=1");
    }
}
