use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header::CONTENT_LENGTH};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Body of a response: the inner service's, passed on untouched, or the body of our own answer.
    ///
    /// The default is an empty body.
    #[derive(Debug)]
    pub struct ResponseBody<B = NoBody> {
        #[pin]
        source: BodySource<B>,
    }
}

pin_project! {
    #[project = BodySourceProj]
    #[derive(Debug)]
    enum BodySource<B> {
        Inner { #[pin] body: B },
        Ours { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { source: BodySource::Inner { body } }
    }

    pub(crate) fn ours(bytes: Bytes) -> Self {
        Self { source: BodySource::Ours { bytes } }
    }
}

/// Takes the body off a response to a `HEAD`, which has the fields of the whole response alone (RFC 9110 section 9.3.2).
///
/// hyper takes the body off in HTTP/1.1, and in HTTP/2 sends what it gets, which clients take for a broken stream.
pub(crate) fn without_body_to_head(method: &Method, response: &mut Response<Bytes>) {
    if *method == Method::HEAD && !response.body().is_empty() {
        let length = std::mem::take(response.body_mut()).len();
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::ours(Bytes::new())
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().source.project() {
            BodySourceProj::Inner { body } => body.poll_frame(cx),
            BodySourceProj::Ours { bytes } if bytes.is_empty() => Poll::Ready(None),
            BodySourceProj::Ours { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            BodySource::Inner { body } => body.is_end_stream(),
            BodySource::Ours { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            BodySource::Inner { body } => body.size_hint(),
            // A length fits into 64 bits on every platform that Rust has.
            BodySource::Ours { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// The body type of an inner service that does not exist. It has no values.
///
/// [`Endpoints`](crate::Endpoints) without an inner service answers everything itself.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::exhaustive_enums, reason = "that it has no value is its meaning")]
pub enum NoBody {}

impl Body for NoBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[test]
    fn a_head_has_the_fields_of_the_whole_response_and_no_body() {
        for (method, body, length) in [
            (Method::HEAD, "", Some("4")),
            (Method::GET, "text", None),
            (Method::POST, "text", None),
        ] {
            let mut response = Response::new(Bytes::from("text"));
            without_body_to_head(&method, &mut response);
            assert_eq!(response.body(), body, "{method}");
            let field = response.headers().get(CONTENT_LENGTH);
            assert_eq!(field.map(|field| field.to_str().unwrap()), length, "{method}");
        }
        let mut empty = Response::default();
        without_body_to_head(&Method::HEAD, &mut empty);
        assert!(empty.headers().is_empty(), "that of a redirect has none either");
    }

    #[tokio::test]
    async fn every_source_gives_its_bytes_and_its_length() {
        let cases = [
            ("inner", ResponseBody::inner(Full::new(Bytes::from("inner"))), "inner"),
            ("ours", ResponseBody::ours(Bytes::from("ours")), "ours"),
            ("default", ResponseBody::default(), ""),
        ];

        for (name, body, expected) in cases {
            assert_eq!(body.size_hint().exact(), Some(expected.len() as u64), "{name}");
            assert_eq!(body.is_end_stream(), expected.is_empty(), "{name}");
            assert_eq!(body.collect().await.unwrap().to_bytes(), expected, "{name}");
        }
    }
}
