//! Authenticates the `Authorization` field or the session cookie of a request.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use authkit_session::{
    Admission, Decision, Policy, Refusal, Waiting, integration::HeaderPrincipal,
};
use http::HeaderMap;

use crate::{
    authorization::Authorization,
    client_kind::is_native_grpc,
    settings::{LayerSettings, Sessions},
};

/// An authentication that is finished, or waits for WorkOS.
pub(super) enum Authentication {
    Done(AuthenticationOutcome),
    Pending(PendingAuthentication),
}

/// The result of an authentication, by the kind of credential.
pub(crate) enum AuthenticationOutcome {
    Session(Result<Admission, Refusal>),
    Header(Result<HeaderPrincipal, Refusal>),
}

/// Future of an authentication that waits for WorkOS: for signing keys, a refresh, or an answer about an API key.
pub(crate) enum PendingAuthentication {
    Session(Waiting),
    Header(Waiting<HeaderPrincipal>),
}

/// Authenticates the `Authorization` field if the layer reads it and the request has one, and otherwise the session
/// cookie.
pub(super) fn authenticate(settings: &LayerSettings, headers: &HeaderMap) -> Authentication {
    use AuthenticationOutcome as Outcome;

    let policy = policy(settings);
    let refuse = |refusal| Authentication::Done(Outcome::Header(Err(refusal)));
    if let Some(credentials) = &settings.credentials {
        match (Authorization::of(headers), settings.sessions) {
            (Authorization::Bearer(credential), _) => {
                return match credentials.authenticate(credential, &policy) {
                    Decision::Admit(principal) => {
                        Authentication::Done(Outcome::Header(Ok(principal)))
                    }
                    Decision::Refuse(refusal) => refuse(refusal),
                    Decision::Wait(waiting) => {
                        Authentication::Pending(PendingAuthentication::Header(waiting))
                    }
                };
            }
            // Requests with several fields were answered before.
            (Authorization::OtherScheme | Authorization::Repeated, _) => {
                return refuse(credentials.refuse_other_scheme());
            }
            (Authorization::Absent, Sessions::Ignored) => {
                return refuse(credentials.refuse_nothing());
            }
            (Authorization::Absent, Sessions::Accepted) => {}
        }
    }
    let authenticator = settings.authkit().authenticator();
    let mut decision = authenticator.authenticate(headers, &policy);
    // A native gRPC client has no cookie jar, so it would lose the refreshed session. A waiting decision may be a
    // refresh, which only starts when polled; every other decision is the same with and without a refresh.
    if matches!(decision, Decision::Wait(_)) && is_native_grpc(headers) {
        decision = authenticator.authenticate(headers, &policy.without_refresh());
    }
    match decision {
        Decision::Admit(admission) => Authentication::Done(Outcome::Session(Ok(admission))),
        Decision::Refuse(refusal) => Authentication::Done(Outcome::Session(Err(refusal))),
        Decision::Wait(waiting) => Authentication::Pending(PendingAuthentication::Session(waiting)),
    }
}

fn policy(settings: &LayerSettings) -> Policy {
    let mut policy = Policy::default();
    if let Some(max) = settings.max_token_age {
        policy = policy.with_max_token_age(max);
    }
    if let Some(max) = settings.max_session_age {
        policy = policy.with_max_session_age(max);
    }
    if let Some(timeout) = settings.idle_timeout {
        policy = policy.with_idle_timeout(timeout);
    }
    policy
}

impl Future for PendingAuthentication {
    type Output = AuthenticationOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<AuthenticationOutcome> {
        Poll::Ready(match &mut *self {
            Self::Session(waiting) => {
                AuthenticationOutcome::Session(ready!(Pin::new(waiting).poll(cx)))
            }
            Self::Header(waiting) => {
                AuthenticationOutcome::Header(ready!(Pin::new(waiting).poll(cx)))
            }
        })
    }
}
