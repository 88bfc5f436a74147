//! Makes a call to WorkOS visible to operators: a span, a count and a duration.

use std::future::Future;

use bytes::Bytes;
use tracing::{Instrument, Span, field::Empty, info_span};

use crate::{
    meter::{CallOutcome, CallPurpose, Meter},
    upstream::error_answer::{UpstreamError, UpstreamFailure},
};

/// Runs the call in the span `authkit.upstream`, and meters it. A call that is dropped counts as abandoned.
pub(super) async fn observed(
    meter: &Meter,
    purpose: CallPurpose,
    call: impl Future<Output = Result<Bytes, UpstreamError>>,
) -> Result<Bytes, UpstreamError> {
    let span = info_span!(
        "authkit.upstream",
        otel.kind = "client",
        purpose = purpose.as_str(),
        http.response.status_code = Empty,
        outcome = Empty,
    );
    let timed = async {
        let timer = meter.call_starts(purpose, CallOutcome::Abandoned);
        let answer = call.await;
        let (outcome, status) = match &answer {
            Ok(_) => (CallOutcome::Ok, Some(200)),
            Err(error) => {
                let outcome = match error.failure {
                    UpstreamFailure::Refused(_) => CallOutcome::Refused,
                    UpstreamFailure::Transient => CallOutcome::Failed,
                };
                (outcome, error.details.status.map(|status| status.as_u16()))
            }
        };
        let span = Span::current();
        span.record("outcome", outcome.as_str());
        if let Some(status) = status {
            span.record("http.response.status_code", status);
        }
        timer.call_ended(outcome);
        answer
    };
    timed.instrument(span).await
}
