//! Limits the memory that a server's replies can take.
//!
//! The parser of `redis` collects a reply until it is complete, however long it is. This reader wraps the connection
//! and follows the frames of RESP3: the first byte of a line and the number after it say how many bytes or values come
//! next, and a reply is complete when no more values are expected.
//!
//! 1. A value has 1 MiB at most, a line 64 KiB, a whole reply 16 MiB.
//! 2. A server that exceeds a limit is disconnected. `redis` reports that like any other end of the connection, so the
//!    reader keeps the reason.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fault::ConnectionFault;

/// A connection whose replies are bounded.
#[derive(Debug)]
pub(crate) struct BoundedReplies<S> {
    inner: S,
    frames: Frames,
    bound: ReplyBound,
}

/// Whether a reply was too large.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReplyBound(Arc<AtomicBool>);

/// The progress of the reply that is arriving.
#[derive(Debug, Default)]
struct Frames {
    /// The remaining bytes of a value and of the line end after it.
    value: u64,
    /// The line that is arriving.
    line: Line,
    /// The remaining values of this reply.
    awaited: u64,
    /// The bytes of this reply so far.
    size: u64,
}

#[derive(Debug, Default)]
struct Line {
    kind: Option<u8>,
    number: u64,
    length: u64,
}

impl<S> BoundedReplies<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self { inner, frames: Frames::default(), bound: ReplyBound::default() }
    }

    pub(crate) fn bound(&self) -> ReplyBound {
        self.bound.clone()
    }
}

impl ReplyBound {
    /// Why the connection has ended.
    pub(crate) fn explain(&self, fault: ConnectionFault) -> ConnectionFault {
        if self.0.load(Ordering::Relaxed) {
            return ConnectionFault::Garbled("a reply is too large".into());
        }
        fault
    }
}

impl Frames {
    /// Follows bytes that have arrived.
    fn follow(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.value > 0 {
                let skipped = bytes.len().min(usize::try_from(self.value).unwrap_or(usize::MAX));
                self.value -= skipped as u64;
                self.grow(skipped as u64)?;
                bytes = &bytes[skipped..];
                if self.value == 0 {
                    self.count_value(0);
                }
                continue;
            }
            self.grow(1)?;
            bytes = rest;
            self.line.length += 1;
            match (byte, self.line.kind) {
                (b'\n', Some(kind)) => {
                    let number = std::mem::take(&mut self.line).number;
                    self.finish_line(kind, number)?;
                }
                (_, None) => self.line.kind = Some(byte),
                (b'0'..=b'9', Some(_)) => {
                    let digit = u64::from(byte - b'0');
                    self.line.number = self.line.number.saturating_mul(10).saturating_add(digit);
                }
                // A negative length stands for a null value.
                (b'-', Some(_)) if self.line.length == 2 => self.line.kind = Some(b'_'),
                _ => {}
            }
            if self.line.length > LINE {
                return Err(too_large("line"));
            }
        }
        Ok(())
    }

    fn finish_line(&mut self, kind: u8, number: u64) -> io::Result<()> {
        match kind {
            b'$' | b'=' | b'!' if number > VALUE => return Err(too_large("value")),
            b'$' | b'=' | b'!' => self.value = number + LINE_END,
            b'*' | b'~' | b'>' | b'%' | b'|' if number > VALUES => return Err(too_large("reply")),
            b'*' | b'~' | b'>' => self.count_value(number),
            b'%' => self.count_value(2 * number),
            // Attributes come before the value that they describe.
            b'|' => self.count_value(2 * number + 1),
            _ => self.count_value(0),
        }
        Ok(())
    }

    /// Counts a value that has arrived and that consists of `more` further values.
    fn count_value(&mut self, more: u64) {
        // At the start of a reply no value is expected.
        self.awaited = self.awaited.max(1) - 1 + more;
        if self.awaited == 0 {
            self.size = 0;
        }
    }

    fn grow(&mut self, by: u64) -> io::Result<()> {
        self.size += by;
        if self.size > REPLY { Err(too_large("reply")) } else { Ok(()) }
    }
}

