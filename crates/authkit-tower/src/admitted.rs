use std::{fmt, sync::Arc};

use authkit_session::{VerifiedSession, VerifiedToken};

/// Who was admitted, in the extensions of the response: for access logs in layers outside.
///
/// The layer puts one into every response to a request that it admitted with a session or a bearer token; a denied request
/// has a [`Denial`](crate::Denial) there instead. Its [`Debug`] output shows the ids of the user and the organization. The
/// id of the session is not among them: whoever knows it can ask WorkOS to revoke the session, with an API key.
///
/// # Examples
///
/// ```
/// use authkit_tower::Admitted;
///
/// fn user_of<B>(response: &http::Response<B>) -> Option<&str> {
///     response.extensions().get::<Admitted>().map(Admitted::user_id)
/// }
/// # assert!(user_of(&http::Response::new(())).is_none());
/// ```
#[derive(Clone)]
pub struct Admitted {
    token: AdmittedToken,
}

#[derive(Clone)]
enum AdmittedToken {
    Session(Arc<VerifiedSession>),
    Bearer(Arc<VerifiedToken>),
}

impl Admitted {
    pub(crate) fn by_session(session: &Arc<VerifiedSession>) -> Self {
        Self { token: AdmittedToken::Session(Arc::clone(session)) }
    }

    pub(crate) fn by_bearer(token: &Arc<VerifiedToken>) -> Self {
        Self { token: AdmittedToken::Bearer(Arc::clone(token)) }
    }

    /// The user's id (`user_…`).
    pub fn user_id(&self) -> &str {
        self.token().user_id()
    }

    /// The session's id (`session_…`).
    pub fn session_id(&self) -> &str {
        self.token().session_id()
    }

    /// The organization that the user is signed in to (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        self.token().organization_id()
    }

    fn token(&self) -> &VerifiedToken {
        match &self.token {
            AdmittedToken::Session(session) => session,
            AdmittedToken::Bearer(token) => token,
        }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("user_id", &self.user_id())
            .field("organization_id", &self.organization_id())
            .finish_non_exhaustive()
    }
}
