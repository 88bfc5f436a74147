use url::Url;

use crate::{
    config::{
        setting::Setting,
        urls::{has_pattern, is_loopback},
    },
    config_error::{ConfigError, ConfigProblem},
    connect::{domain, introspection::Introspection},
    token::claims::Audience,
};

/// Machines whose tokens are accepted: applications of an AuthKit domain that act for themselves (M2M).
///
/// Converts from the domain, so that a layer takes a text in its place.
///
/// # Examples
///
/// ```
/// use authkit_session::Machines;
///
/// let machines: Machines = "https://example.authkit.app".into();
/// # let _ = machines;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Machines {
    pub(crate) domain: String,
    pub(crate) introspection: Option<Introspection>,
}

impl Machines {
    /// Machines of this AuthKit domain (`https://….authkit.app`, or a domain of your own).
    pub fn new(domain: impl Into<String>) -> Self {
        Self { domain: domain.into(), introspection: None }
    }

    /// Asks the domain whether each token is still active (default: a token counts until it expires).
    ///
    /// Answers are remembered; see [`Config::with_credential_memory`](crate::Config::with_credential_memory). The example is at
    /// [`Introspection`].
    ///
    /// **Warning:** while the domain cannot be asked, tokens whose answer is not remembered get 503.
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }
}

impl From<&str> for Machines {
    fn from(domain: &str) -> Self {
        Self::new(domain)
    }
}

impl From<String> for Machines {
    fn from(domain: String) -> Self {
        Self::new(domain)
    }
}

/// A protected resource (RFC 9728), such as an MCP server: OAuth applications call it for users, with access tokens of
/// an AuthKit domain.
///
/// # Examples
///
/// ```
/// use authkit_session::ProtectedResource;
///
/// let resource = ProtectedResource::new("https://example.authkit.app", "https://mcp.example.com/mcp")
///     .with_required_scopes(["openid"])
///     .with_scopes(["notes:write"]);
/// assert_eq!(resource.url(), "https://mcp.example.com/mcp");
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ProtectedResource {
    domain: String,
    url: String,
    name: Option<String>,
    required_scopes: Vec<String>,
    scopes: Vec<String>,
    pub(crate) introspection: Option<Introspection>,
    client_id_audience: ClientIdAudience,
}

/// Whether tokens are accepted whose audience is the environment and not the resource.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ClientIdAudience {
    Refused,
    Accepted,
}

impl ProtectedResource {
    /// The resource at `url`, as its clients write the URL, with tokens of this AuthKit domain.
    ///
    /// `url` is also the audience of every token: register it in the WorkOS dashboard as a resource indicator (Connect,
    /// Configuration).
    pub fn new(domain: impl Into<String>, url: impl Into<String>) -> Self {
        Self {
            domain: domain.into(),
            url: url.into(),
            name: None,
            required_scopes: Vec::new(),
            scopes: Vec::new(),
            introspection: None,
            client_id_audience: ClientIdAudience::Refused,
        }
    }

