mod on_demand;

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::VerifiedSession;

pub use self::on_demand::{SignInRedirect, Switched};
use crate::{deadline::Deadline, slot::Slot};

/// The session of the user who sent a request.
///
/// Only [`AuthKitLayer`](crate::AuthKitLayer) makes one, and only from a verified token, so that holding one is proof.
/// It is in the extensions of every request that such a layer let through; with axum it is an extractor too.
/// What it says about the user is [`VerifiedSession`], which it dereferences to. Its [`Debug`] output shows ids only.
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
    slot: Arc<Slot>,
}

impl Session {
    pub(crate) fn new(verified: Arc<VerifiedSession>, slot: Arc<Slot>) -> Self {
        Self { verified, slot }
    }

    /// When the session's token ends, for timers.
    ///
    /// A WebSocket or an event stream outlives the request that was checked; nothing refreshes its session. End it
    /// here, and let the client connect again: the handshake refreshes.
    pub fn deadline(&self) -> Instant {
        self.ends().instant()
    }

    /// Completes when the session's token ends, by the clock of the configuration; looks at it once a second. It holds
    /// nothing of the session, so that it can outlive the handler.
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
        self.ends().passed()
    }

    pub(crate) fn slot(&self) -> &Arc<Slot> {
        &self.slot
    }

    pub(crate) fn ends(&self) -> Deadline {
        Deadline::new(self.verified.expires_at(), self.slot.clock())
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

#[cfg(test)]
mod tests;
