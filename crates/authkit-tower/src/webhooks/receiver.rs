//! Judges deliveries, and applies the events in them.
//!
//! 1. The head decides first: a method other than `POST`, and a signature that is missing, malformed or too old or new,
//!    are refused without reading the body.
//! 2. The body is read in bounded time and kept in bounded memory. Its signature is checked while it arrives, so a body
//!    that is too large to keep can still be attributed to WorkOS.
//! 3. An event is applied here first, and then on the other replicas. It counts as taken once they know.

use std::{
    error::Error,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use authkit_session::{
    ConfigError, Secret,
    integration::{BoundedMap, LogLimiter},
};
use bytes::Buf;
use http::{Method, Request};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time;

use super::{
    answer::WebhookAnswer,
    event::{Effect, WebhookEvent},
    signature::{SignatureCheck, WebhookSecrets, WebhookSignature},
};
use crate::authkit::AuthKit;

/// The state that all clones of an endpoint share.
#[derive(Clone)]
pub(super) struct WebhookReceiver {
    authkit: AuthKit,
    secrets: WebhookSecrets,
    /// The ids of the events that were applied. Applying an event again is harmless; this only saves the work.
    taken: Arc<Mutex<BoundedMap>>,
    log_limiter: Arc<LogLimiter>,
}

impl WebhookReceiver {
    pub(super) fn new(authkit: &AuthKit, secrets: WebhookSecrets) -> Self {
        Self {
            authkit: authkit.clone(),
            secrets,
            taken: Arc::new(Mutex::new(BoundedMap::new(MAX_TAKEN, REPEATED))),
            log_limiter: Arc::new(LogLimiter::new(LOG_PERIOD)),
        }
    }

    pub(super) fn with_other_secrets(self, others: &[Secret]) -> Result<Self, ConfigError> {
        let secrets = self.secrets.and(others)?;
        Ok(Self { secrets, ..self })
    }

    pub(super) async fn receive<B>(&self, request: Request<B>) -> WebhookAnswer
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let answer = self.handle(request).await;
        if let Some(reason) = answer.refusal() {
            let now = self.authkit.clock().monotonic();
            if let Some(left_out) = self.log_limiter.admit(reason, now) {
                answer.log(reason, left_out + 1);
            }
        }
        answer
    }

    async fn handle<B>(&self, request: Request<B>) -> WebhookAnswer
    where
        B: Body,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        if request.method() != Method::POST {
            return WebhookAnswer::WrongMethod;
        }
        let (parts, body) = request.into_parts();
        let now = self.authkit.clock().wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        let check = match WebhookSignature::read(&parts.headers, now) {
            Ok(signature) => self.secrets.check(&signature),
            Err(unsigned) => return WebhookAnswer::Unsigned(unsigned),
        };
        match time::timeout(READING, read(body, check)).await {
            Ok(Ok(body)) => self.apply(&body).await,
            Ok(Err(answer)) => answer,
            Err(_) => WebhookAnswer::TooSlow,
        }
    }

    /// Applies a signed event.
    async fn apply(&self, body: &[u8]) -> WebhookAnswer {
        let Some(event) = WebhookEvent::parse(body, self.authkit.clock().wall()) else {
            return WebhookAnswer::NotUnderstood;
        };
        let revocation = match event.effect {
            Effect::Revokes(revocation) => revocation,
            Effect::None => return WebhookAnswer::Taken,
        };
        if event.id.as_deref().is_some_and(|id| self.taken().contains(id)) {
            return WebhookAnswer::Taken;
        }
        match time::timeout(PUBLISHING, self.authkit.revoke(revocation)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return WebhookAnswer::NotPublished,
        }
        // An event is recorded only after it is in effect everywhere; otherwise WorkOS has to send it again.
        if let Some(id) = event.id {
            let now = self.authkit.clock().monotonic();
            let mut taken = self.taken();
            taken.forget_expired(now);
            taken.add(&id, (), now);
        }
        WebhookAnswer::Taken
    }

    fn taken(&self) -> MutexGuard<'_, BoundedMap> {
        // Each change leaves the map consistent, so a panic elsewhere does no harm.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a body to its end, and keeps it if it is not too large.
async fn read<B>(body: B, mut check: SignatureCheck) -> Result<Vec<u8>, WebhookAnswer>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut body = pin!(body);
    let mut kept = Vec::new();
    let mut is_whole = true;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| WebhookAnswer::Cut)?;
        let Ok(mut data) = frame.into_data() else { continue };
        while data.has_remaining() {
            let chunk = data.chunk();
            let read = chunk.len();
            check.update(chunk);
            is_whole = is_whole && kept.len() + read <= MAX_BODY;
            if is_whole {
                kept.extend_from_slice(chunk);
            } else {
                kept = Vec::new();
            }
            data.advance(read);
        }
    }
    check.finish().map_err(WebhookAnswer::Unsigned)?;
    if is_whole { Ok(kept) } else { Err(WebhookAnswer::TooLarge) }
}

/// The longest body that is kept: 1 MiB. WorkOS's events have a few KiB, more if a customer's metadata is large.
pub(super) const MAX_BODY: usize = 1024 * 1024;
/// How long a body may take.
const READING: Duration = Duration::from_secs(10);
/// How long publishing to the other replicas may take.
const PUBLISHING: Duration = Duration::from_secs(3);
/// How many taken events are remembered: about 1 MB.
const MAX_TAKEN: usize = 10_000;
/// The least time between two log lines about the same kind of refusal.
const LOG_PERIOD: Duration = Duration::from_secs(60);
/// How long WorkOS repeats an event.
const REPEATED: Duration = Duration::from_secs(3 * 24 * 60 * 60);
