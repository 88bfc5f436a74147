use std::{
    collections::VecDeque,
    convert::Infallible,
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body of an answer, which may be sent slowly, padded or cut short.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    pieces: VecDeque<Bytes>,
    announced: Announced,
    pause: Duration,
    pausing: Option<Pin<Box<Sleep>>>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum Announced {
    Length(u64),
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Whole,
    Cut,
}

impl ReplyBody {
    pub(crate) fn whole(body: Bytes) -> Self {
        Self::of(body, Duration::ZERO, End::Whole)
    }

    /// Announces the length of all of `body`, sends half of it, then ends the connection.
    pub(crate) fn truncated(body: &Bytes) -> Self {
        let mut reply = Self::of(body.slice(..body.len() / 2), FLUSH_PAUSE, End::Cut);
        reply.announced = Announced::Length(body.len() as u64);
        reply
    }

    pub(crate) fn slow(body: &Bytes, bytes: usize, interval: Duration) -> Self {
        let mut reply = Self::of(Bytes::new(), interval, End::Whole);
        reply.announced = Announced::Length(body.len() as u64);
        reply.pieces = body.chunks(bytes).map(|piece| body.slice_ref(piece)).collect();
        reply
    }

    /// `body` and then white space, without an announced length.
    pub(crate) fn padded(body: Bytes, padding: usize) -> Self {
        const SPACES: Bytes = Bytes::from_static(&[b' '; 64 * 1024]);

        let mut reply = Self::of(body, Duration::ZERO, End::Whole);
        reply.announced = Announced::Nothing;
        reply.pieces.extend(std::iter::repeat_n(SPACES, padding / SPACES.len()));
        reply.pieces.push_back(SPACES.slice(..padding % SPACES.len()));
        reply
    }

    fn of(body: Bytes, pause: Duration, end: End) -> Self {
        let announced = Announced::Length(body.len() as u64);
        let pieces = if body.is_empty() { VecDeque::new() } else { VecDeque::from([body]) };
        Self { pieces, announced, pause, pausing: None, end }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(pausing) = &mut self.pausing {
            ready!(pausing.as_mut().poll(cx));
            self.pausing = None;
        }
        match (self.pieces.pop_front(), self.end) {
            (Some(piece), _) => {
                if !self.pause.is_zero() {
                    self.pausing = Some(Box::pin(sleep(self.pause)));
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && matches!(self.end, End::Whole)
    }

    fn size_hint(&self) -> SizeHint {
        match self.announced {
            Announced::Length(length) => SizeHint::with_exact(length),
            Announced::Nothing => SizeHint::default(),
        }
    }
}

/// Ends the connection in the middle of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault cuts this connection")
    }
}

impl error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A pause in which hyper flushes its buffer.
const FLUSH_PAUSE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_body_pauses_between_its_pieces() {
        let mut body = ReplyBody::slow(&Bytes::from(vec![b'x'; 1_000]), 400, PAUSE);
        let began = Instant::now();
        let mut pieces = Vec::new();
        while let Some(piece) = body.frame().await {
            pieces.push((began.elapsed(), piece.unwrap().into_data().unwrap().len()));
        }
        assert_eq!(pieces, [(Duration::ZERO, 400), (PAUSE, 400), (2 * PAUSE, 200)]);
    }

    const PAUSE: Duration = Duration::from_millis(60);
}
