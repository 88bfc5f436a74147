use std::{fmt, sync::Arc};

use authkit_session::{VerifiedSession, integration::HeaderPrincipal};

/// Who was admitted, in the extensions of the response: for access logs in layers outside.
///
/// The layer puts one into every response to a request that it admitted, with a session or a credential of any kind; a
/// denied request has a [`Denial`](crate::Denial) there instead. Its [`Debug`] output shows who acted and the
/// organization, but not the session id: with an API key, that id is enough to revoke the session at WorkOS.
///
/// # Examples
///
/// ```
/// use authkit_tower::Admitted;
///
/// fn user_of<B>(response: &http::Response<B>) -> Option<&str> {
///     response.extensions().get::<Admitted>()?.user_id()
/// }
/// # assert!(user_of(&http::Response::new(())).is_none());
/// ```
#[derive(Clone)]
pub struct Admitted {
    by: AdmittedBy,
}

#[derive(Clone)]
enum AdmittedBy {
    Session(Arc<VerifiedSession>),
    Header(HeaderPrincipal),
}

impl Admitted {
    pub(crate) fn by_session(session: &Arc<VerifiedSession>) -> Self {
        Self { by: AdmittedBy::Session(Arc::clone(session)) }
    }

    pub(crate) fn by_header(principal: &HeaderPrincipal) -> Self {
        Self { by: AdmittedBy::Header(principal.clone()) }
    }

    /// The id of whoever acted: the user's (`user_…`), an API key's owner's, or a machine's client id.
    pub fn subject(&self) -> &str {
        match &self.by {
            AdmittedBy::Session(session) => session.user_id(),
            AdmittedBy::Header(principal) => principal.subject(),
        }
    }

    /// The user's id (`user_…`). A machine, and an organization's API key, have none.
    pub fn user_id(&self) -> Option<&str> {
        match &self.by {
            AdmittedBy::Session(session) => Some(session.user_id()),
            AdmittedBy::Header(principal) => principal.user_id(),
        }
    }

    /// The session's id (`session_…`), of a session or a user's token.
    pub fn session_id(&self) -> Option<&str> {
        match &self.by {
            AdmittedBy::Session(session) => Some(session.session_id()),
            AdmittedBy::Header(HeaderPrincipal::Bearer(token)) => Some(token.session_id()),
            AdmittedBy::Header(
                HeaderPrincipal::ApiKey(_)
                | HeaderPrincipal::Machine(_)
                | HeaderPrincipal::Client(_),
            ) => None,
        }
    }

    /// The id of the API key (`api_key_…`), if the request was admitted by one.
    pub fn api_key_id(&self) -> Option<&str> {
        match &self.by {
            AdmittedBy::Header(HeaderPrincipal::ApiKey(key)) => Some(key.id()),
            AdmittedBy::Session(_)
            | AdmittedBy::Header(
                HeaderPrincipal::Bearer(_)
                | HeaderPrincipal::Machine(_)
                | HeaderPrincipal::Client(_),
            ) => None,
        }
    }

    /// The organization that the request was admitted for (`org_…`).
    pub fn organization_id(&self) -> Option<&str> {
        match &self.by {
            AdmittedBy::Session(session) => session.organization_id(),
            AdmittedBy::Header(principal) => principal.organization_id(),
        }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted")
            .field("subject", &self.subject())
            .field("organization_id", &self.organization_id())
            .finish_non_exhaustive()
    }
}
