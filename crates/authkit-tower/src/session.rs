mod on_demand;
mod slot;

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::VerifiedSession;
use bytes::Bytes;
use http::{Extensions, Response};

pub use self::on_demand::{SignInRedirect, Switched};
pub(crate) use self::slot::{Cookies, Slot};
use crate::{
    bearer::Bearer,
    deadline::Deadline,
    denial::{Caller, Cause},
};

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
///     Some(format!("Hello {}", session.user().email))
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

/// What the layer behind a request's extensions found. There is one of these there, or none.
#[derive(Clone, Copy)]
pub(crate) enum Found<'a> {
    Session(&'a Session),
    Bearer(&'a Bearer),
    Nobody(&'a Absence),
    /// No layer ran.
    Nothing,
}

impl<'a> Found<'a> {
    pub(crate) fn by(extensions: &'a Extensions) -> Self {
        if let Some(absence) = extensions.get() {
            Self::Nobody(absence)
        } else if let Some(session) = extensions.get() {
            Self::Session(session)
        } else if let Some(bearer) = extensions.get() {
            Self::Bearer(bearer)
        } else {
            Self::Nothing
        }
    }

    /// Puts what was found in the place of what was there.
    pub(crate) fn replace<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, found: T) {
        Self::forget(extensions);
        extensions.insert(found);
    }

    pub(crate) fn forget(extensions: &mut Extensions) {
        extensions.remove::<Session>();
        extensions.remove::<Bearer>();
        extensions.remove::<Absence>();
    }

    pub(crate) fn slot(&self) -> Option<&'a Arc<Slot>> {
        match self {
            Self::Session(session) => Some(&session.slot),
            Self::Bearer(bearer) => Some(bearer.slot()),
            Self::Nobody(absence) => Some(&absence.slot),
            Self::Nothing => None,
        }
    }
}

/// In the extensions of a request that an optional layer let through without a session: why there is none.
#[derive(Clone)]
pub(crate) struct Absence {
    cause: Arc<Cause>,
    slot: Arc<Slot>,
}

impl Absence {
    pub(crate) fn new(cause: Cause, slot: Arc<Slot>) -> Self {
        Self { cause: Arc::new(cause), slot }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Says whether nobody is signed in, rather than that it cannot be told now.
    #[cfg(feature = "axum")]
    pub(crate) fn is_nobody(&self) -> bool {
        match *self.cause {
            Cause::Challenge { .. } => true,
            Cause::SignInAgain { .. }
            | Cause::Forbidden
            | Cause::NotByBearer
            | Cause::Unavailable { .. }
            | Cause::CrossOrigin(_)
            | Cause::Misconfigured(_) => false,
        }
    }

    /// The answer of the layer that found nobody.
    pub(crate) fn deny(&self, caller: Caller<'_>) -> Box<Response<Bytes>> {
        self.slot.deny(&self.cause, caller)
    }
}

#[cfg(test)]
mod tests;
