use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tracing::{Instrument, Span, field::Empty, info_span};

use crate::{
    boxed_future::BoxFuture,
    request::admission::{Admission, Refusal},
};

/// The decision about a request: `A` is an [`Admission`], or the result of a bearer credential.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "a new decision has to break every match on it")]
pub enum Decision<A = Admission> {
    /// The request is admitted.
    Admit(A),
    /// The decision depends on WorkOS: on signing keys, or on a refresh.
    Wait(Waiting<A>),
    /// The request is refused without calling the inner service.
    Refuse(Refusal),
}

impl<A> Decision<A> {
    /// The decision about a request that does not wait.
    pub(crate) fn of(result: Result<A, Refusal>) -> Self {
        result.map_or_else(Self::Refuse, Self::Admit)
    }

    /// The same decision about another form of what is admitted.
    pub(crate) fn map<B>(self, admit: impl FnOnce(A) -> B + Send + 'static) -> Decision<B>
    where
        A: 'static,
    {
        match self {
            Self::Admit(admitted) => Decision::Admit(admit(admitted)),
            Self::Wait(waiting) => {
                Decision::Wait(Waiting::new(async move { waiting.await.map(admit) }))
            }
            Self::Refuse(refusal) => Decision::Refuse(refusal),
        }
    }
}

/// A request that waits for WorkOS: a future of its admission or its [`Refusal`].
///
/// Nothing starts before the first poll. Dropping it cancels neither work that others wait for nor an exchange that has
/// started.
#[must_use = "futures do nothing unless polled"]
pub struct Waiting<A = Admission>(BoxFuture<'static, Result<A, Refusal>>);

impl<A> Waiting<A> {
    pub(crate) fn new(outcome: impl Future<Output = Result<A, Refusal>> + Send + 'static) -> Self {
        Self(Box::pin(outcome))
    }
}

impl<A> Future for Waiting<A> {
    type Output = Result<A, Refusal>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<A> fmt::Debug for Waiting<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Waiting")
    }
}

/// Decides in the span `authkit.wait`, which is a part of the request's.
pub(crate) async fn in_span<A>(
    decision: impl Future<Output = Result<A, Refusal>>,
) -> Result<A, Refusal> {
    let span = info_span!("authkit.wait", outcome = Empty);
    let decided = async {
        let decision = decision.await;
        let outcome = decision.as_ref().map_or_else(|it| it.reason().as_str(), |_| "admitted");
        Span::current().record("outcome", outcome);
        decision
    };
    decided.instrument(span).await
}

/// How long a request waits for keys and a refresh together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);
