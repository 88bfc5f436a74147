use std::{fmt, time::Duration};

use crate::{provider::Provider, site::Site, uri::ReturnTarget};

/// A link to the sign-in endpoint, made by [`AuthKit::sign_in_url`](crate::AuthKit::sign_in_url) or
/// [`AuthKit::sign_up_url`](crate::AuthKit::sign_up_url).
///
/// [`Display`](fmt::Display) writes it: a path of this service, as the browser sees it. In an HTML attribute, `&` must
/// be escaped as `&amp;`, which templates do.
///
/// # Examples
///
/// ```
/// # use authkit_tower::{AuthKit, Config, CookiePassword};
/// use authkit_tower::Provider;
///
/// # let password = CookiePassword::new("0123456789abcdef0123456789abcdef")?;
/// # let authkit = AuthKit::new(Config::new("client_123", "sk_test_123", "https://app.example.com/callback", password))?;
/// let link = authkit.sign_in_url().with_provider(Provider::Google).with_return_to("/reports?page=2");
/// assert_eq!(link.to_string(), "/login?provider=GoogleOAuth&return_to=%2Freports%3Fpage%3D2");
/// assert_eq!(authkit.sign_up_url().to_string(), "/login?screen_hint=sign-up");
/// # Ok::<(), authkit_tower::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct SignInUrl {
    site: Site,
    parameters: Vec<(&'static str, String)>,
}

impl SignInUrl {
    pub(crate) fn sign_in(site: &Site) -> Self {
        Self { site: site.clone(), parameters: Vec::new() }
    }

    pub(crate) fn sign_up(site: &Site) -> Self {
        Self::sign_in(site).with("screen_hint", "sign-up".to_owned())
    }

    /// Ends the sign-in at this path of the service, as the browser sees it, or at this URL of an origin of
    /// [`Config::with_return_origins`](crate::Config::with_return_origins) (default: the first page). Anything else is
    /// ignored.
    pub fn with_return_to(self, target: &str) -> Self {
        match ReturnTarget::parse(target, &self.site) {
            Some(target) => self.with("return_to", target.as_str().to_owned()),
            None => self,
        }
    }

    /// Goes to this provider at once (default: AuthKit's pages).
    pub fn with_provider(self, provider: Provider) -> Self {
        self.with("provider", provider.into())
    }

    /// Goes to this single sign-on connection at once (`conn_...`), whatever provider is named.
    pub fn with_connection_id(self, id: impl Into<String>) -> Self {
        self.with("connection_id", id.into())
    }

    /// Signs in to this organization (`org_...`).
    pub fn with_organization_id(self, id: impl Into<String>) -> Self {
        self.with("organization_id", id.into())
    }

    /// Fills in the user's e-mail address.
    pub fn with_login_hint(self, address: impl Into<String>) -> Self {
        self.with("login_hint", address.into())
    }

    /// Tells Microsoft or Google the domain of the user's account.
    pub fn with_domain_hint(self, domain: impl Into<String>) -> Self {
        self.with("domain_hint", domain.into())
    }

    /// Asks the user to sign in again if the last sign-in is older than this. Counted in whole seconds.
    pub fn with_max_age(self, age: Duration) -> Self {
        self.with("max_age", age.as_secs().to_string())
    }

    /// Adds a parameter that [`Endpoints::with_state`](crate::Endpoints::with_state) or
    /// [`Endpoints::with_authorization`](crate::Endpoints::with_authorization) reads.
    pub fn with_parameter(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(name, value.into())
    }

    fn with(mut self, name: &'static str, value: String) -> Self {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value));
        self
    }
}

impl fmt::Display for SignInUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters: Vec<_> =
            self.parameters.iter().map(|(name, value)| (*name, value.as_str())).collect();
        f.write_str(&self.site.login_url(&parameters))
    }
}

impl fmt::Debug for SignInUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("SignInUrl").field("parameters", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::authkit_of;

    #[test]
    fn a_link_asks_for_what_was_added_and_leads_nowhere_else() {
        let (authkit, _) =
            authkit_of(|config| config.with_return_origins(["https://spa.example.com"]));
        let link = || authkit.sign_in_url();
        let cases = [
            (link(), "/login"),
            (authkit.sign_up_url(), "/login?screen_hint=sign-up"),
            (link().with_return_to("/a?b=c&d#e"), "/login?return_to=%2Fa%3Fb%3Dc%26d%23e"),
            (
                link().with_return_to("https://spa.example.com/x"),
                "/login?return_to=https%3A%2F%2Fspa.example.com%2Fx",
            ),
            (link().with_return_to("https://evil.example/"), "/login"),
            (link().with_return_to("//evil.example/"), "/login"),
            (link().with_return_to("/logout"), "/login"),
            (link().with_provider(Provider::Google), "/login?provider=GoogleOAuth"),
            (link().with_connection_id("conn_1"), "/login?connection_id=conn_1"),
            (link().with_organization_id("org_1"), "/login?organization_id=org_1"),
            (link().with_login_hint("a+b@c.test"), "/login?login_hint=a%2Bb%40c.test"),
            (link().with_domain_hint("c.test"), "/login?domain_hint=c.test"),
            (link().with_max_age(Duration::from_secs(90)), "/login?max_age=90"),
            (link().with_parameter("campaign", "spring & é"), "/login?campaign=spring+%26+%C3%A9"),
            (
                link().with_login_hint("a").with_max_age(Duration::ZERO).with_login_hint("b"),
                "/login?max_age=0&login_hint=b",
            ),
        ];
        for (link, expected) in cases {
            assert_eq!(link.to_string(), expected);
        }
        let debug = format!("{:?}", link().with_login_hint("alice@acme.test"));
        assert_eq!(debug, "SignInUrl { parameters: [\"login_hint\"], .. }");
    }
}
