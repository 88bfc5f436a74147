//! Authenticates the bearer token or the session cookie of a request.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use authkit_session::{Admission, Decision, Policy, Refusal, VerifiedToken, Waiting};
use http::HeaderMap;

use crate::{client_kind::is_native_grpc, settings::LayerSettings};

/// An authentication that is over, or waits for WorkOS.
pub(super) enum Authentication {
    Done(AuthenticationOutcome),
    Pending(PendingAuthentication),
}

/// The result of an authentication, by what the request authenticated with.
pub(crate) enum AuthenticationOutcome {
    Session(Result<Admission, Refusal>),
    Bearer(Result<Arc<VerifiedToken>, Refusal>),
}

/// Future of an authentication that waits for WorkOS: for signing keys or a refresh.
pub(crate) enum PendingAuthentication {
    Session(Waiting),
    Bearer(Waiting<Arc<VerifiedToken>>),
}

/// Authenticates the bearer token, if the layer accepts them and there is one, or else the session cookie.
pub(super) fn authenticate(settings: &LayerSettings, headers: &HeaderMap) -> Authentication {
    use AuthenticationOutcome as Outcome;

    let policy = policy(settings, headers);
    if let Some((bearer, token)) = settings.bearer_token(headers) {
        return match bearer.authenticate(token, &policy) {
            Decision::Admit(token) => Authentication::Done(Outcome::Bearer(Ok(token))),
            Decision::Refuse(refusal) => Authentication::Done(Outcome::Bearer(Err(refusal))),
            Decision::Wait(waiting) => {
                Authentication::Pending(PendingAuthentication::Bearer(waiting))
            }
        };
    }
    match settings.authkit().authenticator().authenticate(headers, &policy) {
        Decision::Admit(admission) => Authentication::Done(Outcome::Session(Ok(admission))),
        Decision::Refuse(refusal) => Authentication::Done(Outcome::Session(Err(refusal))),
        Decision::Wait(waiting) => Authentication::Pending(PendingAuthentication::Session(waiting)),
    }
}

fn policy(settings: &LayerSettings, headers: &HeaderMap) -> Policy {
    let mut policy = Policy::default();
    if let Some(max) = settings.max_token_age {
        policy = policy.with_max_token_age(max);
    }
    // A native gRPC client has no cookie jar, so it would lose the refreshed session.
    if is_native_grpc(headers) { policy.without_refresh() } else { policy }
}

impl Future for PendingAuthentication {
    type Output = AuthenticationOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AuthenticationOutcome> {
        Poll::Ready(match &mut *self {
            Self::Session(waiting) => {
                AuthenticationOutcome::Session(ready!(Pin::new(waiting).poll(cx)))
            }
            Self::Bearer(waiting) => {
                AuthenticationOutcome::Bearer(ready!(Pin::new(waiting).poll(cx)))
            }
        })
    }
}
