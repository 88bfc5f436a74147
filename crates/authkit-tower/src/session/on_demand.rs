//! What a handler may do with its session: refresh it, switch its organization, end it.

use std::{fmt, sync::Arc};

use authkit_session::{Admission, Error, ErrorKind};
use url::{Host, Url};

use crate::{authkit::AuthKit, endpoints, session::Session, slot::Cookies, uri::ReturnPath};

/// What came of [`Session::switch_organization`].
#[derive(Clone, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "either the session is there or the user has to sign in"
)]
pub enum Switched {
    /// The session is in the organization, with a token of its own; the response sets its cookie.
    Session(Session),
    /// WorkOS wants to see the user first: for single sign-on, a second factor, or a page of its own. The session stays
    /// where it was.
    SignIn(SignInRedirect),
}

/// Where to send the browser, so that its user signs in at an organization.
///
/// With axum (feature `axum`) it is a response: 303.
#[derive(Clone)]
#[must_use]
pub struct SignInRedirect {
    url: String,
    /// How our own endpoint is asked for it; WorkOS's own address is taken as it is.
    login: Option<Login>,
}

#[derive(Clone)]
struct Login {
    authkit: AuthKit,
    organization: String,
}

impl Session {
    /// Exchanges the session's token for a new one now, for a service that has just changed what it says, such as the
    /// user's role; the layer sets the new cookie.
    ///
    /// An exchange that is under way is waited for. Once per 2 seconds a session; it waits 5 seconds at most. This
    /// value stays as it is: what the new token says is in the one returned.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeadSent`] once the head of the response has left, as in the body of a stream, and
    /// [`ErrorKind::TooSoon`], [`ErrorKind::SignedOut`], [`ErrorKind::Refused`] or [`ErrorKind::Transient`], among
    /// others. The session goes on as it was, unless WorkOS or the refresh hook refused it.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{Error, Session};
    ///
    /// # async fn promote(_: &str) {}
    /// async fn become_admin(session: Session) -> Result<String, Error> {
    ///     promote(session.user_id()).await;
    ///     let session = session.refresh().await?;
    ///     Ok(format!("You are {} now", session.role().unwrap_or("nobody")))
    /// }
    /// ```
    pub async fn refresh(&self) -> Result<Self, Error> {
        self.check_head()?;
        let authenticator = self.slot.authkit().authenticator();
        let admission = authenticator.refresh(&self.slot.brought(), &self.verified).await?;
        Ok(self.renewed(admission))
    }

    /// Takes the session to another organization of its user; the layer sets the new cookie.
    ///
    /// An exchange that is under way is waited for, and its token is the one exchanged. A session that is there
    /// already, as after a double click, is returned without another exchange. Otherwise as [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh), and [`ErrorKind::OrganizationGone`] where there is no such organization or
    /// the user is not a member.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{Error, Session, Switched};
    /// use axum::{
    ///     extract::Path,
    ///     response::{IntoResponse, Redirect, Response},
    /// };
    ///
    /// // POST /organizations/{id}
    /// async fn switch(session: Session, Path(id): Path<String>) -> Result<Response, Response> {
    ///     match session.switch_organization(&id).await {
    ///         Ok(Switched::Session(_)) => Ok(Redirect::to("/dashboard").into_response()),
    ///         Ok(Switched::SignIn(redirect)) => Ok(redirect.with_return_to("/dashboard").into_response()),
    ///         Err(error) => Err(error.to_string().into_response()),
    ///     }
    /// }
    /// ```
    pub async fn switch_organization(&self, organization_id: &str) -> Result<Switched, Error> {
        self.check_head()?;
        let authkit = self.slot.authkit();
        let brought = self.slot.brought();
        let switch =
            authkit.authenticator().switch_organization(&brought, &self.verified, organization_id);
        match switch.await {
            Ok(admission) => Ok(Switched::Session(self.renewed(admission))),
            Err(error) if error.kind() == ErrorKind::InteractionNeeded => {
                let redirect = error.authkit_redirect_url().and_then(SignInRedirect::to_workos);
                let to_us = || SignInRedirect::to_us(authkit, organization_id);
                Ok(Switched::SignIn(redirect.unwrap_or_else(to_us)))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session, here and at WorkOS; the layer deletes its cookies.
    ///
    /// Returns where to send the browser, so that it is signed out at AuthKit too: WorkOS's sign-out address, which
    /// leads on to [`Config::with_after_logout`](crate::Config::with_after_logout). Only for requests that a page of
    /// this service has made on purpose, such as a form's `POST`; the endpoint `/logout` sees to that by itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeadSent`] once the head of the response has left. The session goes on then.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{Error, Session};
    /// use axum::response::Redirect;
    ///
    /// # async fn delete_account(_: &str) {}
    /// // POST /account/delete
    /// async fn leave(session: Session) -> Result<Redirect, String> {
    ///     delete_account(session.user_id()).await;
    ///     let goodbye = session.sign_out().map_err(|error: Error| error.to_string())?;
    ///     Ok(Redirect::to(&goodbye))
    /// }
    /// ```
    pub fn sign_out(&self) -> Result<String, Error> {
        self.slot.end(|| endpoints::sign_out(self.slot.authkit(), &self.slot.brought(), None))
    }

    fn check_head(&self) -> Result<(), Error> {
        if self.slot.has_left() { Err(ErrorKind::HeadSent.into()) } else { Ok(()) }
    }

    fn renewed(&self, admission: Admission) -> Self {
        let verified = Arc::clone(admission.session());
        self.slot.renew(Cookies::Of(admission));
        Self { verified, slot: Arc::clone(&self.slot) }
    }
}

impl SignInRedirect {
    /// WorkOS's own address, if it is one that a browser may be sent to.
    fn to_workos(url: &str) -> Option<Self> {
        let parsed = Url::parse(url).ok()?;
        let is_loopback = match parsed.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let is_safe = parsed.scheme() == "https" || (parsed.scheme() == "http" && is_loopback);
        is_safe.then(|| Self { url: parsed.into(), login: None })
    }

    fn to_us(authkit: &AuthKit, organization: &str) -> Self {
        let login = Login { authkit: authkit.clone(), organization: organization.to_owned() };
        Self { url: login.url(None), login: Some(login) }
    }

    /// Brings the user to this path of the service afterwards (default: its root).
    ///
    /// Anything but a path of this service is left out, as is any path where WorkOS named the address itself.
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