    /// Names the resource for people (default: unnamed), as the metadata's `resource_name`.
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Requires these scopes of every token (default: none). A token without one of them gets 403,
    /// `insufficient_scope`.
    pub fn with_required_scopes(
        mut self,
        scopes: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.required_scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Names further scopes in the metadata (default: none), which single routes or tools require.
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Asks the domain whether each token is still active (default: a token counts until it expires).
    ///
    /// WorkOS's tokens for OAuth applications may be valid for days; only introspection shows that a user has revoked
    /// one.
    ///
    /// **Warning:** while the domain cannot be asked, tokens whose answer is not remembered get 503.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{Introspection, ProtectedResource};
    ///
    /// let resource = ProtectedResource::new("https://example.authkit.app", "https://mcp.example.com/mcp")
    ///     .with_introspection(Introspection::new("client_01", "a client secret"));
    /// # assert!(!format!("{resource:?}").contains("secret\""));
    /// ```
    pub fn with_introspection(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Also accepts tokens whose audience is the client id of the WorkOS environment (default: only those for this
    /// resource).
    ///
    /// WorkOS issues such tokens if no resource indicator is configured, and to clients that name no resource (RFC
    /// 8707).
    ///
    /// **Warning:** they are valid at every resource of the environment: a server that receives one can use it here.
    /// Configure a default resource indicator instead. A warning is logged at the start.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::ProtectedResource;
    ///
    /// let resource = ProtectedResource::new("https://example.authkit.app", "https://mcp.example.com/mcp")
    ///     .with_insecure_client_id_audience();
    /// # let _ = resource;
    /// ```
    pub fn with_insecure_client_id_audience(mut self) -> Self {
        self.client_id_audience = ClientIdAudience::Accepted;
        self
    }

    /// The URL of the resource.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The AuthKit domain, as it was given.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The name that people see.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The scopes that every token needs.
    pub fn required_scopes(&self) -> &[String] {
        &self.required_scopes
    }

    /// Every scope that the metadata names: the required ones first.
    pub fn all_scopes(&self) -> impl Iterator<Item = &str> {
        let more = self.scopes.iter().filter(|scope| !self.required_scopes.contains(scope));
        self.required_scopes.iter().chain(more).map(String::as_str)
    }

    /// The issuer of its tokens, which is also the authorization server that clients are sent to.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the domain is not valid.
    pub fn issuer(&self) -> Result<String, ConfigError> {
        Ok(domain::issuer_of(&self.domain)?)
    }

    /// Checks the URL and the scopes.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems of the URL and the scopes.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.checked_url().map(drop)
    }

    /// The audiences that its tokens may name.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with all problems of the URL and the scopes.
    pub(crate) fn audiences(&self, client_id: &str) -> Result<ResourceAudiences, ConfigError> {
        let resource = normal(&self.checked_url()?);
        let client_id = match self.client_id_audience {
            ClientIdAudience::Refused => None,
            ClientIdAudience::Accepted => {
                tracing::warn!(
                    resource = self.url,
                    "tokens for every resource of the WorkOS environment are accepted here: configure a default resource \
                     indicator in the WorkOS dashboard, and leave `with_insecure_client_id_audience` out"
                );
                Some(client_id.into())
            }
        };
        Ok(ResourceAudiences { resource: resource.into(), client_id })
    }

    fn checked_url(&self) -> Result<Url, ConfigError> {
        let problem =
            |found, wants| ConfigProblem::invalid(Setting::ProtectedResource, found, wants);
        let mut problems = Vec::new();
        let url = Url::parse(&self.url).ok().filter(|url| url.host_str().is_some());
        match &url {
            None => problems.push(problem(
                "is no URL",
                "write the URL that clients connect to, such as `https://mcp.example.com/mcp`",
            )),
            Some(url)
                if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(url)) =>
            {
                problems.push(problem(
                    "is not an `https://` URL",
                    "write the URL that clients connect to",
                ));
            }
            Some(url) if url.fragment().is_some() || url.query().is_some() => {
                problems.push(problem(
                    "has a query or a fragment, which RFC 8707 does not allow",
                    "write it without what follows the `?` or the `#`",
                ))
            }
            Some(url) if has_pattern(url.path()) => problems.push(problem(
                "has a placeholder in its path",
                "write the path that clients connect to, without `:`",
            )),
            Some(_) => {}
        }
        let is_scope = |scope: &String| {
            !scope.is_empty()
                && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
        };
        if !self.required_scopes.iter().chain(&self.scopes).all(is_scope) {
            problems.push(problem(
                "has a scope that is no scope token (RFC 6749 section 3.3)",
                "write scopes without spaces and quotes, one an entry",
            ));
        }
        let missing =
            || ConfigError::from(problem("is no URL", "write the URL that clients connect to"));
        ConfigError::check(problems)?;
        url.ok_or_else(missing)
    }
}

/// The audiences that tokens for a resource may name.
#[derive(Debug)]
pub(crate) struct ResourceAudiences {
    resource: Box<str>,
    client_id: Option<Box<str>>,
}

impl ResourceAudiences {
    /// The only audience of a machine's tokens: the client id of the environment.
    pub(crate) fn only(client_id: &str) -> Self {
        Self { resource: Box::default(), client_id: Some(client_id.into()) }
    }

