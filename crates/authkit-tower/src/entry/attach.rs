//! Carries out an authentication: attaches the principal to the request's extensions, or denies.

use std::sync::Arc;

use authkit_session::{Admission, Refusal, integration::HeaderPrincipal};
use http::Request;

use super::authentication::AuthenticationOutcome;
use crate::{
    api_key::ApiKey,
    bearer::Bearer,
    denial::{Caller, Cause, Denied},
    head::{self, Caching},
    lookup::{LayerPosition, NoPrincipal},
    machine::Machine,
    oauth_client::OAuthClient,
    request_state::{Outgoing, RequestState, SetCookieSource},
    session::Session,
    settings::{LayerSettings, Presence},
};

/// Attaches the principal, or denies, by the outcome of the request's authentication.
pub(super) fn conclude<B>(
    settings: &Arc<LayerSettings>,
    outcome: AuthenticationOutcome,
    request: &mut Request<B>,
    position: &LayerPosition,
) -> Result<Outgoing, Denied> {
    match outcome {
        AuthenticationOutcome::Session(outcome) => {
            conclude_session(settings, outcome, request, position)
        }
        AuthenticationOutcome::Header(outcome) => {
            conclude_header(settings, outcome, request, position)
        }
    }
}

fn conclude_header<B>(
    settings: &Arc<LayerSettings>,
    outcome: Result<HeaderPrincipal, Refusal>,
    request: &mut Request<B>,
    position: &LayerPosition,
) -> Result<Outgoing, Denied> {
    let state_with =
        |cookies, request: &Request<B>| RequestState::new(Arc::clone(settings), cookies, request);
    let cause = |refusal: Refusal| Cause::of(&refusal, Caller::of(request).client, settings);
    let principal =
        outcome.map_err(cause).and_then(|principal| match settings.missing_scope(&principal) {
            Some(scope) => Err(Cause::InsufficientScope { scope }),
            None => Ok(principal),
        });
    match principal {
        Ok(principal) => {
            let state = state_with(SetCookieSource::Header(principal.clone()), request);
            let outgoing = Outgoing::of(Arc::clone(&state));
            let extensions = request.extensions_mut();
            match principal {
                HeaderPrincipal::Bearer(token) => {
                    position.attach(extensions, Bearer::new(token, state));
                }
                HeaderPrincipal::ApiKey(key) => {
                    position.attach(extensions, ApiKey::new(key, state));
                }
                HeaderPrincipal::Machine(machine) => {
                    position.attach(extensions, Machine::new(machine, state));
                }
                HeaderPrincipal::Client(client) => {
                    position.attach(extensions, OAuthClient::new(client, state));
                }
            }
            Ok(outgoing)
        }
        Err(cause) => match settings.presence(request) {
            Presence::Required => Err(settings.deny(&cause, Caller::of(request))),
            Presence::Optional => {
                let state = state_with(SetCookieSource::NotRead, request);
                let none = NoPrincipal::new(cause, Arc::clone(&state));
                position.attach(request.extensions_mut(), none);
                Ok(Outgoing::of(state))
            }
        },
    }
}

/// Inside another layer of the same `AuthKit`, that layer writes the cookies.
fn conclude_session<B>(
    settings: &Arc<LayerSettings>,
    outcome: Result<Admission, Refusal>,
    request: &mut Request<B>,
    position: &LayerPosition,
) -> Result<Outgoing, Denied> {
    match outcome {
        Ok(admission) => {
            let session = Arc::clone(admission.session());
            let (state, outgoing) =
                state(settings, position, SetCookieSource::Admitted(admission), request);
            position.attach(request.extensions_mut(), Session::new(session, state));
            Ok(outgoing)
        }
        Err(refusal) => {
            let caller = Caller::of(request);
            let (cause, destination) =
                (Cause::of(&refusal, caller.client, settings), caller.destination());
            match settings.presence(request) {
                Presence::Required => {
                    let mut response = settings.deny(&cause, caller);
                    match position {
                        LayerPosition::Outermost => head::write(
                            response.headers_mut(),
                            refusal.set_cookie_headers(destination),
                            settings.authkit().site(),
                            Caching::Private,
                            settings.varies(),
                        ),
                        LayerPosition::Inside(_) => {}
                    }
                    Err(response)
                }
                Presence::Optional => {
                    let cookies = SetCookieSource::Refused { refusal, destination };
                    let (state, outgoing) = state(settings, position, cookies, request);
                    position.attach(request.extensions_mut(), NoPrincipal::new(cause, state));
                    Ok(outgoing)
                }
            }
        }
    }
}

/// The outer layer's state, updated with a newer session; or a new state, whose cookies this layer writes.
fn state<B>(
    settings: &Arc<LayerSettings>,
    position: &LayerPosition,
    cookies: SetCookieSource,
    request: &Request<B>,
) -> (Arc<RequestState>, Outgoing) {
    match position {
        LayerPosition::Inside(outer) => {
            outer.replace_session(cookies);
            (Arc::clone(outer), Outgoing::none())
        }
        LayerPosition::Outermost => {
            let state = RequestState::new(Arc::clone(settings), cookies, request);
            (Arc::clone(&state), Outgoing::of(state))
        }
    }
}
