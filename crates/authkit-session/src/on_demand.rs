//! What a handler may do with the session of its request.

use http::HeaderMap;
use tokio::time;

use crate::{
    authenticator::Authenticator,
    candidate::Sealed,
    error::{Error, ErrorKind},
    refresh::{self, Wanted},
    request::{admission::Admission, policy::Policy, waiting::PATIENCE},
    session::VerifiedSession,
};

impl Authenticator {
    /// Exchanges the newest token of the session in `headers` now, however long it still lasts: for a service that has
    /// changed what the token says, such as a role.
    ///
    /// `session` is the one that was admitted with these `headers`. At most once per 2 seconds a session; a request
    /// waits at most 5 seconds, the exchange goes on.
    ///
    /// # Errors
    ///
    /// Those of a call to WorkOS, and [`ErrorKind::NoSession`], [`ErrorKind::SignedOut`], [`ErrorKind::TooSoon`],
    /// [`ErrorKind::Unverified`]. The session goes on as it was, unless WorkOS refused it.
    pub async fn refresh(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
    ) -> Result<Admission, Error> {
        self.exchange(headers, session, Wanted::New).await
    }

    /// Exchanges the newest token of the session in `headers` for one in this organization.
    ///
    /// An exchange under way is waited for first; a session that is in the organization by now is taken as it is. What
    /// [`refresh`](Self::refresh) says holds here too.
    ///
    /// # Errors
    ///
    /// As [`refresh`](Self::refresh), and [`ErrorKind::InteractionNeeded`] where the user has to sign in at the
    /// organization, at [`Error::authkit_redirect_url`] if WorkOS names one.
    pub async fn switch_organization(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
        organization_id: &str,
    ) -> Result<Admission, Error> {
        self.exchange(headers, session, Wanted::In(organization_id)).await
    }

    async fn exchange(
        &self,
        headers: &HeaderMap,
        session: &VerifiedSession,
        wanted: Wanted<'_>,
    ) -> Result<Admission, Error> {
        let core = &self.core;
        let presented = core.present_opened(headers);
        let is_meant = |sealed: &Sealed| sealed.subject().as_deref() == Some(session.user_id());
        if !presented.opened.as_deref().is_some_and(is_meant) {
            return Err(ErrorKind::NoSession.into());
        }
        let head = core.head(&presented);
        let judge = |renewed: &mut _| core.enough(renewed, Policy::default());
        let exchange = refresh::exchange(core, presented, wanted, judge);
        let renewed = time::timeout(PATIENCE, exchange)
            .await
            .unwrap_or_else(|_| Err(ErrorKind::Transient.into()))?;
        let session = renewed.session.ok_or(ErrorKind::Unverified)?;
        tracing::debug!(
            session = core.log_word(session.session_id()),
            "session refreshed on demand"
        );
        Ok(Admission::new(session, head))
    }
}
