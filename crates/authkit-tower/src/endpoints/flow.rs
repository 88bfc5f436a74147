//! A sign-in under way: what the browser takes to WorkOS, and what it keeps in a cookie until it is back.
//!
//! The state that travels is sealed (a random nonce, how often we had to start again, an authentication tag), so that
//! only states of ours come back. The cookie is named after the state and holds it, with the PKCE
//! verifier and the return path, sealed for its own name and redirect URI: a state opens nothing in another browser.

use std::{cmp::Reverse, time::Duration};

use authkit_session::{AuthorizationRequest, PkceVerifier, Purpose, SealError, Secret};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    SignInFailure,
    answers::{redirect, with_cookies},
    bounces,
};
use crate::{authkit::AuthKit, cookie, uri::ReturnPath};

/// What a sign-in starts with.
pub(super) struct Start {
    pub(super) return_path: ReturnPath,
    /// How often it had to start again.
    pub(super) restarts: u8,
    /// The application's own value, as JSON.
    pub(super) state: Option<String>,
}

/// Starts a sign-in: sends the browser to AuthKit, with a cookie that remembers what for.
pub(super) fn begin(
    authkit: &AuthKit,
    headers: &HeaderMap,
    start: Start,
    wishes: impl FnOnce(AuthorizationRequest) -> AuthorizationRequest,
) -> Response<Bytes> {
    let Ok((flow, name, sealed)) = seal(authkit, start) else {
        return SignInFailure::Unavailable.page(authkit, None);
    };
    let surplus = surplus(authkit, headers, name.len() + sealed.len());
    let cookie = authkit.settings().cookies().short_lived(&name, &sealed, LIFETIME);
    let request = wishes(AuthorizationRequest::new(flow.state, flow.verifier.challenge()));
    let to = authkit.client().authorization_url(&request);
    with_cookies(redirect(StatusCode::FOUND, &to), surplus.into_iter().chain(cookie))
}

fn seal(authkit: &AuthKit, start: Start) -> Result<(Flow, String, String), SealError> {
    let mut flow = Flow::new(authkit, start)?;
    let (name, mut sealed) = (flow.name(authkit), flow.seal(authkit)?);
    if name.len() + sealed.len() > MAX_BYTES {
        flow.return_path = ReturnPath::root();
        sealed = flow.seal(authkit)?;
    }
    Ok((flow, name, sealed))
}

/// What the browser keeps while it is away.
pub(super) struct Flow {
    state: String,
    pub(super) verifier: PkceVerifier,
    pub(super) return_path: ReturnPath,
    /// The application's own value, as JSON.
    pub(super) custom: Option<String>,
    started: u64,
}

/// What of a [`Flow`] is in its cookie.
#[derive(Deserialize, Serialize)]
struct Kept {
    state: String,
    verifier: String,
    return_to: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    custom: Option<Box<RawValue>>,
    started: u64,
}

impl Flow {
    fn new(authkit: &AuthKit, start: Start) -> Result<Self, SealError> {
        let Start { return_path, restarts, state: custom } = start;
        let context = redirect_uri(authkit).as_bytes();
        let state = authkit.authenticator().seal_for(Purpose::State, context, &[restarts])?;
        let started = authkit.clock().unix();
        Ok(Self { state, verifier: PkceVerifier::generate(), return_path, custom, started })
    }

    /// The flow that belongs to `state`, if this browser started it.
    pub(super) fn find(authkit: &AuthKit, headers: &HeaderMap, state: &str) -> Option<Self> {
        let name = name(authkit, state);
        // Both sides are authenticated by now, so the comparison has nothing to betray.
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
        let kept = Kept {
            state: self.state.clone(),
            verifier: self.verifier.expose().to_owned(),
            return_to: self.return_path.as_str().to_owned(),
            custom: self.custom.clone().and_then(|json| RawValue::from_string(json).ok()),
            started: self.started,
        };
        let content = serde_json::to_vec(&kept).expect("a struct of strings and a number is JSON");
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
        let kept: Kept = serde_json::from_slice(&content).ok()?;
        Some(Self {
            state: kept.state,
            verifier: PkceVerifier::from_secret(Secret::new(kept.verifier)),
            return_path: ReturnPath::parse(&kept.return_to, authkit.site())
                .unwrap_or_else(ReturnPath::root),
            custom: kept.custom.map(|json| json.get().to_owned()),
            started: kept.started,
        })
    }
}

