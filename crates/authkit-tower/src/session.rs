use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::{Admission, Error, ErrorKind, VerifiedSession};

use crate::{
    browser_redirect::BrowserRedirect,
    deadline::Deadline,
    endpoints,
    request_state::{RequestState, SetCookieSource},
};

/// The session of the user who sent a request.
///
/// Only [`AuthKitLayer`](crate::AuthKitLayer) makes one, and only from a verified token: whoever holds a `Session` has
/// proof that its user is signed in. A required layer puts one into the extensions of every request that it admits. With
/// axum it is an extractor too.
///
/// It dereferences to [`VerifiedSession`], which has the user and the token's claims. Its [`Debug`] output shows ids only.
///
/// # Examples
///
/// ```
/// use authkit_tower::Session;
/// use http::{Request, Response};
///
/// fn greet<B>(request: &Request<B>) -> Option<String> {
///     let session = request.extensions().get::<Session>()?;
///     Some(format!("Hello {}", session.user().display_name()))
/// }
/// # assert!(greet(&Request::new(())).is_none());
/// ```
#[derive(Clone)]
pub struct Session {
    verified: Arc<VerifiedSession>,
    state: Arc<RequestState>,
}

impl Session {
    pub(crate) fn new(verified: Arc<VerifiedSession>, state: Arc<RequestState>) -> Self {
        Self { verified, state }
    }

    /// When the session's access token expires, for timers.
    ///
    /// A WebSocket or an event stream outlives the request that was authenticated, and nothing refreshes its session.
    /// Close it at this time and let the client connect again: the layer refreshes the session for the new request.
    pub fn deadline(&self) -> Instant {
        self.expiry().instant_or_now()
    }

    /// Completes when the session's access token expires, by the clock of the configuration, or when the session ends
    /// before: by a sign-out in another tab, or by a revocation that this replica has heard of. It looks once a second.
    /// The future borrows nothing, so it can outlive the handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # use authkit_tower::Session;
    /// # async fn next_message() -> Option<String> { None }
    /// # async fn serve(session: Session) {
    /// let expired = session.expired();
    /// tokio::pin!(expired);
    /// loop {
    ///     tokio::select! {
    ///         () = &mut expired => break,
    ///         message = next_message() => match message {
    ///             Some(message) => println!("{message}"),
    ///             None => break,
    ///         },
    ///     }
    /// }
    /// # }
    /// ```
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    /// Refreshes the session now, for a service that has just changed what its token says, such as the user's role. The
    /// layer sets the new cookie.
    ///
    /// Waits for a refresh of the session that is under way, 5 seconds at most. WorkOS is called at most once in 2
    /// seconds for one session. This value does not change: the returned one has the new token's claims.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeadSent`] once the head of the response has left, as in the body of a stream. Others are
    /// [`ErrorKind::TooSoon`], [`ErrorKind::SignedOut`], [`ErrorKind::Refused`] and [`ErrorKind::Transient`]. The
    /// session stays as it was, unless WorkOS or the refresh hook refused it.
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
        let authenticator = self.state.authkit().authenticator();
        let admission =
            authenticator.refresh(&self.state.request_cookies(), &self.verified).await?;
        Ok(self.refreshed(admission))
    }

    /// Switches the session to another organization of its user. The layer sets the new cookie.
    ///
    /// Waits for a refresh of the session that is under way, and exchanges the refresh token that it brings. If the
    /// session has already been switched, as after a double click, it is returned without another exchange. The limits
    /// are those of [`refresh`](Self::refresh).
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh), and [`ErrorKind::OrganizationGone`] if there is no such organization or the
    /// user is not a member of it.
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
        let authkit = self.state.authkit();
        let cookies = self.state.request_cookies();
        let switch =
            authkit.authenticator().switch_organization(&cookies, &self.verified, organization_id);
        match switch.await {
            Ok(admission) => Ok(Switched::Session(self.refreshed(admission))),
            Err(error) if error.kind() == ErrorKind::InteractionNeeded => {
                let redirect = error.authkit_redirect_url().and_then(BrowserRedirect::to_workos);
                let to_login = || BrowserRedirect::to_login(authkit, organization_id);
                Ok(Switched::SignIn(redirect.unwrap_or_else(to_login)))
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session, here and at WorkOS. The layer deletes its cookies.
    ///
    /// Returns where to send the browser, so that it is signed out at AuthKit too: WorkOS's sign-out address, which
    /// redirects to [`Config::with_after_logout`](crate::Config::with_after_logout). Call it only for requests that the
    /// user made on purpose on a page of this service, such as a form's `POST`; the endpoint `/logout` checks that itself.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeadSent`] once the head of the response has left. The session stays as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_tower::{BrowserRedirect, Error, Session};
    ///
    /// # async fn delete_account(_: &str) {}
    /// // POST /account/delete
    /// async fn leave(session: Session) -> Result<BrowserRedirect, String> {
    ///     delete_account(session.user_id()).await;
    ///     session.sign_out().map_err(|error: Error| error.to_string())
    /// }
    /// ```
    pub fn sign_out(&self) -> Result<BrowserRedirect, Error> {
        let cookies = self.state.request_cookies();
        let authkit = self.state.authkit();
        let session_id = self.state.sign_out(|| endpoints::sign_out(authkit, &cookies))?;
        Ok(BrowserRedirect::to_logout(authkit, session_id))
    }

    pub(crate) fn state(&self) -> &Arc<RequestState> {
        &self.state
    }

    pub(crate) fn expiry(&self) -> Deadline {
        Deadline::of(&self.verified, self.state.authkit())
    }

    fn check_head(&self) -> Result<(), Error> {
        if self.state.is_head_sent() { Err(ErrorKind::HeadSent.into()) } else { Ok(()) }
    }

    fn refreshed(&self, admission: Admission) -> Self {
        let verified = Arc::clone(admission.session());
        self.state.replace_session(SetCookieSource::Admitted(admission));
        Self { verified, state: Arc::clone(&self.state) }
    }
}

impl Deref for Session {
    type Target = VerifiedSession;

    fn deref(&self) -> &VerifiedSession {
        &self.verified
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Session").field(&self.verified).finish()
    }
}

/// The result of [`Session::switch_organization`].
#[derive(Clone, Debug)]
#[allow(
    clippy::exhaustive_enums,
    reason = "either the session is there or the user has to sign in"
)]
pub enum Switched {
    /// The session is in the organization and has a token of its own. The response sets its cookie.
    Session(Session),
    /// WorkOS needs the user first: for single sign-on, a second factor, or a page of its own. The session stays in its
    /// organization.
    SignIn(BrowserRedirect),
}

#[cfg(test)]
mod tests;
