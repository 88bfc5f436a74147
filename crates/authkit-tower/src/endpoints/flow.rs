//! A sign-in flow: the state that travels to WorkOS and back, and the cookie that the browser keeps meanwhile.
//!
//! 1. The state is sealed: a random nonce, the number of restarts, an authentication tag. A state that does not open is
//!    not ours.
//! 2. The cookie is named after the state. It holds the state, the PKCE verifier, the return path and the application's
//!    value, sealed with its own name and the redirect URI as context. A state is worth nothing in a browser that does
//!    not have its cookie.
//! 3. A flow lives ten minutes, as WorkOS's codes do, and counts once: every response of the callback deletes its cookie.
//! 4. A browser keeps at most five flows and 3 KiB of their cookies. The oldest go first.
//! 5. Each request opens at most sixteen flow cookies.

use std::{cmp::Reverse, time::Duration};

use authkit_session::{AuthorizationRequest, PkceVerifier, Purpose, SealError, Secret};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    SignInFailure,
    answers::{redirect, with_cookies},
    redirect_loop,
};
use crate::{authkit::AuthKit, cookie, uri::ReturnPath};

/// What a flow starts with.
pub(super) struct FlowStart {
    pub(super) return_path: ReturnPath,
    /// How often the sign-in has started again.
    pub(super) restarts: u8,
    /// The application's own value, as JSON.
    pub(super) state: Option<String>,
}

/// Starts a flow: redirects the browser to AuthKit and sets the flow's cookie. `hints` adds parameters to the
/// authorization request.
pub(super) fn begin(
    authkit: &AuthKit,
    headers: &HeaderMap,
    start: FlowStart,
    hints: impl FnOnce(AuthorizationRequest) -> AuthorizationRequest,
) -> Response<Bytes> {
    let Ok((flow, name, sealed)) = seal(authkit, start) else {
        return SignInFailure::Unavailable.page(authkit, None);
    };
    let surplus = surplus(authkit, headers, name.len() + sealed.len());
    let cookie = authkit.settings().cookies().short_lived(&name, &sealed, LIFETIME);
    let request = hints(AuthorizationRequest::new(flow.state, flow.verifier.challenge()));
    let to = authkit.client().authorization_url(&request);
    with_cookies(redirect(StatusCode::FOUND, &to), surplus.into_iter().chain(cookie))
}

fn seal(authkit: &AuthKit, start: FlowStart) -> Result<(Flow, String, String), SealError> {
    let mut flow = Flow::new(authkit, start)?;
    let (name, mut sealed) = (flow.name(authkit), flow.seal(authkit)?);
    if name.len() + sealed.len() > MAX_BYTES {
        flow.return_path = ReturnPath::root();
        sealed = flow.seal(authkit)?;
    }
    Ok((flow, name, sealed))
}

/// A sign-in that is under way.
pub(super) struct Flow {
    state: String,
    pub(super) verifier: PkceVerifier,
    pub(super) return_path: ReturnPath,
    /// The application's own value, as JSON.
    pub(super) custom: Option<String>,
    started: u64,
}

/// The content of a flow's cookie.
#[derive(Deserialize, Serialize)]
struct FlowCookie {
    state: String,
    verifier: String,
    return_to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Box<RawValue>>,
    started: u64,
}

impl Flow {
    fn new(authkit: &AuthKit, start: FlowStart) -> Result<Self, SealError> {
        let FlowStart { return_path, restarts, state: custom } = start;
        let context = redirect_uri(authkit).as_bytes();
        let state = authkit.authenticator().seal_for(Purpose::State, context, &[restarts])?;
        let started = authkit.clock().unix();
        Ok(Self { state, verifier: PkceVerifier::generate(), return_path, custom, started })
    }

    /// The flow that belongs to `state`, if this browser started it.
    pub(super) fn find(authkit: &AuthKit, headers: &HeaderMap, state: &str) -> Option<Self> {
        let name = name(authkit, state);
        // Both states are authentic at this point, so the comparison need not take constant time.
        cookie::pairs(headers).filter(|(found, _)| *found == name.as_bytes()).find_map(
            |(_, sealed)| Self::open(authkit, &name, sealed).filter(|flow| flow.state == state),
        )
    }

