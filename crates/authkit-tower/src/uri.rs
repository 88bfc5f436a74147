//! The paths of our endpoints, the URI of a request, and the paths that a browser may be sent back to.

use std::{borrow::Cow, sync::Arc};

use authkit_session::Settings;
use http::{Extensions, HeaderMap, Method, Uri, header::REFERER};
use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use crate::{
    OriginalUri,
    client_kind::{ClientKind, text},
    denial::DenialLog,
    endpoints::EndpointReminder,
};

/// The service as browsers see it, by the configuration. `Host` and forwarded headers are not read.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Scheme and authority, such as `https://app.example.com`.
    pub(crate) origin: String,
    pub(crate) login: String,
    pub(crate) callback: String,
    pub(crate) logout: String,
    pub(crate) cookie_name: String,
    pub(crate) denial_log: Arc<DenialLog>,
    pub(crate) endpoint_reminder: Arc<EndpointReminder>,
}

/// One of our own endpoints.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Endpoint {
    Login,
    Callback,
    Logout,
}

impl Site {
    pub(crate) fn of(settings: &Settings) -> Self {
        Self {
            origin: settings.public_origin().to_owned(),
            login: settings.login_path().to_owned(),
            callback: settings.callback_path().to_owned(),
            logout: settings.logout_path().to_owned(),
            cookie_name: settings.cookie_name().to_owned(),
            denial_log: Arc::new(DenialLog::new(settings.clock().clone())),
            endpoint_reminder: Arc::new(EndpointReminder::new(settings.clock().clone())),
        }
    }

    /// The endpoint that lives exactly at `path`.
    pub(crate) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        [
            (&self.login, Endpoint::Login),
            (&self.callback, Endpoint::Callback),
            (&self.logout, Endpoint::Logout),
        ]
        .into_iter()
        .find_map(|(own, endpoint)| (own == path).then_some(endpoint))
    }

    /// Whether endpoints that answer `shortened`, one of our paths, lie below a prefix that our paths know nothing of, so
    /// that `original` is none of them.
    pub(crate) fn is_nested(&self, original: &str, shortened: &str) -> bool {
        let Some(prefix) = original.strip_suffix(shortened).filter(|prefix| !prefix.is_empty())
        else {
            return false;
        };
        let knows = |path: &String| path.strip_prefix(prefix).is_some_and(|it| it.starts_with('/'));
        self.endpoint(shortened).is_some()
            && ![&self.login, &self.callback, &self.logout].into_iter().any(knows)
    }

    /// The address of the sign-in endpoint, with these query parameters.
    pub(crate) fn login_url(&self, parameters: &[(&str, &str)]) -> String {
        if parameters.is_empty() {
            return self.login.clone();
        }
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        format!("{}?{query}", self.login)
    }
}

/// The URI that the client asked for, also where axum's `nest` has shortened it.
pub(crate) fn original<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<OriginalUri>().map_or(uri, |original| &original.0)
}

/// A path and query of our own origin that a browser may be sent to; never one of our endpoints.
///
/// Always ASCII and normalised: a browser reads it as it is written, however often it was decoded on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ReturnPath(String);

impl ReturnPath {
    /// The longest return path, in bytes: a flow cookie has to hold it.
    pub(crate) const MAX_LEN: usize = 2048;

    pub(crate) fn root() -> Self {
        Self("/".to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks a path and query that a client sent. Anything but a harmless path is `None`.
    pub(crate) fn parse(input: &str, site: &Site) -> Option<Self> {
        if input.len() > Self::MAX_LEN || !input.starts_with('/') {
            return None;
        }
        let input = input.split_once('#').map_or(input, |(before, _)| before);
        let (path, query) = match input.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (input, None),
        };
        if !is_harmless(path, site)
            || query.is_some_and(|query| query.chars().any(char::is_control))
        {
            return None;
        }
        let mut encoded = encode(path);
        if let Some(query) = query {
            encoded.push('?');
            encoded.push_str(&encode(query));
        }
        // Browsers parse as the URL standard says. By that parser too, the path stays on our origin and is normalised.
        let url = Url::parse(&site.origin).ok()?.join(&encoded).ok()?;
        let stays = url.as_str().strip_prefix(site.origin.as_str()) == Some(encoded.as_str());
        (stays && encoded.len() <= Self::MAX_LEN).then_some(Self(encoded))
    }

    /// Checks `return_to` of a query.
    pub(crate) fn of_query(query: &str, site: &Site) -> Option<Self> {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters
            .find(|(name, _)| name == "return_to")
            .and_then(|(_, path)| Self::parse(&path, site))
    }

    /// Checks an absolute URL, such as a `Referer`. One of another origin is `None`.
    fn of_url(url: &str, site: &Site) -> Option<Self> {
        match url.strip_prefix(site.origin.as_str())? {
            "" => Some(Self::root()),
            path => Self::parse(path, site),
        }
    }

    /// Where to send the client of a request back to after it has signed in: `/` if the request names no harmless path.
    pub(crate) fn of_request(
        client: ClientKind,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        site: &Site,
    ) -> Self {
        let path = if client == ClientKind::Htmx {
            text(headers, "hx-current-url").and_then(|url| Self::of_url(url, site))
        } else if matches!(*method, Method::GET | Method::HEAD) {
            uri.path_and_query().and_then(|path| Self::parse(path.as_str(), site))
        } else {
            text(headers, REFERER.as_str()).and_then(|url| Self::of_url(url, site))
        };
        path.unwrap_or_else(Self::root)
    }
}

/// Whether every program reads `path` as the same path of our origin, however often it decodes it: no second slash or
/// backslash at the start, no dot segments, no control characters. Paths of our endpoints are refused, as they would loop.
fn is_harmless(path: &str, site: &Site) -> bool {
    let mut seen = path.to_owned();
    for _ in 0..=MAX_DECODINGS {
        let starts_like_a_host =
            seen.chars().nth(1).is_some_and(|second| SLASHES.contains(&second));
        // Browsers read a backslash as a slash, and leave out spaces at the end.
        let read = seen.trim_end_matches(' ').replace('\\', "/");
        let has_dots = read.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."));
        let place = read.split(['?', '#']).next().unwrap_or_default();
        let is_ours = site.endpoint(place.trim_end_matches(['/', ' '])).is_some();
        if starts_like_a_host || has_dots || is_ours || seen.chars().any(char::is_control) {
            return false;
        }
        let decoded = decode(&seen);
        if decoded == seen {
            return !path.contains('\\');
        }
        seen = decoded.into_owned();
    }
    false
}

/// Decodes `%XX` once. What is not UTF-8 afterwards becomes U+FFFD, which no check lets through as another character.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Percent-encodes what browsers encode, and a little more. What is encoded already stays.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@/?%[]|".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A path that is encoded more often than this is refused.
const MAX_DECODINGS: usize = 3;

/// What some programs read as a slash: slash, backslash, and similar Unicode characters.
const SLASHES: [char; 10] = [
    '/', '\\', '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f5}', '\u{29f8}', '\u{fe68}', '\u{ff0f}',
    '\u{ff3c}',
];

#[cfg(test)]
mod tests;
