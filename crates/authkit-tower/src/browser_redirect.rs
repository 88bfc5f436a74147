use std::fmt;

use authkit_session::secure_url;

use crate::{authkit::AuthKit, uri::ReturnPath};

/// Where to send the browser, so that its user signs in at an organization.
///
/// With axum (feature `axum`) it is a response: 303.
#[derive(Clone)]
#[must_use]
pub struct SignInRedirect {
    url: String,
    /// The sign-in that `url` asks our own endpoint for; `None` for an address of WorkOS.
    login: Option<Login>,
}

#[derive(Clone)]
struct Login {
    authkit: AuthKit,
    organization: String,
}

impl SignInRedirect {
    /// To an address that WorkOS named; `None` if it is not safe to send a browser there.
    pub(crate) fn to_workos(url: &str) -> Option<Self> {
        Some(Self { url: secure_url(url)?, login: None })
    }

    /// To our own sign-in endpoint, which asks WorkOS for this organization.
    pub(crate) fn to_login(authkit: &AuthKit, organization: &str) -> Self {
        let login = Login { authkit: authkit.clone(), organization: organization.to_owned() };
        Self { url: login.url(None), login: Some(login) }
    }

    /// Sends the user on to this path of the service afterwards (default: its root).
    ///
    /// Ignored if it is not a path of this service, or if WorkOS named the address.
    pub fn with_return_to(mut self, path: &str) -> Self {
        if let Some(login) = &self.login {
            self.url = login.url(ReturnPath::parse(path, login.authkit.site()).as_ref());
        }
        self
    }

    /// The address: a path of this service, or an absolute URL of WorkOS.
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

impl Login {
    fn url(&self, return_path: Option<&ReturnPath>) -> String {
        let mut parameters = vec![("organization_id", self.organization.as_str())];
        parameters.extend(return_path.map(|path| ("return_to", path.as_str())));
        self.authkit.site().login_url(&parameters)
    }
}

impl fmt::Display for SignInRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for SignInRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInRedirect").finish_non_exhaustive()
    }
}
