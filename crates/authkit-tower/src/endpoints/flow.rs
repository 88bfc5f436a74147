//! A sign-in flow: the state that travels to WorkOS and back, and the cookie that the browser keeps meanwhile.
//!
//! 1. The [`State`] is sealed. A state that does not open is not ours.
//! 2. The cookie is named after the application and the state. It holds the state's id, the PKCE verifier, the return
//!    path, who began the sign-in and the application's value, sealed with its own name and the redirect URI as context. A
//!    state is worth nothing in a browser that does not have its cookie.
//! 3. A flow lives ten minutes, as WorkOS's codes do, and counts once: every response of the callback deletes its cookie,
//!    and a state is redeemed once in a process.
//! 4. A browser keeps at most five flows and 3 KiB of their cookies. The oldest go first.
//! 5. Each request opens at most sixteen flow cookies, and none that is longer than ours are.

use std::{cmp::Reverse, time::Duration};

use authkit_session::{
    AuthorizationRequest, PkceVerifier, SealError, Secret, integration::Purpose,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    SignInFailure,
    answers::{redirect, with_cookies},
    helper_cookie,
    initiator::Initiator,
    redirect_loop,
    state::{State, state_id},
};
use crate::{authkit::AuthKit, cookie, uri::ReturnTarget};

/// What a flow starts with.
pub(super) struct FlowStart {
    pub(super) return_path: ReturnTarget,
    /// How often the sign-in has started again.
    pub(super) restarts: u8,
    pub(super) initiator: Initiator,
    /// The application's own value, as JSON.
    pub(super) state: Option<String>,
}

/// Starts a flow: redirects the browser to AuthKit and sets the flow's cookie. `hints` adds parameters to the
/// authorization request, `status` is that of the redirect.
pub(super) fn begin(
    authkit: &AuthKit,
    headers: &HeaderMap,
    status: StatusCode,
    start: FlowStart,
    hints: impl FnOnce(AuthorizationRequest) -> AuthorizationRequest,
) -> Response<Bytes> {
    let Ok(SealedFlow { flow, state, name, sealed }) = seal(authkit, start) else {
        return SignInFailure::Unavailable.page(authkit, None);
    };
    let surplus = surplus(authkit, headers, name.len() + sealed.len());
    let cookie = authkit.settings().cookies().short_lived(&name, &sealed, LIFETIME);
    let request = hints(AuthorizationRequest::new(state, flow.verifier.challenge()));
    let to = authkit.client().authorization_url_at(&request, authkit.site().public_origin());
    with_cookies(redirect(status, &to), surplus.into_iter().chain(cookie))
}

/// A flow that has just begun, its state, and its cookie.
struct SealedFlow {
    flow: Flow,
    state: String,
    name: String,
    sealed: String,
}

fn seal(authkit: &AuthKit, start: FlowStart) -> Result<SealedFlow, SealError> {
    let state = State::seal(authkit, start.restarts, &start.return_path)?;
    let mut flow = Flow::new(authkit, &state, start);
    let name = name(authkit, &state);
    let mut sealed = flow.seal(authkit, &name)?;
    if name.len() + sealed.len() > MAX_BYTES {
        flow.return_path = ReturnTarget::root(authkit.site());
        sealed = flow.seal(authkit, &name)?;
    }
    Ok(SealedFlow { flow, state, name, sealed })
}

/// A sign-in that is under way.
pub(super) struct Flow {
    state_id: String,
    restarts: u8,
    pub(super) initiator: Initiator,
    pub(super) verifier: PkceVerifier,
    pub(super) return_path: ReturnTarget,
    /// The application's own value, as JSON.
    pub(super) custom: Option<String>,
    started: u64,
}

/// The content of a flow's cookie.
#[derive(Deserialize, Serialize)]
struct FlowCookie {
    state_id: String,
    restarts: u8,
    initiator: Initiator,
    verifier: String,
    return_to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Box<RawValue>>,
    started: u64,
}

impl Flow {
    fn new(authkit: &AuthKit, state: &str, start: FlowStart) -> Self {
        let FlowStart { return_path, restarts, initiator, state: custom } = start;
        Self {
            state_id: state_id(state).to_owned(),
            restarts,
            initiator,
            verifier: PkceVerifier::generate(),
            return_path,
            custom,
            started: authkit.clock().unix(),
        }
    }

    /// The flow that belongs to `state`, if this browser started it.
    pub(super) fn find(authkit: &AuthKit, headers: &HeaderMap, state: &str) -> Option<Self> {
        let name = name(authkit, state);
        // Both states are authentic at this point, so the comparison need not take constant time.
        cookie::pairs(headers)
            .filter(|(found, sealed)| *found == name.as_bytes() && sealed.len() <= MAX_BYTES)
            .take(MAX_OPENED)
            .filter_map(|(_, sealed)| Self::open(authkit, &name, sealed))
            .find(|flow| flow.state_id == state_id(state))
    }

    pub(super) fn is_expired(&self, authkit: &AuthKit) -> bool {
        authkit.clock().unix().saturating_sub(self.started) > LIFETIME.as_secs()
    }

    fn seal(&self, authkit: &AuthKit, name: &str) -> Result<String, SealError> {
        let content = FlowCookie {
            state_id: self.state_id.clone(),
            restarts: self.restarts,
            initiator: self.initiator,
            verifier: self.verifier.expose().to_owned(),
            return_to: self.return_path.as_str().to_owned(),
            custom: self.custom.clone().and_then(|json| RawValue::from_string(json).ok()),
            started: self.started,
        };
        let content =
            serde_json::to_vec(&content).expect("a struct of strings and numbers is JSON");
        authkit.authenticator().seal_for(Purpose::SignIn, &context(authkit, name), &content)
    }

