//! What a URL or a path of the configuration has to be.

use std::net::IpAddr;

use url::{Host, Url};

pub(crate) fn is_web(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
}

/// `url`, normalised, if it is https or a loopback address; `None` otherwise. Browsers and API keys may be sent there.
pub fn secure_url(url: &str) -> Option<String> {
    api_base(url).map(String::from)
}

/// A base that the API key may be sent to.
pub(crate) fn api_base(url: &str) -> Option<Url> {
    let url = Url::parse(url).ok()?;
    let loopback = match url.host()? {
        Host::Domain(domain) => domain == "localhost" || domain.ends_with(".localhost"),
        Host::Ipv4(ip) => IpAddr::V4(ip).is_loopback(),
        Host::Ipv6(ip) => IpAddr::V6(ip).is_loopback(),
    };
    (url.scheme() == "https" || (url.scheme() == "http" && loopback)).then_some(url)
}

pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\\{}".contains(&byte))
}

/// RFC 6265bis section 5.1.3: the host itself or a domain above it, but no bare top-level domain.
pub(crate) fn is_under(uri: &Url, domain: &str) -> bool {
    let domain = domain.trim_start_matches('.').to_ascii_lowercase();
    let Some(Host::Domain(host)) = uri.host() else { return false };
    domain.contains('.') && (host == domain || host.ends_with(&format!(".{domain}")))
}