    pub(crate) fn accept(&self, audience: &Audience<'_>) -> bool {
        let is_client_id = |one: &str| self.client_id.as_deref() == Some(one);
        let is_resource = |one: &str| {
            !self.resource.is_empty()
                && (one.strip_suffix('/').unwrap_or(one) == &*self.resource
                    || Url::parse(one).is_ok_and(|url| normal(&url) == *self.resource))
        };
        audience.any(|one| is_client_id(one) || is_resource(one))
    }
}

/// A URL for comparison: without one slash at the end.
fn normal(url: &Url) -> String {
    let text = url.as_str();
    text.strip_suffix('/').unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn audiences(url: &str) -> Result<ResourceAudiences, ConfigError> {
        ProtectedResource::new("example.authkit.app", url).audiences("client_1")
    }

    #[test]
    fn an_audience_is_compared_as_a_url_with_one_slash_at_the_end_aside() {
        let cases = [
            ("https://mcp.example.com/mcp", true),
            ("https://mcp.example.com/mcp/", true),
            ("https://MCP.example.com:443/mcp", true),
            ("https://mcp.example.com/mcp//", false),
            ("https://mcp.example.com/MCP", false),
            ("https://mcp.example.com/", false),
            ("https://mcp.example.com/mcp/x", false),
            ("https://mcp.example.com/mcp?x", false),
            ("http://mcp.example.com/mcp", false),
            ("https://mcp.example.com.evil.test/mcp", false),
            ("mcp", false),
            ("", false),
            ("client_1", false),
        ];
        for configured in ["https://mcp.example.com/mcp", "https://mcp.example.com/mcp/"] {
            let accepted = audiences(configured).unwrap();
            for (audience, expected) in cases {
                let one = Audience::One(audience.into());
                assert_eq!(accepted.accept(&one), expected, "{audience}");
                let many = Audience::Many(vec!["https://x.test".to_owned(), audience.to_owned()]);
                assert_eq!(accepted.accept(&many), expected, "{audience} among others");
            }
        }
        let accept = |resource: ProtectedResource, audience: &str| {
            resource
                .audiences("client_1")
                .unwrap()
                .accept(&Audience::One(audience.to_owned().into()))
        };
        let resource = ProtectedResource::new("example.authkit.app", "https://mcp.example.com");
        assert!(accept(resource.clone(), "https://mcp.example.com"));
        assert!(!accept(resource.clone(), "client_1"));
        let resource = resource.with_insecure_client_id_audience();
        assert!(accept(resource.clone(), "client_1"));
        assert!(!accept(resource, "client_2"));
        let machine = ResourceAudiences::only("client_1");
        for (audience, expected) in [("client_1", true), ("client_2", false), ("", false)] {
            assert_eq!(machine.accept(&Audience::One(audience.into())), expected, "{audience}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_resource_is_said() {
        for url in [
            "mcp",
            "http://mcp.example.com/mcp",
            "https://mcp.example.com/#a",
            "https://x.test/?a",
            "https://x.test/:tenant/mcp",
            "https://x.test/*mcp",
            "https://x.test/a:b/*",
        ] {
            assert!(audiences(url).is_err(), "{url}");
        }
        assert!(audiences("http://localhost:3000/mcp").is_ok());
        assert!(audiences("https://x.test/a:b/c*").is_ok());
        for scope in ["two words", "", "quote\"", "back\\slash", "ключ"] {
            let resource = ProtectedResource::new("example.authkit.app", "https://x.test");
            assert!(
                resource.clone().with_scopes([scope]).audiences("client_1").is_err(),
                "{scope}"
            );
            assert!(
                resource.with_required_scopes([scope]).audiences("client_1").is_err(),
                "{scope}"
            );
        }
    }
}
