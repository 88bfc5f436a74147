//! Asks WorkOS to exchange a refresh token until it answers something that lasts.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use tokio::time;

use crate::{
    clock::Clock,
    payload::Answer,
    refresh_state::RefreshState,
    token::{RefreshToken, TokenHash},
    upstream::{
        client::Client,
        error_answer::{UpstreamError, UpstreamFailure},
    },
};

/// The attempts of one exchange.
pub(super) struct Attempts<'a> {
    pub(super) client: &'a Client,
    pub(super) state: &'a Arc<RefreshState>,
    pub(super) clock: &'a Clock,
    pub(super) token: &'a RefreshToken,
    pub(super) hash: TokenHash,
    pub(super) organization: Option<&'a str>,
}

impl Attempts<'_> {
    /// Asks until WorkOS answers with tokens or a definite refusal, within the time in which it answers a repetition of
    /// the same exchange alike. Between two attempts there is a pause, and WorkOS's own `Retry-After` is waited out.
    pub(super) async fn run(&self) -> Result<Bytes, UpstreamError> {
        let now = || self.clock.monotonic();
        let retry_after = self.state.lock().breaker.retry_after(now());
        time::sleep(retry_after).await;
        let began = now();
        let left = || REPLAYABLE.saturating_sub(now().saturating_sub(began));
        let mut pauses = Pauses::of(self.hash);
        loop {
            let deadline = ATTEMPT.min(left());
            let error = match self.client.refresh(self.token, self.organization, deadline).await {
                Ok(body) if Answer::parse(&body).is_ok() => {
                    self.state.lock().breaker.answered();
                    return Ok(body);
                }
                Ok(_) => UpstreamError::transient(),
                Err(error) => error,
            };
            match error.failure {
                UpstreamFailure::Refused(_) => {
                    self.state.lock().breaker.answered();
                    return Err(error);
                }
                UpstreamFailure::Transient => self.record_failure(&error, now()),
            }
            let mut at_least = error.details.retry_after.unwrap_or_default();
            let mut pause = pauses.next().max(at_least);
            // Waits until the breaker lets an attempt out, as long as one would still be of use.
            loop {
                let at_most = left().saturating_sub(LAST);
                if at_most.is_zero() || at_least > at_most {
                    return Err(error);
                }
                time::sleep(pause.min(at_most)).await;
                let attempt = self.state.lock().breaker.attempt(now());
                match attempt {
                    Ok(()) => break,
                    Err(early) => (at_least, pause) = (early, early + pauses.up_to(SPREAD)),
                }
            }
        }
    }

    fn record_failure(&self, error: &UpstreamError, now: Duration) {
        let breaker = &mut self.state.lock().breaker;
        if error.details.status != Some(StatusCode::TOO_MANY_REQUESTS) {
            breaker.failed(now);
        }
        if let Some(wait) = error.details.retry_after {
            breaker.honour_retry_after(wait, now);
        }
    }
}

/// The pauses between the attempts of an exchange. How they differ from those of others is drawn from the token's hash,
/// as good as random where nobody gains from guessing it, so that what a test went through can be repeated.
struct Pauses {
    hash: TokenHash,
    drawn: usize,
    attempts: u32,
}

impl Pauses {
    fn of(hash: TokenHash) -> Self {
        Self { hash, drawn: 0, attempts: 0 }
    }

    /// 200 ms, doubled each time up to 4 s, give or take a half.
    fn next(&mut self) -> Duration {
        let base = Duration::from_millis(200) * 2_u32.pow(self.attempts.min(5));
        let base = base.min(Duration::from_secs(4));
        self.attempts += 1;
        base / 2 + self.up_to(base)
    }

    /// Any time up to `most`.
    fn up_to(&mut self, most: Duration) -> Duration {
        let hash = self.hash.as_bytes();
        let at = 2 * self.drawn % hash.len();
        self.drawn += 1;
        let share = u16::from_le_bytes([hash[at], hash[at + 1]]);
        most.mul_f64(f64::from(share) / f64::from(u16::MAX))
    }
}

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long the last one may take: were it cut off sooner, it might spend the token for nobody.
const LAST: Duration = Duration::from_secs(3);
/// WorkOS answers a repeated exchange alike for 30 seconds; this leaves 5 for the way.
const REPLAYABLE: Duration = Duration::from_secs(25);
/// How far apart exchanges that waited for the same moment go on.
const SPREAD: Duration = Duration::from_millis(250);