/// How often the sign-in that this state belongs to was started again; `None` for a state that is not ours.
pub(super) fn restarts(authkit: &AuthKit, state: &str) -> Option<u8> {
    let content = authkit.authenticator().open_for(
        Purpose::State,
        redirect_uri(authkit).as_bytes(),
        state,
    )?;
    content.first().copied()
}

/// How many sign-ins of this browser started again just now, and have not come back.
pub(super) fn recent_restarts(authkit: &AuthKit, headers: &HeaderMap) -> usize {
    let lately = authkit.clock().unix().saturating_sub(LATELY.as_secs());
    let flows = alive(authkit, headers).into_iter().filter_map(|alive| alive.flow);
    let recent = flows.filter(|flow| flow.started >= lately);
    recent.filter(|flow| restarts(authkit, &flow.state).is_some_and(|count| count > 0)).count()
}

/// Deletes the cookie of the flow that `state` names, if the browser has one.
pub(super) fn delete(authkit: &AuthKit, headers: &HeaderMap, state: &str) -> Option<HeaderValue> {
    let name = name(authkit, state);
    let is_there = cookie::pairs(headers).any(|(found, _)| found == name.as_bytes());
    is_there.then(|| authkit.settings().cookies().delete_short_lived(&name)).flatten()
}

/// Deletes the cookies of all flows, and what counts them.
pub(super) fn delete_all(authkit: &AuthKit, headers: &HeaderMap) -> Vec<HeaderValue> {
    alive(authkit, headers)
        .iter()
        .filter_map(|flow| authkit.settings().cookies().delete_short_lived(&flow.name))
        .chain(bounces::delete(authkit, headers))
        .collect()
}

/// Deletes what does not fit beside a new flow of this size: the oldest first, and what is over or unreadable.
fn surplus(authkit: &AuthKit, headers: &HeaderMap, size: usize) -> Vec<HeaderValue> {
    let mut flows = alive(authkit, headers);
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
struct Alive {
    name: String,
    size: usize,
    /// `None` where it cannot be read.
    flow: Option<Flow>,
}

impl Alive {
    fn started(&self) -> Option<u64> {
        self.flow.as_ref().map(|flow| flow.started)
    }
}

fn alive(authkit: &AuthKit, headers: &HeaderMap) -> Vec<Alive> {
    let mut flows: Vec<Alive> = Vec::new();
    for (found, sealed) in cookie::pairs(headers) {
        let Some(name) = std::str::from_utf8(found).ok().filter(|name| is_name(authkit, name))
        else {
            continue;
        };
        if flows.len() < MAX_LOOKED_AT && flows.iter().all(|flow| flow.name != name) {
            let flow = Flow::open(authkit, name, sealed);
            flows.push(Alive { name: name.to_owned(), size: found.len() + sealed.len(), flow });
        }
    }
    flows
}

/// A name for each state, so that tabs do not overwrite one another's flows.
fn name(authkit: &AuthKit, state: &str) -> String {
    // FNV-1a: it only has to tell a handful of states apart.
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

/// `__Host-` keeps sibling hosts from planting flows; browsers take it on https only.
fn prefix(authkit: &AuthKit) -> &'static str {
    if authkit.settings().cookies().is_secure() { "__Host-wos_auth_" } else { "wos_auth_" }
}

fn context(authkit: &AuthKit, name: &str) -> Vec<u8> {
    [name, redirect_uri(authkit)].join("\n").into_bytes()
}

fn redirect_uri(authkit: &AuthKit) -> &str {
    authkit.settings().redirect_uri()
}

/// As long as WorkOS's codes live.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long a sign-in that started again counts as one of a loop.
const LATELY: Duration = Duration::from_secs(10);
/// With more sign-ins at once, the oldest has to start again.
const MAX_FLOWS: usize = 5;
/// Of all names and values: servers read 8 KiB of header, and the session wants most of it.
const MAX_BYTES: usize = 3 * 1024;
/// Opening a cookie costs time, and nobody honest has more.
const MAX_LOOKED_AT: usize = 16;

#[cfg(test)]
mod tests;
