//! The addresses that a browser may be redirected to.

use url::{Host, Url};

use crate::config::Config;

/// Whether a sign-in may redirect to `uri`: any absolute http(s) address, unless the seed lists `redirect_uris`.
pub(crate) fn may_redirect_to(uri: &str, config: &Config) -> bool {
    let Some(url) = parse(uri) else { return false };
    config.redirect_uris.is_empty() || config.redirect_uris.iter().any(|known| same(known, &url))
}

/// Whether a sign-out may redirect to `uri`: any address of this machine, unless the seed lists `logout_uris`.
pub(crate) fn may_return_to(uri: &str, config: &Config) -> bool {
    let Some(url) = parse(uri) else { return false };
    if config.logout_uris.is_empty() {
        is_loopback(&url)
    } else {
        config.logout_uris.iter().any(|known| same(known, &url))
    }
}

/// Adds parameters to an address, and keeps its query.
pub(crate) fn with_query(uri: &str, parameters: &[(&str, &str)]) -> String {
    match Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().extend_pairs(parameters);
            url.into()
        }
        Err(_) => uri.to_owned(),
    }
}

/// Whether a name or address means this machine.
pub(crate) fn is_loopback_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| is_loopback_host(&host))
}

fn parse(uri: &str) -> Option<Url> {
    // The address becomes a header value. One that the parser would strip or encode is not what was registered.
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic());
    Url::parse(uri)
        .ok()
        .filter(|url| plain && matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn same(known: &str, url: &Url) -> bool {
    Url::parse(known).is_ok_and(|known| known == *url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_absolute_http_addresses_parse() {
        let cases = [
            ("http", "http://localhost:3000/callback", true),
            ("https", "https://app.example.com/callback?x=1", true),
            ("relative", "/callback", false),
            ("scheme-relative", "//evil.test/", false),
            ("script", "javascript:alert(1)", false),
            ("data", "data:text/html,x", false),
            ("no host", "http://", false),
            ("line break", "http://localhost/\r\nx: y", false),
            ("tab", "http://local\thost/", false),
            ("empty", "", false),
        ];
        for (name, uri, expected) in cases {
            assert_eq!(parse(uri).is_some(), expected, "{name}");
        }
    }

    #[test]
    fn this_machine_has_several_names() {
        for (uri, expected) in [
            ("http://localhost:3000/", true),
            ("http://app.localhost/", true),
            ("http://127.0.0.1/", true),
            ("http://127.9.9.9/", true),
            ("http://[::1]:8080/", true),
            ("http://localhost.evil.test/", false),
            ("http://evil.test/?localhost", false),
            ("http://localhost@evil.test/", false),
            ("http://10.0.0.1/", false),
        ] {
            assert_eq!(is_loopback(&parse(uri).unwrap()), expected, "{uri}");
        }
    }

    #[test]
    fn parameters_are_encoded_and_an_existing_query_is_kept() {
        let uri = with_query("http://localhost/cb?a=1", &[("code", "x y"), ("state", "ü&=")]);
        assert_eq!(uri, "http://localhost/cb?a=1&code=x+y&state=%C3%BC%26%3D");
    }
}
