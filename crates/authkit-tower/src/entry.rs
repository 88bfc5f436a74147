//! What one layer does with one request, without tower.
//!
//! The first rule that applies decides:
//!
//! 1. A layer of the same [`AuthKit`](crate::AuthKit) outside this one has attached a principal. This layer takes it over,
//!    asks for its own requirement (a principal at all, a bearer token, a token's age), and checks no origin again.
//! 2. Otherwise this layer removes every principal from the extensions: only what a layer of this `AuthKit` attached to
//!    this very request counts.
//! 3. The metadata of the layer's protected resource is public. A sign-in endpoint is never behind a required layer: the
//!    answer is 500. An optional layer, and a required one with [`exceptions`](crate::exceptions), let the request
//!    through. A request that is excepted is treated as by an optional layer in all that follows.
//! 4. A CORS preflight goes to the inner service where the layer is told so.
//! 5. A request with an `Authorization` field, in a layer that accepts a kind of credential, is judged by that field
//!    alone; two such fields are 400. No browser adds a bearer credential by itself, so the origin is not checked, and the
//!    cookies are not read.
//! 6. A request with a session cookie passes the check of its [`origin`](crate::origin).
//! 7. The session cookie is authenticated, now or after waiting for WorkOS, unless no session counts in this layer.
//!
//! Then [`attach`] puts the result into the extensions, or denies.

mod attach;
mod authentication;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use authkit_session::VerifiedToken;
use http::Request;

pub(crate) use self::authentication::PendingAuthentication;
use self::authentication::{Authentication, AuthenticationOutcome, authenticate};
use crate::{
    authorization::Authorization,
    client_kind::is_preflight,
    cookie,
    denial::{Caller, Cause, Denied, Mistake},
    exceptions::is_routed_as_sent,
    lookup::{LayerPosition, NoPrincipal, PrincipalLookup},
    origin::{self, CrossOrigin},
    principal_ref::PrincipalRef,
    request_state::{Outgoing, RequestState, SetCookieSource},
    settings::{LayerSettings, Preflight, Presence, Sessions},
    uri,
};

/// What a layer does next with a request.
pub(crate) enum EntryDecision {
    /// Calls the inner service and writes [`Outgoing`] onto the response's head, or sends the denial.
    Ready(Result<Outgoing, Denied>),
    /// Waits for WorkOS, then [concludes](conclude).
    Wait(PendingAuthentication),
}

/// Decides about a request before it may reach the inner service.
pub(crate) fn enter<B>(settings: &Arc<LayerSettings>, request: &mut Request<B>) -> EntryDecision {
    let position = LayerPosition::enter(request.extensions_mut(), settings.authkit());
    let decided = match &position {
        LayerPosition::Inside(_) => enter_inside(settings, request),
        LayerPosition::Outermost => enter_outermost(settings, request),
    };
    if let Some(decided) = decided {
        return EntryDecision::Ready(decided);
    }
    match authenticate(settings, request.headers()) {
        Authentication::Done(outcome) => {
            EntryDecision::Ready(attach::conclude(settings, outcome, request, &position))
        }
        Authentication::Pending(pending) => EntryDecision::Wait(pending),
    }
}

/// Decides about a request that has waited for WorkOS, by the outcome.
pub(crate) fn conclude<B>(
    settings: &Arc<LayerSettings>,
    outcome: AuthenticationOutcome,
    request: &mut Request<B>,
) -> Result<Outgoing, Denied> {
    let position = LayerPosition::of(request.extensions());
    attach::conclude(settings, outcome, request, &position)
}

/// Rules 3 to 6: what can be decided without opening the cookie.
fn enter_outermost<B>(
    settings: &Arc<LayerSettings>,
    request: &mut Request<B>,
) -> Option<Result<Outgoing, Denied>> {
    let path = uri::original(request.uri(), request.extensions()).path();
    if let Some(resource) = &settings.resource
        && let Some(metadata) = resource.metadata.respond(request.method(), path)
    {
        return Some(Err(Box::new(metadata)));
    }
    if settings.authkit().site().requested_endpoint(path).is_some() {
        if !settings.lets_endpoints_through() {
            let cause = Cause::Misconfigured(Mistake::LayerOverEndpoints);
            return Some(Err(settings.deny(&cause, Caller::of(request))));
        }
        // What was sent to another path is no request for the endpoint.
        if is_routed_as_sent(request.uri(), request.extensions()) {
            return Some(Ok(Outgoing::none()));
        }
    }
    if settings.preflight == Preflight::Inside && is_preflight(request.method(), request.headers())
    {
        let state = RequestState::new(Arc::clone(settings), SetCookieSource::NotRead, request);
        let none = NoPrincipal::new(Cause::NOT_SIGNED_IN, Arc::clone(&state));
        LayerPosition::Outermost.attach(request.extensions_mut(), none);
        return Some(Ok(Outgoing::of(state)));
    }
    match (settings.authorization(request.headers()), settings.sessions) {
        (Authorization::Repeated, _) => {
            return Some(Err(settings.deny(&Cause::RepeatedCredentials, Caller::of(request))));
        }
        (Authorization::Bearer(_), _) | (_, Sessions::Ignored) => return None,
        (Authorization::OtherScheme | Authorization::Absent, Sessions::Accepted) => {}
    }
    let from = check_origin(settings, request).err()?;
    Some(Err(settings.deny(&Cause::CrossOrigin(from), Caller::of(request))))
}

