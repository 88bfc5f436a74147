//! The URI of a request, and where a browser may be sent back to.

use std::borrow::Cow;

use http::{Extensions, HeaderMap, Method, Uri, header::REFERER};
use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use crate::{
    OriginalUri,
    client_kind::{ClientKind, text},
    site::Site,
};

/// The URI that the client requested, even if axum's `nest` has shortened it.
pub(crate) fn original<'a>(uri: &'a Uri, extensions: &'a Extensions) -> &'a Uri {
    extensions.get::<OriginalUri>().map_or(uri, |original| &original.0)
}

/// Where a browser may be sent back to: a path and query of our own origin, as the browser sees it, and never one of our
/// endpoints; or a page of another origin that the configuration lists.
///
/// Always ASCII and normalised: browsers read it as it is written, however often it was decoded on the way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ReturnTarget(String);

impl ReturnTarget {
    /// The longest return target, in bytes: a flow cookie has to hold it.
    pub(crate) const MAX_LEN: usize = 2048;

    pub(crate) fn root(site: &Site) -> Self {
        Self(site.root().to_owned())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Checks a path and query, or a URL of a listed origin, that a client sent. `None` unless it is harmless.
    pub(crate) fn parse(input: &str, site: &Site) -> Option<Self> {
        if input.len() > Self::MAX_LEN {
            return None;
        }
        if input.starts_with('/') {
            return Self::own(input, site);
        }
        site.return_origins().iter().find_map(|origin| {
            match input.strip_prefix(origin.as_str())? {
                "" => Some(Self(format!("{origin}/"))),
                path => {
                    let path = normalised(path, origin, |_| true)?;
                    Self::short(format!("{origin}{path}"))
                }
            }
        })
    }

    /// Checks a path and query of our own origin.
    fn own(input: &str, site: &Site) -> Option<Self> {
        let is_no_endpoint = |path: &str| {
            let place = path.split(['?', '#']).next().unwrap_or_default();
            site.endpoint(place.trim_end_matches(['/', ' '])).is_none()
        };
        let path = normalised(input, site.origin(), is_no_endpoint)?;
        // Paths outside the base path are not ours.
        path.strip_prefix(site.base())?.starts_with('/').then_some(())?;
        Self::short(path)
    }

    fn short(target: String) -> Option<Self> {
        (target.len() <= Self::MAX_LEN).then_some(Self(target))
    }

    /// The same target with this fragment, which browsers do not send; unchanged if it would be too long.
    pub(crate) fn with_fragment(self, fragment: &str, site: &Site) -> Self {
        let page = self.0.split_once('#').map_or(self.0.as_str(), |(page, _)| page);
        Self::parse(&format!("{page}#{fragment}"), site).unwrap_or(self)
    }

    /// Checks `return_to` of a query.
    pub(crate) fn of_query(query: &str, site: &Site) -> Option<Self> {
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        parameters
            .find(|(name, _)| name == "return_to")
            .and_then(|(_, target)| Self::parse(&target, site))
    }

    /// Checks an absolute URL, such as a `Referer`. `None` if its origin is another one.
    fn of_url(url: &str, site: &Site) -> Option<Self> {
        if url.len() > Self::MAX_LEN {
            return None;
        }
        match url.strip_prefix(site.origin())? {
            "" => Some(Self::root(site)),
            path => Self::own(path, site),
        }
    }

    /// Where to send the client of a request after it has signed in: to the root if the request names no harmless path.
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
            uri.path_and_query()
                .and_then(|path| Self::parse(&site.browser_path(path.as_str()), site))
        } else {
            text(headers, REFERER.as_str()).and_then(|url| Self::of_url(url, site))
        };
        path.unwrap_or_else(|| Self::root(site))
    }
}

/// A path, query and fragment of `origin`, encoded as browsers encode it; `None` unless every program reads it as the same one and
/// `is_allowed` accepts each way to read it.
fn normalised(input: &str, origin: &str, is_allowed: impl Fn(&str) -> bool) -> Option<String> {
    if !input.starts_with('/') {
        return None;
    }
    let (input, fragment) = input.split_once('#').unwrap_or((input, ""));
    let (path, query) = match input.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (input, None),
    };
    let has_control = |text: &str| text.chars().any(char::is_control);
    if !is_harmless(path, is_allowed) || query.is_some_and(has_control) || has_control(fragment) {
        return None;
    }
    let mut encoded = encode(path);
    if let Some(query) = query {
        encoded.push('?');
        encoded.push_str(&encode(query));
    }
    if !fragment.is_empty() {
        encoded.push('#');
        encoded.push_str(&encode(fragment));
    }
    // Browsers parse URLs by the URL standard. That parser too must find the path on the origin, and normalises it.
    let url = Url::parse(origin).ok()?.join(&encoded).ok()?;
    let stays = url.as_str().strip_prefix(origin) == Some(encoded.as_str());
    stays.then_some(encoded)
}

/// Whether every program reads `path` as the same path of its origin, however often it decodes it: no second slash or
/// backslash at the start, no dot segments, no control characters. Paths of our endpoints are not allowed, as they would
/// loop.
fn is_harmless(path: &str, is_allowed: impl Fn(&str) -> bool) -> bool {
    let mut seen = path.to_owned();
    for _ in 0..=MAX_DECODINGS {
        let starts_like_a_host =
            seen.chars().nth(1).is_some_and(|second| SLASHES.contains(&second));
        // Browsers read a backslash as a slash, and drop spaces at the end.
        let read = seen.trim_end_matches(' ').replace('\\', "/");
        let has_dots = read.split(['/', '?', '#']).any(|segment| matches!(segment, "." | ".."));
        if starts_like_a_host
            || has_dots
            || !is_allowed(&read)
            || seen.chars().any(char::is_control)
        {
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

/// Decodes `%XX` once. Bytes that are not UTF-8 become U+FFFD, which no check accepts as another character.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

/// Percent-encodes what browsers encode, and a few more characters. Encoded characters stay as they are.
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

/// The characters that some programs read as a slash: slash, backslash, and similar Unicode characters.
const SLASHES: [char; 10] = [
    '/', '\\', '\u{2044}', '\u{2215}', '\u{2216}', '\u{29f5}', '\u{29f8}', '\u{fe68}', '\u{ff0f}',
    '\u{ff3c}',
];

#[cfg(test)]
mod tests;
