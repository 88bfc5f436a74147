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

/// The body of a request that is answered before anyone has read it.
///
/// A server closes an HTTP/1 connection whose request it has not read to the end. A proxy that still sends the body then
/// sees a connection that was reset, and its client gets a 502 in place of our answer. So the body is read, and thrown
/// away, before the answer is sent: as much as nginx lets through by default, and for two seconds at most.
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
    /// What of a request has to be read on.
    pub(crate) fn of(request: Request<B>) -> Self {
        let is_of_no_use = request.body().is_end_stream()
            || request.body().size_hint().lower() > MOST
            // Each request of HTTP/2 is a stream of its own: it ends, not the connection.
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

    /// A body that was read.
    pub(crate) fn read() -> Self {
        Self(None)
    }

    /// Reads on. Ready when there is nothing more to read, or it is not worth it.
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

/// How many bytes of a body are read, in place of whoever would have: nginx's `client_max_body_size`.
const MOST: u64 = 1 << 20;
/// How long a body is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
