use std::{error, fmt, future::Future, pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};

/// Sends one HTTP request to WorkOS and reads the whole answer.
///
/// The default is HTTPS by reqwest. Write another one for a proxy, for recording, or for tests.
/// An implementation follows no redirect: the request carries the API key.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`; the answer's body is whole and no longer than [`MAX_ANSWER`] bytes.
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_>;
}

/// What [`Transport::send`] returns.
pub type Sending<'a> =
    Pin<Box<dyn Future<Output = Result<Response<Bytes>, TransportError>> + Send + 'a>>;

/// The longest answer that is read, in bytes: 256 KiB. WorkOS's are a few.
pub const MAX_ANSWER: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TransportError {
    /// The request did not leave: no such host, connection refused, TLS failed.
    NotSent,
    /// The request may have been carried out, but its answer did not arrive.
    Lost,
    /// No answer within the deadline.
    TimedOut,
    /// The answer is longer than [`MAX_ANSWER`].
    TooLarge,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "the request could not be sent",
            Self::Lost => "the answer was lost",
            Self::TimedOut => "no answer in time",
            Self::TooLarge => "the answer is too large",
        })
    }
}

impl error::Error for TransportError {}

/// The default transport.
#[derive(Debug)]
pub(crate) struct Https {
    client: reqwest::Client,
}

impl Https {
    /// # Errors
    ///
    /// Where the TLS backend cannot be set up.
    pub(crate) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(Duration::from_secs(3))
            .user_agent(concat!("authkit-session/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(|_| TransportError::NotSent)?;
        let mut response = self.client.execute(request).await.map_err(|error| classify(&error))?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl Transport for Https {
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        Box::pin(async move {
            tokio::time::timeout(deadline, self.exchange(request))
                .await
                .unwrap_or(Err(TransportError::TimedOut))
        })
    }
}

fn classify(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent
    } else if error.is_timeout() {
        TransportError::TimedOut
    } else {
        TransportError::Lost
    }
}
