use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use url::Url;

use crate::{
    candidate::jwks::Jwks,
    clock::Clock,
    config::{setting::Setting, urls::is_loopback},
    config_error::ConfigProblem,
    upstream::client::Client,
};

/// An AuthKit domain: an issuer, and the keys that it publishes. Clones share the keys.
#[derive(Clone, Debug)]
pub(crate) struct ConnectDomain {
    /// As tokens write it: scheme and host, without a slash at the end.
    issuer: Box<str>,
    keys: Jwks,
}

impl ConnectDomain {
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn keys(&self) -> &Jwks {
        &self.keys
    }

    /// Where its tokens are introspected.
    pub(crate) fn introspection_url(&self) -> String {
        format!("{}/oauth2/introspection", self.issuer)
    }
}

/// The domains of all layers; each domain has one set of keys.
pub(crate) struct ConnectDomains {
    client: Client,
    clock: Clock,
    stale_keys: Duration,
    known: Mutex<Vec<ConnectDomain>>,
}

impl ConnectDomains {
    pub(crate) fn new(client: Client, clock: Clock, stale_keys: Duration) -> Self {
        Self { client, clock, stale_keys, known: Mutex::default() }
    }

    /// The domain of an [issuer](issuer_of).
    pub(crate) fn of_issuer(&self, issuer: &str) -> ConnectDomain {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(domain) = known.iter().find(|domain| *domain.issuer == *issuer) {
            return domain.clone();
        }
        let url = format!("{issuer}/oauth2/jwks");
        let (client, clock) = (self.client.clone(), self.clock.clone());
        let keys = Jwks::published_at(url, client, clock, self.stale_keys);
        let domain = ConnectDomain { issuer: issuer.into(), keys };
        known.push(domain.clone());
        domain
    }
}

impl fmt::Debug for ConnectDomains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectDomains").finish_non_exhaustive()
    }
}

/// The issuer of an AuthKit domain, written as a host (`auth.example.com`) or as a URL of one.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn issuer_of(domain: &str) -> Result<String, ConfigProblem> {
    let problem = |found| {
        let wants = "write the AuthKit domain of the WorkOS dashboard, such as `https://example.authkit.app`";
        ConfigProblem::invalid(Setting::AuthKitDomain, found, wants)
    };
    let whole =
        if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
    let url = Url::parse(&whole).map_err(|_| problem("is no domain"))?;
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(problem("is not fetched by https, so that its keys could be anybody's"));
    }
    let is_bare = url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match url.host_str() {
        Some(host) if is_bare && !host.is_empty() && !host.contains(['*', '{', '$']) => {
            Ok(url.origin().ascii_serialization())
        }
        Some(_) if !is_bare => Err(problem("has more in it than a host")),
        Some(_) | None => Err(problem("is no domain")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_host_by_https_and_its_issuer_has_no_slash_at_the_end() {
        let good = [
            ("example.authkit.app", "https://example.authkit.app"),
            ("https://example.authkit.app", "https://example.authkit.app"),
            ("https://Example.AuthKit.app/", "https://example.authkit.app"),
            ("auth.example.com:8443", "https://auth.example.com:8443"),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000"),
            ("http://localhost:4000/", "http://localhost:4000"),
        ];
        for (domain, issuer) in good {
            assert_eq!(issuer_of(domain).unwrap(), issuer, "{domain}");
        }
        let bad = [
            "",
            "http://example.authkit.app",
            "ftp://example.authkit.app",
            "https://example.authkit.app/oauth2",
            "https://example.authkit.app/?a",
            "https://user@example.authkit.app",
            "https://*.authkit.app",
            "two words",
        ];
        for domain in bad {
            assert!(issuer_of(domain).is_err(), "{domain}");
        }
    }
}
