//! What WorkOS tells the service of its own accord: sessions that ended, members whose role changed.

mod event;
mod seen;
mod signature;
mod timestamp;

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::{Duration, UNIX_EPOCH},
};

use authkit_session::Secret;
use bytes::{Buf, Bytes};
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, RETRY_AFTER},
};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time;
use tower_service::Service;

use self::{
    event::{Event, Tidings},
    seen::Seen,
    signature::{SIGNATURE, SigningKey, Unsigned},
};
use crate::{
    authkit::AuthKit,
    body::{NoBody, ResponseBody},
};

/// The endpoint that WorkOS's webhooks are sent to: what ends a session at WorkOS ends it here, at once.
///
/// Without it, a session that was revoked goes on until its access token expires, 5 minutes by default.
///
/// | event | effect |
/// |---|---|
/// | `session.revoked` | the session is refused |
/// | `user.deleted` | all of the user's sessions are refused |
/// | `organization_membership.updated`, `.deleted` | the member's sessions in the organization are refreshed before the next request is let in, so that it sees the new role or none |
/// | any other | none |
///
/// It is a tower service: route the path to it that the WorkOS dashboard names, outside of every
/// [`AuthKitLayer`](crate::AuthKitLayer). With replicas, whichever gets the event tells the others, where
/// [`Config::with_revocations`](crate::Config::with_revocations) says how.
///
/// # Answers
///
/// | status | meaning |
/// |---|---|
/// | 200 | taken, taken before, or of no concern here |
/// | 400 | no signature, or an unreadable one |
/// | 401 | the signature is not WorkOS's, or its time is more than 180 seconds from ours |
/// | 405 | not a `POST` |
/// | 408, 413 | the body took more than 10 seconds, or is larger than 64 KiB |
/// | 422 | signed by WorkOS, but not understood |
/// | 503 | in effect here, but other replicas could not be told: WorkOS sends the event again |
///
/// # Examples
///
/// ```
/// use authkit_tower::{AuthKit, Webhooks};
/// use axum::Router;
///
/// # fn app(authkit: &AuthKit, secret: String) -> Router {
/// Router::new().route_service("/webhooks/workos", Webhooks::new(authkit, secret))
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Webhooks {
    shared: Arc<Shared>,
}

struct Shared {
    authkit: AuthKit,
    key: SigningKey,
    seen: Mutex<Seen>,
}

impl Webhooks {
    /// Makes the endpoint. `secret` is the one that the WorkOS dashboard shows for it.
    pub fn new(authkit: &AuthKit, secret: impl Into<Secret>) -> Self {
        let shared = Shared {
            authkit: authkit.clone(),
            key: SigningKey::new(&secret.into()),
            seen: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Webhooks
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<ResponseBody<NoBody>>;
    type Error = Infallible;
    type Future = WebhooksFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        WebhooksFuture(Box::pin(async move { shared.answer(request).await.response() }))
    }
}

/// Response future of [`Webhooks`].
pub struct WebhooksFuture(Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>);

impl Future for WebhooksFuture {
    type Output = Result<Response<ResponseBody<NoBody>>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx).map(|response| Ok(response.map(ResponseBody::ours)))
    }
}

impl fmt::Debug for WebhooksFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhooksFuture").finish_non_exhaustive()
    }
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Answer {
    Taken,
    WrongMethod,
    TooLarge,
    TooSlow,
    /// The connection broke in the middle of the body.
    Cut,
    Unsigned(Unsigned),
    NotUnderstood,
    NotPublished,
}

impl Shared {
    async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if request.method() != Method::POST {
            return Answer::WrongMethod;
        }
        let (parts, body) = request.into_parts();
        match read(&parts.headers, body).await {
            Ok(body) => self.take(&parts.headers, &body).await,
            Err(answer) => answer,
        }
    }

    async fn take(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let now = self.authkit.clock().wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Err(unsigned) = self.key.verify(headers.get(SIGNATURE), body, now) {
            tracing::warn!(?unsigned, "a webhook was refused");
            return Answer::Unsigned(unsigned);
        }
        let Some(Event { id, tidings }) = Event::parse(body) else {
            tracing::error!("a webhook signed by WorkOS was not understood");
            return Answer::NotUnderstood;
        };
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen().contains(&id) {
            return Answer::Taken;
        }
        match tidings {
            Tidings::Revoked(revocation) => {
                let revoking = self.authkit.revoke(revocation);
                match time::timeout(PUBLISHING, revoking).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Answer::NotPublished,
                }
            }
            Tidings::OfNoConcern => {}
        }
        // Not before it is in effect everywhere: what was not is sent again.
        seen().add(&id);
        Answer::Taken
    }
}

impl Answer {
    fn status(self) -> StatusCode {
        match self {
            Self::Taken => StatusCode::OK,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut | Self::Unsigned(Unsigned::Malformed) => StatusCode::BAD_REQUEST,
            Self::Unsigned(Unsigned::Wrong | Unsigned::Stale) => StatusCode::UNAUTHORIZED,
            Self::NotUnderstood => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NotPublished => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn response(self) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self {
            Self::WrongMethod => headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Self::NotPublished => headers.insert(RETRY_AFTER, HeaderValue::from_static("5")),
            Self::Taken
            | Self::TooLarge
            | Self::TooSlow
            | Self::Cut
            | Self::Unsigned(_)
            | Self::NotUnderstood => None,
        };
        response
    }
}

/// Reads a body of bounded size in bounded time.
async fn read<B>(headers: &HeaderMap, body: B) -> Result<Bytes, Answer>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let announced =
        headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > MAX_BODY as u64) {
        return Err(Answer::TooLarge);
    }
    match time::timeout(READING, Limited::new(body, MAX_BODY).collect()).await {
        Ok(Ok(collected)) => {
            let mut body = collected.aggregate();
            Ok(body.copy_to_bytes(body.remaining()))
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Answer::TooLarge),
        Ok(Err(_)) => Err(Answer::Cut),
        Err(_) => Err(Answer::TooSlow),
    }
}

/// The longest body that is read: 64 KiB. WorkOS's are a few.
const MAX_BODY: usize = 64 * 1024;
/// How long a body may take.
const READING: Duration = Duration::from_secs(10);
/// How long telling the other replicas may take.
const PUBLISHING: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests;
