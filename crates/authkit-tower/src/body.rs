use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// Body of a response: the inner service's, passed on untouched, or ours where we answered in its place.
    ///
    /// The default is an empty body.
    #[derive(Debug)]
    pub struct ResponseBody<B = NoBody> {
        #[pin]
        source: Source<B>,
    }
}

pin_project! {
    #[project = SourceProj]
    #[derive(Debug)]
    enum Source<B> {
        Inner { #[pin] body: B },
        Ours { bytes: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self { source: Source::Inner { body } }
    }

    pub(crate) fn ours(bytes: Bytes) -> Self {
        Self { source: Source::Ours { bytes } }
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
            SourceProj::Inner { body } => body.poll_frame(cx),
            SourceProj::Ours { bytes } if bytes.is_empty() => Poll::Ready(None),
            SourceProj::Ours { bytes } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Inner { body } => body.is_end_stream(),
            Source::Ours { bytes } => bytes.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Inner { body } => body.size_hint(),
            // A length fits into 64 bits on every platform that Rust has.
            Source::Ours { bytes } => SizeHint::with_exact(bytes.len() as u64),
        }
    }
}

/// Body of an inner service that is not there; it has no value.
///
/// [`Endpoints`](crate::Endpoints) used as a service of its own answers everything itself.
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
