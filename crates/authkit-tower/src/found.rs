//! Whom a layer found behind a request, as its extensions say.

use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, Response};

use crate::{
    bearer::Bearer,
    denial::{Caller, Cause},
    session::Session,
    slot::Slot,
};

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
            Self::Session(session) => Some(session.slot()),
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
