use std::{fmt, time::Duration};

use url::Url;

/// The parameters of `GET /user_management/authorize`, the URL at which a sign-in starts.
///
/// Source: the "Get an authorization URL" page of the WorkOS API reference. Its [`Debug`] output names the parameters
/// without their values, since addresses and invitation tokens are among them.
///
/// # Examples
///
/// ```
/// use authkit_session::{AuthorizationRequest, PkceVerifier};
///
/// let verifier = PkceVerifier::generate();
/// let request = AuthorizationRequest::new("a-random-state", verifier.challenge())
///     .with_screen_hint("sign-up")
///     .with_login_hint("alice@example.com");
/// # let _ = request;
/// ```
#[derive(Clone)]
#[must_use]
pub struct AuthorizationRequest {
    parameters: Vec<(&'static str, String)>,
    selector: Selector,
}

#[derive(Clone, Debug)]
enum Selector {
    Provider(String),
    Connection(String),
}

impl AuthorizationRequest {
    /// Asks for AuthKit's own pages. WorkOS returns `state` to the callback; `challenge` is the PKCE challenge (`S256`).
    pub fn new(state: impl Into<String>, challenge: impl Into<String>) -> Self {
        Self {
            parameters: vec![
                ("state", state.into()),
                ("code_challenge", challenge.into()),
                ("code_challenge_method", "S256".to_owned()),
            ],
            selector: Selector::Provider("authkit".to_owned()),
        }
    }

    /// Sends the browser directly to one provider, such as `GoogleOAuth` (default `authkit`).
    pub fn with_provider(mut self, provider: impl Into<String>) -> Self {
        self.selector = Selector::Provider(provider.into());
        self
    }

    /// Sends the browser directly to one single sign-on connection, instead of a provider.
    pub fn with_connection_id(mut self, id: impl Into<String>) -> Self {
        self.selector = Selector::Connection(id.into());
        self
    }

    /// Signs the user in to this organization.
    pub fn with_organization_id(self, id: impl Into<String>) -> Self {
        self.with("organization_id", id)
    }

    /// Chooses the page that AuthKit shows first: `sign-up` or `sign-in` (WorkOS's default).
    pub fn with_screen_hint(self, hint: impl Into<String>) -> Self {
        self.with("screen_hint", hint)
    }

    /// Fills in the user's e-mail address.
    pub fn with_login_hint(self, address: impl Into<String>) -> Self {
        self.with("login_hint", address)
    }

    /// Fills in the user's domain, for the providers Microsoft and Google.
    pub fn with_domain_hint(self, domain: impl Into<String>) -> Self {
        self.with("domain_hint", domain)
    }

    /// Accepts this invitation while signing in.
    pub fn with_invitation_token(self, token: impl Into<String>) -> Self {
        self.with("invitation_token", token)
    }

    /// Sets OpenID Connect's `prompt`, such as `login`.
    pub fn with_prompt(self, prompt: impl Into<String>) -> Self {
        self.with("prompt", prompt)
    }

    /// Makes users sign in again whose last sign-in is longer ago than `age`, in whole seconds; zero makes everybody.
    pub fn with_max_age(self, age: Duration) -> Self {
        self.with("max_age", age.as_secs().to_string())
    }

    /// Asks the provider for further scopes.
    pub fn with_provider_scopes<'a>(self, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        self.with("provider_scopes", scopes.into_iter().collect::<Vec<_>>().join(","))
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, value.into()));
        self
    }

    /// Adds the parameters to the query of `url`.
    pub(crate) fn write(&self, url: &mut Url, client_id: &str, redirect_uri: &str) {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", client_id);
        query.append_pair("redirect_uri", redirect_uri);
        match &self.selector {
            Selector::Provider(provider) => query.append_pair("provider", provider),
            Selector::Connection(id) => query.append_pair("connection_id", id),
        };
        for (name, value) in &self.parameters {
            query.append_pair(name, value);
        }
    }
}

impl fmt::Debug for AuthorizationRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parameters.iter().map(|(name, _)| name).collect();
        f.debug_struct("AuthorizationRequest")
            .field("selector", &self.selector)
            .field("parameters", &names)
            .finish()
    }
}
