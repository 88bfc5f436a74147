//! Requests that bring an access token of their own (RFC 6750), where a layer takes them.

use std::{
    fmt,
    future::Future,
    ops::Deref,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Instant,
};

use authkit_session::{Admission, Refusal, VerifiedToken};

use crate::{deadline::Deadline, slot::Slot};

/// What a program's access token says, of a request that brought one.
///
/// Only a layer [that takes bearer tokens](crate::AuthKitLayer::with_bearer) makes one, and only from a verified token,
/// so that holding one is proof. It is in the extensions of every request that was let through by its token; handlers
/// that serve browsers too take a [`Principal`](crate::Principal). What it says is [`VerifiedToken`], which it
/// dereferences to: ids, roles and permissions, but neither name nor e-mail address. Its [`Debug`] output shows ids only.
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
    slot: Arc<Slot>,
}

impl Bearer {
    pub(crate) fn new(token: Arc<VerifiedToken>, slot: Arc<Slot>) -> Self {
        Self { token, slot }
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    /// When the token ends, for timers.
    pub fn deadline(&self) -> Instant {
        self.ends().instant()
    }

    /// Completes when the token ends, by the clock of the configuration; looks at it once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.ends().passed()
    }

    pub(crate) fn ends(&self) -> Deadline {
        Deadline::new(self.token.expires_at(), self.slot.clock())
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

/// What is waited for on behalf of a request.
pub(crate) enum Waiting {
    Session(authkit_session::Waiting),
    Bearer(authkit_session::Waiting<Arc<VerifiedToken>>),
}

/// What came of looking at what a request brought.
pub(crate) enum Outcome {
    Session(Result<Admission, Refusal>),
    Bearer(Result<Arc<VerifiedToken>, Refusal>),
}

impl Future for Waiting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        Poll::Ready(match &mut *self {
            Self::Session(waiting) => Outcome::Session(ready!(Pin::new(waiting).poll(cx))),
            Self::Bearer(waiting) => Outcome::Bearer(ready!(Pin::new(waiting).poll(cx))),
        })
    }
}

#[cfg(test)]
mod tests;
