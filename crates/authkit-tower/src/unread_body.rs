use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use http::{Request, Version, header::EXPECT};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

/// The body of a request that is answered without having been read.
///
/// A server closes an HTTP/1 connection whose request it has not read to the end. A proxy that is still sending the
/// body then sees a reset connection, and its client gets a 502 instead of our answer. So the body is read and
/// discarded before the answer is sent: at most as many bytes as nginx accepts by default, and for two seconds at most.
pub(crate) struct UnreadBody<B>(Option<Pin<Box<UnreadRest<B>>>>);

pin_project! {
    struct UnreadRest<B> {
        #[pin]
        body: B,
        #[pin]
        deadline: Sleep,
        left: u64,
    }
}

impl<B: Body> UnreadBody<B> {
    /// The part of the request's body that remains to be read.
    pub(crate) fn of(request: Request<B>) -> Self {
        let is_of_no_use = request.body().is_end_stream()
            || request.body().size_hint().lower() > MOST
            // In HTTP/2 each request is a stream of its own: only the stream ends, not the connection.
            || request.version() >= Version::HTTP_2
            // The client waits for our answer before it sends the body.
            || request.headers().contains_key(EXPECT);
        if is_of_no_use {
            return Self::read();
        }
        Self(Some(Box::pin(UnreadRest {
            body: request.into_body(),
            deadline: sleep(PATIENCE),
            left: MOST,
        })))
    }

    /// A body that needs no reading.
    pub(crate) fn read() -> Self {
        Self(None)
    }

    /// Continues reading. Ready when the body is at its end or a limit is reached.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(reading) = &mut self.0 {
            let mut reading = reading.as_mut().project();
            let left = match reading.body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let length = frame.data_ref().map_or(0, Buf::remaining);
                    reading.left.checked_sub(u64::try_from(length).unwrap_or(u64::MAX))
                }
                Poll::Ready(Some(Err(_)) | None) => None,
                Poll::Pending if reading.deadline.poll(cx).is_ready() => None,
                Poll::Pending => return Poll::Pending,
            };
            match left {
                Some(left) => *reading.left = left,
                None => self.0 = None,
            }
        }
        Poll::Ready(())
    }
}

/// The greatest number of bytes that are read: nginx's default `client_max_body_size`.
const MOST: u64 = 1 << 20;
/// The longest time that is spent reading.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
