//! The rules for the URLs and paths of a configuration.

use std::net::IpAddr;

use url::{Host, Url};

/// Why a value is refused: the mistake as a relative clause, and what to write.
pub(super) type UrlMistake = (&'static str, &'static str);

/// Says whether `host` names this machine: `localhost`, a name under it, or a loopback address.
///
/// This is the project's one rule for where plain http is safe. IPv6 addresses may stand in brackets, as in URLs.
///
/// # Examples
///
/// ```
/// use authkit_session::integration::is_loopback_host;
///
/// assert!(is_loopback_host("localhost") && is_loopback_host("127.0.0.1") && is_loopback_host("[::1]"));
/// assert!(!is_loopback_host("localhost.example.com") && !is_loopback_host("0.0.0.0"));
/// ```
pub fn is_loopback_host(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match address.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let name = host.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(is_loopback_host)
}

/// Where WorkOS sends browsers back to.
pub(super) fn redirect_uri(value: &str) -> Result<Url, UrlMistake> {
    let url = web_url(value, "write the whole URL, such as `https://app.example.com/callback`")?;
    if url.path() == "/" {
        return Err((
            "has no path of its own, where the callback could be",
            "write the path too, such as `https://app.example.com/callback`",
        ));
    }
    if has_pattern(url.path()) {
        return Err((
            "has a placeholder in its path",
            "write the path that browsers come back to, without `:`",
        ));
    }
    Ok(url)
}

/// A base that the API key may be sent to.
pub(super) fn api_base(value: &str) -> Result<Url, UrlMistake> {
    let url = web_url(value, "write the whole URL, such as `https://api.workos.com`")?;
    if url.scheme() == "http" && !is_loopback(&url) {
        return Err((
            "would send the API key unencrypted",
            "write an `https://` URL, or an `http://` URL of a loopback address",
        ));
    }
    if url.query().is_some() {
        return Err(("has a query", "write it without the query"));
    }
    let mut segments: Vec<_> = url.path_segments().into_iter().flatten().collect();
    // A trailing `/` changes nothing.
    segments.pop_if(|last| last.is_empty());
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err(("has an empty part in its path", "write one `/` where there are two"));
    }
    if segments.iter().any(|segment| matches!(*segment, "user_management" | "sso")) {
        return Err((
            "has the path of a call in it",
            "write what comes before `/user_management`, such as `https://api.workos.com`",
        ));
    }
    Ok(url)
}

/// The rules of every URL, which browsers and WorkOS read as it is written.
fn web_url(value: &str, whole: &'static str) -> Result<Url, UrlMistake> {
    let scheme = value.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    if !matches!(scheme.as_deref(), Some("http" | "https")) {
        return Err(("does not start with `http://` or `https://`", whole));
    }
    // The parser would encode some of these characters and misread others.
    if value.contains(['*', '{', '}', '<', '>', '\\', '^', '|', '$']) {
        return Err((
            "has a placeholder or wildcard in it",
            "write the URL of this very service, without `*`, `{}`, `<>` or `$`",
        ));
    }
    let url = Url::parse(value).map_err(|_| ("is no valid URL", whole))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err((
            "has a user or password in it",
            "write it without what stands before the `@`",
        ));
    }
    if url.fragment().is_some() {
        return Err(("has a fragment", "write it without the `#` and what follows it"));
    }
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
            && name.split('.').all(|label| !label.is_empty())
    };
    match url.host() {
        Some(Host::Domain(name)) if !is_name(name) => {
            Err(("has a host that is no host name", "write the host as browsers know it"))
        }
        Some(Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_)) => Ok(url),
        None => Err(("has no host", "write the host too")),
    }
}

/// Where browsers may be sent after signing out: a path of ours, or any web page.
pub(super) fn is_target(value: &str) -> bool {
    is_path(value.split(['?', '#']).next().unwrap_or_default())
        || Url::parse(value).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

pub(super) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\{}".contains(&byte))
}

/// Whether routers take a part of the path for any text, as `:id` and `*rest`.
pub(crate) fn has_pattern(path: &str) -> bool {
    path.split('/').any(|segment| segment.starts_with([':', '*']))
}

/// Whether `domain` is the host of `uri` or above it, but not a bare top-level domain (RFC 6265bis section 5.1.3).
pub(super) fn is_under(uri: &Url, domain: &str) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let Some(Host::Domain(host)) = uri.host() else { return false };
    domain.contains('.') && (host == domain || host.ends_with(&format!(".{domain}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_this_machine_and_nothing_that_looks_like_it() {
        let cases = [
            ("localhost", true),
            ("LOCALHOST", true),
            ("app.localhost", true),
            ("127.0.0.1", true),
            ("127.1.2.3", true),
            ("::1", true),
            ("[::1]", true),
            ("[::ffff:127.0.0.1]", true),
            ("", false),
            ("0.0.0.0", false),
            ("[::]", false),
            ("10.0.0.1", false),
            ("128.0.0.1", false),
            ("[::2]", false),
            ("localhost.", false),
            ("localhost.example.com", false),
            ("notlocalhost", false),
            ("127.0.0.1.example.com", false),
            ("[localhost]", false),
        ];
        for (host, expected) in cases {
            assert_eq!(is_loopback_host(host), expected, "{host}");
        }
    }
}
