//! Converts bodies of actix to bodies of `http_body`, and back, without collecting them.

use std::{
    error::Error,
    fmt,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use actix_web::{
    body::{BodySize, MessageBody},
    dev::Payload,
    error::PayloadError,
};
use bytes::Bytes;
use futures_core::Stream;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exchange::Exchange;

/// The body of an actix request, with the request itself, which has more than a request of `http`.
pub struct RequestBody {
    pub(crate) payload: Payload,
    pub(crate) exchange: Rc<Exchange>,
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = PayloadError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, PayloadError>>> {
        Pin::new(&mut self.payload).poll_next(cx).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.payload, Payload::None)
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of a response of actix, for a layer.
    #[derive(Debug)]
    pub struct HandlerBody<B> {
        #[pin]
        pub(crate) body: B,
    }
}

impl<B: MessageBody> Body for HandlerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        self.project().body.poll_next(cx).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.body.size().is_eof()
    }

    fn size_hint(&self) -> SizeHint {
        match self.body.size() {
            BodySize::None => SizeHint::with_exact(0),
            BodySize::Sized(length) => SizeHint::with_exact(length),
            BodySize::Stream => SizeHint::default(),
        }
    }
}

pin_project! {
    /// The body of a layer's response, for actix.
    #[derive(Debug)]
    pub struct LayerBody<B> {
        #[pin]
        body: B,
        size: BodySize,
    }
}

impl<B: Body> LayerBody<B> {
    /// `handlers` is the size of the handler's body, if the layer passed it on.
    pub(crate) fn new(body: B, handlers: Option<BodySize>) -> Self {
        let own = || body.size_hint().exact().map_or(BodySize::Stream, BodySize::Sized);
        let size = handlers.unwrap_or_else(own);
        Self { body, size }
    }
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error>>>> MessageBody for LayerBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.size
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        let mut body = self.project().body;
        // actix sends no trailers.
        while let Some(frame) = ready!(body.as_mut().poll_frame(cx)?) {
            if let Ok(data) = frame.into_data() {
                return Poll::Ready(Some(Ok(data)));
            }
        }
        Poll::Ready(None)
    }
}
