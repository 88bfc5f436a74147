//! What one layer does with one request, without tower.
//!
//! The first rule that applies decides:
//!
//! 1. A layer of the same [`AuthKit`](crate::AuthKit) outside this one has attached a principal. This layer takes it over,
//!    asks for its own requirement (a principal at all, a bearer token, a token's age), and checks no origin again.
//! 2. Otherwise this layer removes every principal from the extensions: only what a layer of this `AuthKit` attached to
//!    this very request counts.
//! 3. A sign-in endpoint is never behind a required layer: the answer is 500. An optional layer, and a required one with
//!    [`exceptions`](crate::exceptions), let the request through. A request that is excepted is treated as by an optional
//!    layer in all that follows.
//! 4. A CORS preflight goes to the inner service where the layer is told so.
//! 5. A request with a bearer token, in a layer that accepts them, is judged by the token alone. No browser adds
//!    such a token by itself, so the origin is not checked, and the cookies are not read.
//! 6. A request with a session cookie passes the check of its [`origin`](crate::origin).
//! 7. The session cookie is authenticated, now or after waiting for WorkOS.
//!
//! Then [`attach`] puts the result into the extensions, or denies.

mod attach;
mod authentication;

use std::sync::Arc;

use authkit_session::VerifiedToken;
use http::Request;

use self::authentication::{Authentication, authenticate};
pub(crate) use self::{attach::conclude, authentication::PendingAuthentication};
use crate::{
    client_kind::is_preflight,
    cookie,
    denial::{Caller, Cause, Denied, Mistake},
    lookup::{self, NoPrincipal, PrincipalLookup},
    origin::{self, CrossOrigin},
    request_state::{HeadCookies, Outgoing, RequestState},
    settings::{LayerSettings, Preflight, Presence},
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
    let outer = PrincipalLookup::of(request.extensions()).state();
    let decided = if outer.is_some_and(|state| state.belongs_to(settings.authkit())) {
        enter_inside(settings, request)
    } else {
        enter_outermost(settings, request)
    };
    if let Some(decided) = decided {
        return EntryDecision::Ready(decided);
    }
    match authenticate(settings, request.headers()) {
        Authentication::Done(outcome) => EntryDecision::Ready(conclude(settings, outcome, request)),
        Authentication::Pending(pending) => EntryDecision::Wait(pending),
    }
}

/// Rules 2 to 6: what can be decided without opening the cookie.
fn enter_outermost<B>(
    settings: &Arc<LayerSettings>,
    request: &mut Request<B>,
) -> Option<Result<Outgoing, Denied>> {
    lookup::detach(request.extensions_mut());

    let path = uri::original(request.uri(), request.extensions()).path();
    if settings.authkit().site().requested_endpoint(path).is_some() {
        let cause = Cause::Misconfigured(Mistake::LayerOverEndpoints);
        return Some(if settings.lets_endpoints_through() {
            Ok(Outgoing::none())
        } else {
            Err(settings.deny(&cause, Caller::of(request)))
        });
    }
    if settings.preflight == Preflight::Inside && is_preflight(request.method(), request.headers())
    {
        let state = RequestState::new(Arc::clone(settings), HeadCookies::NotRead, request);
        let none = NoPrincipal::new(Cause::NOT_SIGNED_IN, Arc::clone(&state));
        lookup::attach(request.extensions_mut(), none);
        return Some(Ok(Outgoing::of(state)));
    }
    if settings.bearer_token(request.headers()).is_some() {
        return None;
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
    let lookup = PrincipalLookup::of(request.extensions());
    let has_token = settings.bearer_token(request.headers()).is_some();
    match (lookup, has_token, settings.presence(request)) {
        (PrincipalLookup::Bearer(bearer), true, _) if is_fresh(settings, bearer) => pass,
        // The layer outside may have ignored the token and attached a session. This layer judges the token.
        (_, true, _) => None,
        (PrincipalLookup::Session(session), false, _) => {
            is_fresh(settings, session).then_some(pass).flatten()
        }
        (PrincipalLookup::Bearer(_), false, Presence::Required) => deny(&Cause::NOT_SIGNED_IN),
        (PrincipalLookup::NoPrincipal(none), false, Presence::Required) => deny(none.cause()),
        (
            PrincipalLookup::Bearer(_) | PrincipalLookup::NoPrincipal(_),
            false,
            Presence::Optional,
        ) => pass,
        (PrincipalLookup::NoLayer, false, _) => None,
    }
}

/// Refuses a request that another site had the browser send with a session cookie.
///
/// Without that cookie there is nothing that the other site could use. The cookies are searched last: they are long,
/// and nearly every request passes the check of its headers.
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

/// Whether the token is younger than this layer's greatest age.
fn is_fresh(settings: &LayerSettings, token: &VerifiedToken) -> bool {
    let now = settings.authkit().clock().wall();
    let age = now.duration_since(token.issued_at()).unwrap_or_default();
    settings.max_token_age.is_none_or(|max| age < max)
}

#[cfg(test)]
mod tests;
