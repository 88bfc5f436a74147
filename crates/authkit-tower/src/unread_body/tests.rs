use std::future::poll_fn;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::*;

/// A body of so many frames of 64 KiB that come at once; then it ends, fails, or hangs.
struct Frames {
    frames: usize,
    then: Then,
    length: Option<u64>,
    polled: usize,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    End,
    Fail,
    Hang,
}

const FRAME: usize = 64 << 10;

impl Body for &mut Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let body = self.get_mut();
        body.polled += 1;
        if body.polled <= body.frames {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[0; FRAME])))));
        }
        match body.then {
            Then::End => Poll::Ready(None),
            Then::Fail => Poll::Ready(Some(Err("the client went away"))),
            Then::Hang => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Reads a body on and returns how often it was polled.
async fn polls(version: Version, expect: Option<&str>, mut body: Frames) -> usize {
    let mut request = Request::builder().version(version);
    if let Some(expect) = expect {
        request = request.header(EXPECT, expect);
    }
    let mut unread = UnreadBody::of(request.body(&mut body).unwrap());
    poll_fn(|cx| unread.poll_read(cx)).await;
    assert!(unread.poll_read(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
    drop(unread);
    body.polled
}

/// E6 of docs/cases.md.
#[tokio::test(start_paused = true)]
async fn e6_a_body_is_read_as_far_as_it_is_of_use() {
    let h1 = Version::HTTP_11;
    // A name, what is asked, frames and what comes after them, the length that is announced, and the polls.
    let cases = [
        ("one frame", h1, None, 1, Then::End, None, 2),
        ("HTTP/1.0", Version::HTTP_10, None, 1, Then::End, None, 2),
        ("of a known length", h1, None, 2, Then::End, Some(2 * FRAME as u64), 3),
        ("1 MiB", h1, None, 16, Then::End, None, 17),
        ("more than 1 MiB", h1, None, 1_000, Then::End, None, 17),
        ("more than 1 MiB, said before", h1, None, 17, Then::End, Some(17 * FRAME as u64), 0),
        ("HTTP/2", Version::HTTP_2, None, 1, Then::End, None, 0),
        ("nobody has sent it", h1, Some("100-continue"), 1, Then::End, None, 0),
        ("a client that leaves", h1, None, 1, Then::Fail, None, 2),
    ];
    for (name, version, expect, frames, then, length, expected) in cases {
        let body = Frames { frames, then, length, polled: 0 };
        assert_eq!(polls(version, expect, body).await, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn e6_a_client_that_sends_no_more_is_answered_after_two_seconds() {
    let begun = Instant::now();
    let body = Frames { frames: 1, then: Then::Hang, length: None, polled: 0 };
    assert!(polls(Version::HTTP_11, None, body).await >= 2);
    let two_seconds = Duration::from_secs(2);
    assert!(begun.elapsed() >= two_seconds);
    assert!(begun.elapsed() < two_seconds + Duration::from_millis(10));
}

/// No timer where there is nothing to read: it needs a runtime.
#[test]
fn a_request_without_a_body_is_answered_at_once() {
    let request = Request::new(http_body_util::Empty::<Bytes>::new());
    let mut unread = UnreadBody::of(request);
    assert!(unread.poll_read(&mut Context::from_waker(std::task::Waker::noop())).is_ready());
}