/// Rule 1.
fn enter_inside<B>(
    settings: &LayerSettings,
    request: &Request<B>,
) -> Option<Result<Outgoing, Denied>> {
    let pass = Some(Ok(Outgoing::none()));
    let deny = |cause| Some(Err(settings.deny(cause, Caller::of(request))));
    let brings_credential = match settings.authorization(request.headers()) {
        Authorization::Repeated => return deny(&Cause::RepeatedCredentials),
        Authorization::Bearer(_) | Authorization::OtherScheme => true,
        Authorization::Absent => false,
    };
    let principal = match PrincipalLookup::of(request.extensions()) {
        PrincipalLookup::Principal(principal) => principal,
        PrincipalLookup::NoLayer => return None,
        PrincipalLookup::NoPrincipal(_) if brings_credential => return None,
        PrincipalLookup::NoPrincipal(none) => {
            return match settings.presence(request) {
                Presence::Required => deny(none.cause()),
                Presence::Optional => pass,
            };
        }
    };
    match (principal, brings_credential, settings.presence(request)) {
        (PrincipalRef::Bearer(bearer), true, _)
            if settings.accepts_bearer() && is_fresh(settings, bearer.issued_at()) =>
        {
            pass
        }
        (PrincipalRef::ApiKey(key), true, _)
            if settings.accepts_api_keys() && is_fresh(settings, key.validated_at()) =>
        {
            pass
        }
        // The outer layer may accept a credential that this one does not, so this layer judges it for itself.
        (_, true, _) => None,
        (PrincipalRef::Session(_), false, _) if settings.sessions == Sessions::Ignored => None,
        (PrincipalRef::Session(session), false, _) => {
            let is_enough =
                is_fresh(settings, session.issued_at()) && is_within_limits(settings, session);
            is_enough.then_some(pass).flatten()
        }
        (
            PrincipalRef::Bearer(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Machine(_)
            | PrincipalRef::Client(_),
            false,
            Presence::Required,
        ) => deny(&Cause::NOT_SIGNED_IN),
        (
            PrincipalRef::Bearer(_)
            | PrincipalRef::ApiKey(_)
            | PrincipalRef::Machine(_)
            | PrincipalRef::Client(_),
            false,
            Presence::Optional,
        ) => pass,
    }
}

/// Refuses a request that another site had the browser send with a session cookie.
///
/// Without that cookie the other site gains nothing. The cookies are searched last: they are long, and nearly every
/// request passes the check of its headers.
fn check_origin<B>(settings: &LayerSettings, request: &Request<B>) -> Result<(), CrossOrigin> {
    let (authkit, headers) = (settings.authkit(), request.headers());
    let is_own = |origin: &[u8]| {
        let uri = uri::original(request.uri(), request.extensions());
        authkit.at(uri, headers).site().origin().as_bytes() == origin
    };
    let trusted = settings.trusted_origins.list();
    origin::check(request.method(), headers, is_own, trusted).or_else(|from| {
        let mut names = cookie::pairs(headers).map(|(name, _)| name);
        if names.any(|name| cookie::is_session(name, authkit.site().cookie_name())) {
            Err(from)
        } else {
            Ok(())
        }
    })
}

/// Whether information from `at` is younger than this layer's greatest age.
fn is_fresh(settings: &LayerSettings, at: SystemTime) -> bool {
    is_within(settings, settings.max_token_age, Some(at))
}

/// Whether a session that an outer layer admitted is within this layer's limits too.
fn is_within_limits(settings: &LayerSettings, session: &VerifiedToken) -> bool {
    is_within(settings, settings.max_session_age, session.auth_time())
        && is_within(settings, settings.idle_timeout, Some(session.issued_at()))
}

fn is_within(settings: &LayerSettings, limit: Option<Duration>, since: Option<SystemTime>) -> bool {
    limit.is_none_or(|limit| {
        let now = settings.authkit().clock().wall();
        since.is_some_and(|since| now.duration_since(since).unwrap_or_default() < limit)
    })
}

#[cfg(test)]
mod tests;