    fn name(&self, authkit: &AuthKit) -> String {
        name(authkit, &self.state)
    }

    pub(super) fn is_expired(&self, authkit: &AuthKit) -> bool {
        authkit.clock().unix().saturating_sub(self.started) > LIFETIME.as_secs()
    }

    fn seal(&self, authkit: &AuthKit) -> Result<String, SealError> {
        let content = FlowCookie {
            state: self.state.clone(),
            verifier: self.verifier.expose().to_owned(),
            return_to: self.return_path.as_str().to_owned(),
            custom: self.custom.clone().and_then(|json| RawValue::from_string(json).ok()),
            started: self.started,
        };
        let content =
            serde_json::to_vec(&content).expect("a struct of strings and a number is JSON");
        authkit.authenticator().seal_for(
            Purpose::SignIn,
            &context(authkit, &self.name(authkit)),
            &content,
        )
    }

    fn open(authkit: &AuthKit, name: &str, sealed: &[u8]) -> Option<Self> {
        let sealed = std::str::from_utf8(sealed).ok()?;
        let content =
            authkit.authenticator().open_for(Purpose::SignIn, &context(authkit, name), sealed)?;
        let stored: FlowCookie = serde_json::from_slice(&content).ok()?;
        Some(Self {
            state: stored.state,
            verifier: PkceVerifier::from_secret(Secret::new(stored.verifier)),
            return_path: ReturnPath::parse(&stored.return_to, authkit.site())
                .unwrap_or_else(ReturnPath::root),
            custom: stored.custom.map(|json| json.get().to_owned()),
            started: stored.started,
        })
    }
}

/// How often the sign-in of this state has started again; `None` if the state is not ours.
pub(super) fn restarts(authkit: &AuthKit, state: &str) -> Option<u8> {
    let content = authkit.authenticator().open_for(
        Purpose::State,
        redirect_uri(authkit).as_bytes(),
        state,
    )?;
    content.first().copied()
}

/// How many sign-ins of this browser have started again in the last ten seconds and have not come back.
pub(super) fn recent_restarts(authkit: &AuthKit, headers: &HeaderMap) -> usize {
    let from = authkit.clock().unix().saturating_sub(RESTART_WINDOW.as_secs());
    let flows = read_cookies(authkit, headers).into_iter().filter_map(|found| found.flow);
    let recent = flows.filter(|flow| flow.started >= from);
    recent.filter(|flow| restarts(authkit, &flow.state).is_some_and(|count| count > 0)).count()
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

/// Deletes the flow cookies for which a new one of this size leaves no room, oldest first, and those that are expired or
/// cannot be opened.
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
    let mut flows: Vec<FoundFlow> = Vec::new();
    for (found, sealed) in cookie::pairs(headers) {
        let Some(name) = std::str::from_utf8(found).ok().filter(|name| is_name(authkit, name))
        else {
            continue;
        };
        if flows.len() < MAX_OPENED && flows.iter().all(|flow| flow.name != name) {
            let flow = Flow::open(authkit, name, sealed);
            flows.push(FoundFlow { name: name.to_owned(), size: found.len() + sealed.len(), flow });
        }
    }
    flows
}

/// The cookie's name. Each state has its own, so that tabs do not overwrite one another's flows.
fn name(authkit: &AuthKit, state: &str) -> String {
    // FNV-1a is enough: it has to tell a handful of states apart.
    let hash = state
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{}{hash:08x}", prefix(authkit))
}

fn is_name(authkit: &AuthKit, name: &str) -> bool {
    let hash = name.strip_prefix(prefix(authkit));
    hash.is_some_and(|hash| {
        hash.len() == 8 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// `__Host-` keeps sibling hosts from planting flows. Browsers accept it on https only.
fn prefix(authkit: &AuthKit) -> &'static str {
    if authkit.settings().cookies().is_secure() { "__Host-wos_auth_" } else { "wos_auth_" }
}

fn context(authkit: &AuthKit, name: &str) -> Vec<u8> {
    [name, redirect_uri(authkit)].join("\n").into_bytes()
}

fn redirect_uri(authkit: &AuthKit) -> &str {
    authkit.settings().redirect_uri()
}

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
