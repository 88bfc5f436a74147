use std::fmt;

use authkit_session::integration::is_loopback_host;
use url::Url;

use crate::{authkit::AuthKit, endpoints, uri::ReturnTarget};

/// Where to send the browser, to sign its user in or out.
///
/// [`Switched::SignIn`](crate::Switched::SignIn) and [`Session::sign_out`](crate::Session::sign_out) have one. With axum
/// (feature `axum`) it is a response: 303. Elsewhere, [`as_str`](Self::as_str) is the `Location`. Its [`Debug`] output
/// does not show the address, which may hold a session id.
///
/// # Examples
///
/// ```
/// use authkit_tower::{Error, Session};
/// use http::{Response, StatusCode, header::LOCATION};
///
/// fn leave(session: &Session) -> Result<Response<()>, Error> {
///     let goodbye = session.sign_out()?.with_return_to("/goodbye");
///     let response = Response::builder().status(StatusCode::SEE_OTHER).header(LOCATION, goodbye.as_str());
///     Ok(response.body(()).expect("the address is header text"))
/// }
/// ```
#[derive(Clone)]
#[must_use]
pub struct BrowserRedirect {
    url: String,
    target: RedirectTarget,
}

#[derive(Clone)]
enum RedirectTarget {
    /// An address that WorkOS named. It stays as it is.
    WorkOs,
    /// Our sign-in endpoint, which asks WorkOS for this organization.
    Login { authkit: AuthKit, organization: String },
    /// WorkOS's sign-out address of this session, or our own page if no session is known.
    Logout { authkit: AuthKit, session_id: Option<String> },
}

impl BrowserRedirect {
    /// To an address that WorkOS named; `None` if it is not safe to send a browser there.
    pub(crate) fn to_workos(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        let is_safe = match url.scheme() {
            "https" => true,
            "http" => url.host_str().is_some_and(is_loopback_host),
            _ => false,
        };
        is_safe.then(|| Self { url: url.into(), target: RedirectTarget::WorkOs })
    }

    pub(crate) fn to_login(authkit: &AuthKit, organization: &str) -> Self {
        let target = RedirectTarget::Login {
            authkit: authkit.clone(),
            organization: organization.to_owned(),
        };
        Self { url: String::new(), target }.with_path(None)
    }

    pub(crate) fn to_logout(authkit: &AuthKit, session_id: Option<String>) -> Self {
        let target = RedirectTarget::Logout { authkit: authkit.clone(), session_id };
        Self { url: String::new(), target }.with_path(None)
    }

    /// Sends the user on to this path of the service, as the browser sees it, or to this URL of an origin of
    /// [`Config::with_return_origins`](crate::Config::with_return_origins) afterwards. The default after signing in is `/`, and after signing
    /// out [`Config::with_after_logout`](crate::Config::with_after_logout).
    ///
    /// After signing out, WorkOS goes only to addresses that are registered there as sign-out redirects. `path` is ignored
    /// if it is neither, or if WorkOS named the address.
    pub fn with_return_to(self, path: &str) -> Self {
        let path = match &self.target {
            RedirectTarget::WorkOs => None,
            RedirectTarget::Login { authkit, .. } | RedirectTarget::Logout { authkit, .. } => {
                ReturnTarget::parse(path, authkit.site())
            }
        };
        self.with_path(path.as_ref())
    }

    /// The address: a path of this service, or an absolute URL.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    fn with_path(mut self, path: Option<&ReturnTarget>) -> Self {
        match &self.target {
            RedirectTarget::WorkOs => {}
            RedirectTarget::Login { authkit, organization } => {
                let mut parameters = vec![("organization_id", organization.as_str())];
                parameters.extend(path.map(|path| ("return_to", path.as_str())));
                self.url = authkit.site().login_url(&parameters);
            }
            RedirectTarget::Logout { authkit, session_id } => {
                self.url = endpoints::logout_url(authkit, session_id.as_deref(), path);
            }
        }
        self
    }
}

impl fmt::Display for BrowserRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Debug for BrowserRedirect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrowserRedirect").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_secure_page_is_a_place_to_send_a_browser_to() {
        let cases = [
            ("https://auth.example.com/mfa?token=1", true),
            ("http://localhost:4100/mfa", true),
            ("http://127.0.0.1:4100/mfa", true),
            ("http://auth.example.com/mfa", false),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("ftp://auth.example.com/", false),
            ("/mfa", false),
            ("", false),
        ];
        for (url, is_safe) in cases {
            let redirect = BrowserRedirect::to_workos(url).map(|redirect| redirect.to_string());
            assert_eq!(redirect.as_deref(), is_safe.then_some(url), "{url}");
        }
    }
}
