//! The origins under which browsers know a service, and the path that a proxy strips.
//!
//! 1. A request's own authority (`Host`, or `:authority`) chooses among the listed origins. An authority that is not
//!    listed is never used: the redirect URI's origin takes its place.
//! 2. The spelling of an origin comes from the configuration. For a wildcard, only the label comes from the request,
//!    and it may contain only letters, digits and hyphens.
//! 3. All origins have one scheme, so that cookies of each have the same attributes.

use std::{borrow::Cow, sync::Arc};

use url::{Position, Url};

use crate::config::Config;

/// One origin under which browsers reach the service, and the callback URL there.
///
/// It never contains text of a request, except the one label of a wildcard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PublicOrigin {
    origin: Box<str>,
    redirect_uri: Box<str>,
}

impl PublicOrigin {
    /// The origin of the redirect URI.
    fn of(redirect_uri: &Url) -> Self {
        Self {
            origin: redirect_uri.origin().ascii_serialization().into(),
            redirect_uri: redirect_uri.as_str().into(),
        }
    }

    /// A listed origin, whose callback has the path (and query) of the redirect URI.
    fn listed(origin: &str, redirect_uri: &Url) -> Self {
        let after = &redirect_uri[Position::BeforePath..];
        Self { origin: origin.into(), redirect_uri: format!("{origin}{after}").into() }
    }

    /// Scheme, host and port, as browsers spell them: `https://app.example.com`.
    pub fn as_str(&self) -> &str {
        &self.origin
    }

    /// The callback's URL, which has to be registered at WorkOS.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }
}

/// The origins of a service: that of the redirect URI, and those of
/// [`Config::with_origins`](crate::Config::with_origins).
#[derive(Debug)]
pub struct PublicOrigins {
    default: Arc<PublicOrigin>,
    /// All origins, if there is more than the default; those with a wildcard last.
    listed: Vec<ListedOrigin>,
    given: Box<[String]>,
    redirect_uri: Url,
}

impl PublicOrigins {
    pub(super) fn new(redirect_uri: &Url, config: &Config) -> Self {
        let default = Arc::new(PublicOrigin::of(redirect_uri));
        let mut listed = Vec::new();
        if !config.origins.is_empty() {
            listed.extend(ListedOrigin::parse(default.as_str(), redirect_uri));
            listed.extend(
                config.origins.iter().filter_map(|it| ListedOrigin::parse(it, redirect_uri)),
            );
            // An exact match takes precedence over a wildcard.
            listed.sort_by_key(|listed| matches!(listed, ListedOrigin::Wildcard { .. }));
        }
        let given = config.origins.clone().into();
        Self { default, listed, given, redirect_uri: redirect_uri.clone() }
    }

    /// The redirect URI's origin.
    pub fn default_origin(&self) -> &Arc<PublicOrigin> {
        &self.default
    }

    /// The origins of [`Config::with_origins`](crate::Config::with_origins) as they were given, including wildcards.
    pub fn listed(&self) -> impl Iterator<Item = &str> {
        self.given.iter().map(String::as_str)
    }

    /// Whether the redirect URI's origin is the only one, so that requests choose nothing.
    pub fn is_single(&self) -> bool {
        self.listed.is_empty()
    }

    /// The listed origin of `authority`, a host with or without a port as in a `Host` field; the redirect URI's origin
    /// if `authority` is not listed. Allocates only for a wildcard.
    pub fn choose(&self, authority: &str) -> Cow<'_, Arc<PublicOrigin>> {
        let default = Cow::Borrowed(&self.default);
        if self.listed.is_empty() {
            return default;
        }
        let Some(authority) = Authority::parse(authority) else { return default };
        let mut chosen = self.listed.iter().filter_map(|listed| match listed {
            ListedOrigin::Exact { address, origin } => {
                authority.is_of(address, authority.host).then_some(Cow::Borrowed(origin))
            }
            ListedOrigin::Wildcard { parent } => {
                let (label, host) = authority.host.split_once('.')?;
                (is_label(label) && authority.is_of(parent, host)).then(|| {
                    let origin = parent.with_label(label);
                    Cow::Owned(Arc::new(PublicOrigin::listed(&origin, &self.redirect_uri)))
                })
            }
        });
        chosen.next().unwrap_or(default)
    }
}

#[derive(Debug)]
enum ListedOrigin {
    Exact {
        address: Address,
        origin: Arc<PublicOrigin>,
    },
    /// Any one label, followed by `parent`.
    Wildcard {
        parent: Address,
    },
}

impl ListedOrigin {
    /// Parses a value that was checked before.
    fn parse(value: &str, redirect_uri: &Url) -> Option<Self> {
        match parent(value) {
            Some(parent) => Some(Self::Wildcard { parent: Address::parse(&parent)? }),
            None => Some(Self::Exact {
                address: Address::parse(value)?,
                origin: Arc::new(PublicOrigin::listed(value, redirect_uri)),
            }),
        }
    }
}

/// Where a listed origin is.
#[derive(Debug)]
struct Address {
    scheme: Box<str>,
    host: Box<str>,
    /// `None`: the scheme's default port.
    port: Option<u16>,
    effective_port: u16,
}

