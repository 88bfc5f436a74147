//! Requests that authenticate with an access token of their own (RFC 6750).

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::VerifiedToken;

use crate::{deadline::Deadline, request_state::RequestState};

/// The verified access token that a program sent with its request.
///
/// Only a layer [that accepts bearer tokens](crate::AuthKitLayer::with_bearer) makes one, and only from a verified token:
/// whoever holds a `Bearer` has proof. It is in the extensions of every request that was admitted by its token. Handlers
/// that serve browsers too take a [`Principal`](crate::Principal).
///
/// It dereferences to [`VerifiedToken`], which has ids, roles and permissions, but neither name nor e-mail address. Its
/// [`Debug`] output shows ids only.
///
/// # Examples
///
/// ```
/// use authkit_tower::Bearer;
/// use http::Request;
///
/// fn may_write<B>(request: &Request<B>) -> bool {
///     let bearer = request.extensions().get::<Bearer>();
///     bearer.is_some_and(|bearer| bearer.permissions().iter().any(|one| one == "reports:write"))
/// }
/// # assert!(!may_write(&Request::new(())));
/// ```
#[derive(Clone)]
pub struct Bearer {
    token: Arc<VerifiedToken>,
    state: Arc<RequestState>,
}

impl Bearer {
    pub(crate) fn new(token: Arc<VerifiedToken>, state: Arc<RequestState>) -> Self {
        Self { token, state }
    }

    /// When the token expires, for timers.
    pub fn deadline(&self) -> Instant {
        self.expiry().instant_or_now()
    }

    /// Completes when the token expires, by the clock of the configuration, or when its session ends earlier by a
    /// sign-out or a revocation. Checks once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    pub(crate) fn state(&self) -> &Arc<RequestState> {
        &self.state
    }

    pub(crate) fn expiry(&self) -> Deadline {
        Deadline::of(&self.token, self.state.authkit())
    }
}

impl Deref for Bearer {
    type Target = VerifiedToken;

    fn deref(&self) -> &VerifiedToken {
        &self.token
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bearer").field(&self.token).finish()
    }
}

#[cfg(test)]
mod tests;
