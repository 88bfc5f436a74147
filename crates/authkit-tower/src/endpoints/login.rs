use std::time::Duration;

use authkit_session::AuthorizationRequest;
use bytes::Bytes;
use http::{Method, Response};
use url::form_urlencoded;

use super::{flow, hx_redirect, method_not_allowed};
use crate::{
    authkit::AuthKit,
    denial::{self, Caller, Cause, ClientKind, text},
    uri::{self, ReturnPath},
};

/// Starts a sign-in for a browser that navigates here; whoever else asks gets 401 and no cookie.
pub(super) fn answer(authkit: &AuthKit, caller: Caller<'_>) -> Response<Bytes> {
    if !matches!(*caller.method, Method::GET | Method::HEAD) {
        return method_not_allowed("GET, HEAD");
    }
    let navigates = text(caller.headers, "sec-fetch-mode").is_none_or(|mode| mode == "navigate");
    if !navigates || matches!(caller.client, ClientKind::Prefetch | ClientKind::Htmx) {
        let (_, mut response) = denial::answer(&Cause::NOBODY, caller, Some(authkit.site()));
        if let (ClientKind::Htmx, Some(here)) = (caller.client, caller.uri.path_and_query()) {
            hx_redirect(&mut response, &uri::encode(here.as_str())); // by the browser itself
        }
        return response;
    }

    let wishes = Wishes::read(caller.uri.query().unwrap_or_default());
    let return_path =
        wishes.return_to.as_deref().and_then(|path| ReturnPath::parse(path, authkit.site()));
    flow::begin(
        authkit,
        caller.headers,
        return_path.unwrap_or_else(ReturnPath::root),
        0,
        |request| wishes.apply(request),
    )
}

/// What may be asked of a sign-in; the rest of the query is nobody's business.
#[derive(Debug, Default, Eq, PartialEq)]
struct Wishes {
    return_to: Option<String>,
    screen_hint: Option<String>,
    organization_id: Option<String>,
    login_hint: Option<String>,
    invitation_token: Option<String>,
    prompt: Option<String>,
    max_age: Option<Duration>,
}

impl Wishes {
    fn read(query: &str) -> Self {
        let mut wishes = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = || {
                Some(value.as_ref())
                    .filter(|value| !value.is_empty() && value.len() <= MAX_VALUE)
                    .map(Into::into)
            };
            match name.as_ref() {
                "return_to" => wishes.return_to = value(),
                "screen_hint" => {
                    wishes.screen_hint =
                        value().filter(|hint| matches!(hint.as_str(), "sign-in" | "sign-up"))
                }
                "organization_id" => wishes.organization_id = value(),
                "login_hint" => wishes.login_hint = value(),
                "invitation_token" => wishes.invitation_token = value(),
                "prompt" => wishes.prompt = value(),
                "max_age" => {
                    wishes.max_age = value()
                        .and_then(|age: String| age.parse::<u32>().ok())
                        .map(|age| Duration::from_secs(age.into()))
                }
                _ => {}
            }
        }
        wishes
    }

    fn apply(self, mut request: AuthorizationRequest) -> AuthorizationRequest {
        if let Some(hint) = self.screen_hint {
            request = request.with_screen_hint(hint);
        }
        if let Some(id) = self.organization_id {
            request = request.with_organization_id(id);
        }
        if let Some(hint) = self.login_hint {
            request = request.with_login_hint(hint);
        }
        if let Some(token) = self.invitation_token {
            request = request.with_invitation_token(token);
        }
        if let Some(prompt) = self.prompt {
            request = request.with_prompt(prompt);
        }
        if let Some(age) = self.max_age {
            request = request.with_max_age(age);
        }
        request
    }
}

/// The longest value that is passed on, in bytes.
const MAX_VALUE: usize = ReturnPath::MAX_LEN;

#[cfg(test)]
mod tests;