impl Address {
    fn parse(origin: &str) -> Option<Self> {
        let url = Url::parse(origin).ok()?;
        Some(Self {
            scheme: url.scheme().into(),
            host: url.host_str()?.into(),
            port: url.port(),
            effective_port: url.port_or_known_default()?,
        })
    }

    fn with_label(&self, label: &str) -> String {
        let Self { scheme, host, .. } = self;
        let port = self.port.map_or_else(String::new, |port| format!(":{port}"));
        format!("{scheme}://{}.{host}{port}", label.to_ascii_lowercase())
    }
}

/// The authority of a request: a host, and a port if it is not the scheme's own.
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// `None` for an authority that no browser sends, such as one with a user name.
    fn parse(authority: &'a str) -> Option<Self> {
        let end = match authority.strip_prefix('[') {
            Some(rest) => rest.find(']')? + 2,
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, rest) = authority.split_at(end);
        let port = match rest.strip_prefix(':') {
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            None if rest.is_empty() => None,
            Some(_) | None => return None,
        };
        Some(Self { host, port })
    }

    /// Whether `host`, which is all or part of this authority's host, and the port are those of `address`.
    fn is_of(&self, address: &Address, host: &str) -> bool {
        let is_port =
            self.port.map_or(address.port.is_none(), |port| port == address.effective_port);
        is_port && host.eq_ignore_ascii_case(&address.host)
    }
}

/// Whether the text is one label of a host name (RFC 1123 section 2.1).
fn is_label(label: &str) -> bool {
    let is_inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(is_inside)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The origin without its wildcard label and the dot after it; `None` for an origin without a wildcard.
pub(super) fn parent(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once("://")?;
    rest.strip_prefix("*.").map(|parent| format!("{scheme}://{parent}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie_password::CookiePassword;

    fn config(redirect_uri: &str, origins: &[&str]) -> Config {
        let password = CookiePassword::new("v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=").unwrap();
        Config::new("client_1", "sk_test_1", redirect_uri, password).with_origins(origins.to_vec())
    }

    fn origins(redirect_uri: &str, listed: &[&str]) -> PublicOrigins {
        let (config, url) = (config(redirect_uri, listed), Url::parse(redirect_uri).unwrap());
        PublicOrigins::new(&url, &config)
    }

    #[test]
    fn a_listed_host_chooses_its_origin_and_every_other_text_the_redirect_uris() {
        let listed = ["https://other.example.com", "https://*.preview.example.com:8443"];
        let origins = origins("https://app.example.com/auth/callback?x=1", &listed);
        let (app, other) = ("https://app.example.com", "https://other.example.com");
        let preview = "https://pr-7.preview.example.com:8443";
        let cases = [
            ("app.example.com", app),
            ("other.example.com", other),
            ("OTHER.example.COM", other),
            ("other.example.com:443", other),
            ("pr-7.preview.example.com:8443", preview),
            ("PR-7.preview.example.com:8443", preview),
            // A wildcard is one label of letters, digits and hyphens.
            ("preview.example.com:8443", app),
            (".preview.example.com:8443", app),
            ("a.pr-7.preview.example.com:8443", app),
            ("-7.preview.example.com:8443", app),
            ("pr_7.preview.example.com:8443", app),
            ("pr%2f.preview.example.com:8443", app),
            ("p\u{e9}.preview.example.com:8443", app),
            ("*.preview.example.com:8443", app),
            // Another port is another origin.
            ("pr-7.preview.example.com", app),
            ("pr-7.preview.example.com:443", app),
            ("other.example.com:80", app),
            ("other.example.com:", app),
            ("other.example.com:+443", app),
            ("other.example.com:0443x", app),
            ("other.example.com:99999999", app),
            ("other.example.com.", app),
            ("other.example.com/", app),
            ("other.example.com\\", app),
            ("user@other.example.com", app),
            ("evil.example@other.example.com", app),
            ("other.example.com@evil.example", app),
            ("other.example.com,evil.example", app),
            ("other.example.com evil.example", app),
            ("xother.example.com", app),
            ("other.example.com.evil.example", app),
            ("https://other.example.com", app),
            ("evil.example", app),
            ("[::1]", app),
            ("[", app),
            ("[]", app),
            ("", app),
        ];
        for (authority, expected) in cases {
            let chosen = origins.choose(authority);
            assert_eq!(chosen.as_str(), expected, "{authority:?}");
            let redirect_uri = format!("{expected}/auth/callback?x=1");
            assert_eq!(chosen.redirect_uri(), redirect_uri, "{authority:?}");
        }
        assert!(!origins.is_single());
        assert_eq!(origins.listed().collect::<Vec<_>>(), listed, "as they were given");
    }

    #[test]
    fn a_long_label_and_an_address_with_a_port_are_told_apart() {
        let origins = origins(
            "http://localhost:3000/callback",
            &["http://[::1]:3000", "http://*.localhost:3000"],
        );
        let label = "a".repeat(63);
        let cases = [
            ("[::1]:3000".to_owned(), "http://[::1]:3000".to_owned()),
            ("[::1]".to_owned(), "http://localhost:3000".to_owned()),
            (format!("{label}.localhost:3000"), format!("http://{label}.localhost:3000")),
            (format!("a{label}.localhost:3000"), "http://localhost:3000".to_owned()),
        ];
        for (authority, expected) in cases {
            assert_eq!(origins.choose(&authority).as_str(), expected, "{authority}");
        }
    }
}
