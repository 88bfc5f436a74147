//! Carries out an authentication: attaches the principal to the request's extensions, or denies.

use std::sync::Arc;

use authkit_session::{Admission, Refusal, VerifiedToken};
use http::Request;

use super::authentication::AuthenticationOutcome;
use crate::{
    bearer::Bearer,
    denial::{Caller, Cause, Denied},
    head::{self, Caching},
    lookup::{self, NoPrincipal, PrincipalLookup},
    request_state::{HeadCookies, Outgoing, RequestState},
    session::Session,
    settings::{LayerSettings, Presence},
};

/// Attaches the principal, or denies, by the outcome of the request's authentication.
pub(crate) fn conclude<B>(
    settings: &Arc<LayerSettings>,
    outcome: AuthenticationOutcome,
    request: &mut Request<B>,
) -> Result<Outgoing, Denied> {
    match outcome {
        AuthenticationOutcome::Session(outcome) => conclude_session(settings, outcome, request),
        AuthenticationOutcome::Bearer(outcome) => conclude_bearer(settings, outcome, request),
    }
}

fn conclude_bearer<B>(
    settings: &Arc<LayerSettings>,
    outcome: Result<Arc<VerifiedToken>, Refusal>,
    request: &mut Request<B>,
) -> Result<Outgoing, Denied> {
    let state_with =
        |cookies, request: &Request<B>| RequestState::new(Arc::clone(settings), cookies, request);
    match outcome {
        Ok(token) => {
            let state = state_with(HeadCookies::Bearer(Arc::clone(&token)), request);
            lookup::attach(request.extensions_mut(), Bearer::new(token, Arc::clone(&state)));
            Ok(Outgoing::of(state))
        }
        Err(refusal) => {
            let caller = Caller::of(request);
            let cause = Cause::of(&refusal, caller.client);
            match settings.presence(request) {
                Presence::Required => Err(settings.deny(&cause, caller)),
                Presence::Optional => {
                    let state = state_with(HeadCookies::NotRead, request);
                    let none = NoPrincipal::new(cause, Arc::clone(&state));
                    lookup::attach(request.extensions_mut(), none);
                    Ok(Outgoing::of(state))
                }
            }
        }
    }
}

/// Inside another layer of the same `AuthKit`, that layer writes the cookies.
fn conclude_session<B>(
    settings: &Arc<LayerSettings>,
    outcome: Result<Admission, Refusal>,
    request: &mut Request<B>,
) -> Result<Outgoing, Denied> {
    let outer = PrincipalLookup::of(request.extensions()).state().cloned();
    match outcome {
        Ok(admission) => {
            let session = Arc::clone(admission.session());
            let (state, outgoing) =
                state(settings, outer, HeadCookies::Admitted(admission), request);
            lookup::attach(request.extensions_mut(), Session::new(session, state));
            Ok(outgoing)
        }
        Err(refusal) => {
            let caller = Caller::of(request);
            let (cause, asker) = (Cause::of(&refusal, caller.client), caller.asker());
            match settings.presence(request) {
                Presence::Required => {
                    let mut response = settings.deny(&cause, caller);
                    if outer.is_none() {
                        head::write(
                            response.headers_mut(),
                            refusal.head_cookies(asker),
                            settings.authkit().site().cookie_name(),
                            Caching::Private,
                            settings.varies(),
                        );
                    }
                    Err(response)
                }
                Presence::Optional => {
                    let cookies = HeadCookies::Refused { refusal, asker };
                    let (state, outgoing) = state(settings, outer, cookies, request);
                    lookup::attach(request.extensions_mut(), NoPrincipal::new(cause, state));
                    Ok(outgoing)
                }
            }
        }
    }
}

/// The outer layer's state, updated with a newer session; or a state of our own, whose cookies this layer writes.
fn state<B>(
    settings: &Arc<LayerSettings>,
    outer: Option<Arc<RequestState>>,
    cookies: HeadCookies,
    request: &Request<B>,
) -> (Arc<RequestState>, Outgoing) {
    match outer {
        Some(outer) => {
            outer.renew(cookies);
            (outer, Outgoing::none())
        }
        None => {
            let state = RequestState::new(Arc::clone(settings), cookies, request);
            (Arc::clone(&state), Outgoing::of(state))
        }
    }
}