    fn open(authkit: &AuthKit, name: &str, sealed: &[u8]) -> Option<Self> {
        let sealed = std::str::from_utf8(sealed).ok()?;
        let content =
            authkit.authenticator().open_for(Purpose::SignIn, &context(authkit, name), sealed)?;
        let stored: FlowCookie = serde_json::from_slice(&content).ok()?;
        Some(Self {
            state_id: stored.state_id,
            restarts: stored.restarts,
            initiator: stored.initiator,
            verifier: PkceVerifier::from_secret(Secret::new(stored.verifier)),
            return_path: ReturnTarget::parse(&stored.return_to, authkit.site())
                .unwrap_or_else(|| ReturnTarget::root(authkit.site())),
            custom: stored.custom.map(|json| json.get().to_owned()),
            started: stored.started,
        })
    }
}

/// How many sign-ins of this browser have started again in the last ten seconds and have not come back yet.
pub(super) fn recent_restarts(authkit: &AuthKit, headers: &HeaderMap) -> usize {
    let from = authkit.clock().unix().saturating_sub(RESTART_WINDOW.as_secs());
    let flows = read_cookies(authkit, headers).into_iter().filter_map(|found| found.flow);
    flows.filter(|flow| flow.started >= from && flow.restarts > 0).count()
}

/// Deletes the cookie of the flow that `state` names, if the browser has one.
pub(super) fn delete(authkit: &AuthKit, headers: &HeaderMap, state: &str) -> Option<HeaderValue> {
    let name = name(authkit, state);
    let is_there = cookie::pairs(headers).any(|(found, _)| found == name.as_bytes());
    is_there.then(|| authkit.settings().cookies().delete_short_lived(&name)).flatten()
}

/// Deletes the cookies of all flows and of the redirect loop guard.
pub(super) fn delete_all(authkit: &AuthKit, headers: &HeaderMap) -> Vec<HeaderValue> {
    read_cookies(authkit, headers)
        .iter()
        .filter_map(|flow| authkit.settings().cookies().delete_short_lived(&flow.name))
        .chain(redirect_loop::delete(authkit, headers))
        .collect()
}

/// Deletes the oldest flow cookies until a new one of this size has room, and those that are expired or cannot be
/// opened.
fn surplus(authkit: &AuthKit, headers: &HeaderMap, size: usize) -> Vec<HeaderValue> {
    let mut flows = read_cookies(authkit, headers);
    flows.sort_by_key(|flow| Reverse(flow.started()));
    let oldest = authkit.clock().unix().saturating_sub(LIFETIME.as_secs());
    let (mut count, mut bytes) = (1, size);
    flows.retain(|flow| {
        (count, bytes) = (count + 1, bytes + flow.size);
        count > MAX_FLOWS
            || bytes > MAX_BYTES
            || flow.started().is_none_or(|started| started < oldest)
    });
    flows
        .iter()
        .filter_map(|flow| authkit.settings().cookies().delete_short_lived(&flow.name))
        .collect()
}

/// A flow cookie of the request.
struct FoundFlow {
    name: String,
    size: usize,
    /// `None` if the cookie cannot be opened.
    flow: Option<Flow>,
}

impl FoundFlow {
    fn started(&self) -> Option<u64> {
        self.flow.as_ref().map(|flow| flow.started)
    }
}

fn read_cookies(authkit: &AuthKit, headers: &HeaderMap) -> Vec<FoundFlow> {
    let prefix = helper_cookie::name(authkit, FLOW);
    let mut flows: Vec<FoundFlow> = Vec::new();
    for (found, sealed) in cookie::pairs(headers) {
        if flows.len() == MAX_OPENED {
            break;
        }
        let Some(name) = std::str::from_utf8(found).ok().filter(|name| is_name(&prefix, name))
        else {
            continue;
        };
        if flows.iter().all(|flow| flow.name != name) {
            let flow = (sealed.len() <= MAX_BYTES).then(|| Flow::open(authkit, name, sealed));
            let size = found.len() + sealed.len();
            flows.push(FoundFlow { name: name.to_owned(), size, flow: flow.flatten() });
        }
    }
    flows
}

/// The cookie's name. Each state has its own, so that tabs do not overwrite one another's flows.
fn name(authkit: &AuthKit, state: &str) -> String {
    let hash = helper_cookie::hash(state.as_bytes());
    format!("{}_{hash:08x}", helper_cookie::name(authkit, FLOW))
}

fn is_name(prefix: &str, name: &str) -> bool {
    let hash = name.strip_prefix(prefix).and_then(|hash| hash.strip_prefix('_'));
    hash.is_some_and(|hash| {
        hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

fn context(authkit: &AuthKit, name: &str) -> Vec<u8> {
    [name, authkit.site().redirect_uri()].join("\n").into_bytes()
}

/// The kind of a flow's cookie, in its name.
const FLOW: &str = "auth";
/// The lifetime of WorkOS's codes.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long a sign-in that started again counts as part of a loop.
const RESTART_WINDOW: Duration = Duration::from_secs(10);
/// The most flows of one browser. With more, the oldest has to start again.
const MAX_FLOWS: usize = 5;
/// The most bytes of all names and values: many servers read 8 KiB of header, and the session needs most of it.
const MAX_BYTES: usize = 3 * 1024;
/// The most flow cookies that are opened for one request, which bounds its cost. A browser has at most five.
const MAX_OPENED: usize = 16;

#[cfg(test)]
mod tests;