fn too_large(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("a {what} of Redis is too large"))
}

impl<S: AsyncRead + Unpin> AsyncRead for BoundedReplies<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        let followed = this.frames.follow(&buffer.filled()[before..]);
        if followed.is_err() {
            this.bound.0.store(true, Ordering::Relaxed);
        }
        Poll::Ready(followed)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for BoundedReplies<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

const LINE_END: u64 = 2;
/// The longest value: an outcome has 384 KiB at most.
const VALUE: u64 = 1024 * 1024;
const LINE: u64 = 64 * 1024;
/// The most values of one list: a page of notices has 500.
const VALUES: u64 = 10_000;
/// The longest reply: a page of notices has some 100 KiB.
const REPLY: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Follows a text in pieces of this size.
    fn follow(text: &[u8], piece: usize) -> (Frames, io::Result<()>) {
        let mut frames = Frames::default();
        let result = text.chunks(piece).try_for_each(|piece| frames.follow(piece));
        (frames, result)
    }

    #[test]
    fn replies_end_where_they_end_however_they_arrive() {
        let replies: [&[u8]; 13] = [
            b"+OK\r\n",
            b"-ERR no\r\n",
            b":-5\r\n",
            b"_\r\n",
            b"$5\r\nhello\r\n",
            b"$0\r\n\r\n",
            b"$-1\r\n",
            b"*-1\r\n",
            b"*0\r\n",
            b"*2\r\n*2\r\n$1\r\na\r\n,1.5\r\n*2\r\n$9\r\n*3\r\n$9999\r\n,inf\r\n",
            b"%1\r\n$4\r\nname\r\n*1\r\n+x\r\n",
            b"|1\r\n+ttl\r\n:5\r\n$2\r\nab\r\n",
            b">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n",
        ];
        for reply in replies {
            for piece in 1..=reply.len() {
                let (frames, result) = follow(reply, piece);
                let text = String::from_utf8_lossy(reply);
                assert!(result.is_ok(), "{text:?}");
                assert_eq!((frames.awaited, frames.value, frames.size), (0, 0, 0), "{text:?}");
                let (frames, _) = follow(&reply[..reply.len() - 1], piece);
                assert_ne!(frames.size, 0, "{text:?} is not over before its end");
            }
        }
        let (frames, result) = follow(&replies.concat(), 7);
        assert!(result.is_ok() && frames.size == 0);
    }

    #[test]
    fn d5_replies_that_are_too_large_are_not_read() {
        let large: [Vec<u8>; 8] = [
            b"$1048577\r\n".into(),
            b"$99999999999999999999999999\r\n".into(),
            b"*10001\r\n".into(),
            b"%10001\r\n".into(),
            b"!1048577\r\n".into(),
            [b"+".into(), vec![b'x'; 70_000]].concat(),
            vec![b'1'; 70_000],
            [
                b"*100\r\n".into(),
                [b"$1048576\r\n".into(), vec![b'x'; 1_048_578]].concat().repeat(17),
            ]
            .concat(),
        ];
        for text in large {
            let (_, result) = follow(&text, 4_096);
            assert!(result.is_err(), "{:?}", String::from_utf8_lossy(&text[..20.min(text.len())]));
        }
        let longest = [b"$1048576\r\n".into(), vec![b'x'; 1_048_578]].concat().repeat(20);
        assert!(follow(&longest, 4_096).1.is_ok(), "each reply is counted by itself");
    }

    #[tokio::test]
    async fn a_connection_ends_with_the_first_reply_that_is_too_large() {
        let (near, mut far) = duplex(1_024);
        let mut near = BoundedReplies::new(near);
        far.write_all(b"+OK\r\n").await.unwrap();
        let mut buffer = [0; 64];
        assert_eq!(near.read(&mut buffer).await.unwrap(), 5);
        near.write_all(b"GET key").await.unwrap();
        far.write_all(b"$1048577\r\n").await.unwrap();
        assert_eq!(near.read(&mut buffer).await.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
