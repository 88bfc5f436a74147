//! Asks WorkOS to exchange a refresh token until it gives a lasting answer.

use std::{future, pin::pin, task::Poll, time::Duration};

use http::StatusCode;
use tokio::time;

use crate::{
    clock::Clock,
    refresh::{attempt_plan::AttemptPlan, refresh_answer::RefreshAnswer},
    token::{RefreshToken, TokenHash},
    upstream::{
        client::Client,
        error_answer::{self, UpstreamError, UpstreamFailure},
        transport::Connection,
    },
};

/// The attempts of one exchange.
pub(super) struct ExchangeAttempts<'a> {
    pub(super) client: &'a Client,
    pub(super) clock: &'a Clock,
    pub(super) token: &'a RefreshToken,
    pub(super) hash: TokenHash,
    pub(super) organization: Option<&'a str>,
}

impl ExchangeAttempts<'_> {
    /// Asks until WorkOS answers with tokens or a definite refusal, but only as long as WorkOS gives repetitions of the
    /// same exchange the same answer. There is a pause between two attempts, at least as long as WorkOS's
    /// `Retry-After`.
    pub(super) async fn run(&self) -> Result<RefreshAnswer, UpstreamError> {
        let now = || self.clock.monotonic();
        let retry_after = self.client.budget().retry_after(now());
        time::sleep(retry_after).await;
        let mut plan = AttemptPlan::beginning(self.hash, now());
        loop {
            let error = match self.attempt(|| plan.left(now())).await {
                Ok(answer) => {
                    self.client.budget().answered();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            match error.failure {
                UpstreamFailure::Refused(_) => {
                    self.client.budget().answered();
                    return Err(error);
                }
                UpstreamFailure::Transient => self.record_failure(&error, now()),
            }
            let at_least = error.details.retry_after.unwrap_or_default();
            let mut pause = plan.after_failure(at_least, now());
            // Waits until the budget lets an attempt out, as long as one would still be of use.
            loop {
                let Some(wait) = pause else { return Err(error) };
                time::sleep(wait).await;
                let attempt = self.client.budget().attempt(now());
                match attempt {
                    Ok(()) => break,
                    Err(early) => pause = plan.too_early(early, now()),
                }
            }
        }
    }

    /// One attempt, and a second one on a new connection if the first takes long, because its connection may be dead.
    /// The first keeps running. The first good answer counts; a refusal counts only when no other attempt is running.
    async fn attempt(&self, left: impl Fn() -> Duration) -> Result<RefreshAnswer, UpstreamError> {
        let mut first = pin!(self.send(Connection::Pooled, ATTEMPT.min(left())));
        if let Ok(result) = time::timeout(SECOND_ATTEMPT, &mut first).await {
            return result;
        }
        let mut second = pin!(self.send(Connection::New, ATTEMPT.min(left())));
        let either = future::poll_fn(|cx| match first.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready((Attempt::First, result)),
            Poll::Pending => second.as_mut().poll(cx).map(|result| (Attempt::Second, result)),
        });
        let (which, result) = either.await;
        let error = match result {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let other = match which {
            Attempt::First => second.await,
            Attempt::Second => first.await,
        };
        match (error.failure, other) {
            (_, Ok(answer)) => Ok(answer),
            (UpstreamFailure::Refused(_), Err(_)) => Err(error),
            (UpstreamFailure::Transient, Err(other)) => Err(other),
        }
    }

    async fn send(
        &self,
        connection: Connection,
        deadline: Duration,
    ) -> Result<RefreshAnswer, UpstreamError> {
        let body = self.client.refresh(self.token, self.organization, connection, deadline).await?;
        RefreshAnswer::parse(body.clone()).map_err(|_| error_answer::read_success(&body))
    }

    fn record_failure(&self, error: &UpstreamError, now: Duration) {
        let budget = self.client.budget();
        if error.details.status != Some(StatusCode::TOO_MANY_REQUESTS) {
            budget.failed(now);
        }
        if let Some(wait) = error.details.retry_after {
            budget.honour_retry_after(wait, now);
        }
    }
}

/// The attempt that was answered first.
enum Attempt {
    First,
    Second,
}

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// When a second attempt starts: a waiting request has as much time left for its answer.
const SECOND_ATTEMPT: Duration = Duration::from_millis(2_500);
