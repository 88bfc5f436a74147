//! Reads and writes the principal in a request's extensions.

use std::sync::Arc;

use http::Extensions;

use crate::{
    bearer::Bearer,
    denial::{Caller, Cause, Denied},
    request_state::RequestState,
    session::Session,
};

/// What the layers outside have attached to a request's extensions. They hold at most one of these.
#[derive(Clone, Copy)]
pub(crate) enum PrincipalLookup<'a> {
    Session(&'a Session),
    Bearer(&'a Bearer),
    /// An optional layer let the request through without a principal.
    NoPrincipal(&'a NoPrincipal),
    /// No layer ran.
    NoLayer,
}

impl<'a> PrincipalLookup<'a> {
    pub(crate) fn of(extensions: &'a Extensions) -> Self {
        if let Some(none) = extensions.get() {
            Self::NoPrincipal(none)
        } else if let Some(session) = extensions.get() {
            Self::Session(session)
        } else if let Some(bearer) = extensions.get() {
            Self::Bearer(bearer)
        } else {
            Self::NoLayer
        }
    }

    /// The state that the attaching layer keeps of the request.
    pub(crate) fn state(&self) -> Option<&'a Arc<RequestState>> {
        match self {
            Self::Session(session) => Some(session.state()),
            Self::Bearer(bearer) => Some(bearer.state()),
            Self::NoPrincipal(none) => Some(&none.state),
            Self::NoLayer => None,
        }
    }
}

/// Attaches a [`Session`], [`Bearer`] or [`NoPrincipal`] and removes the one that was attached before.
pub(crate) fn attach<T: Clone + Send + Sync + 'static>(extensions: &mut Extensions, attached: T) {
    detach(extensions);
    extensions.insert(attached);
}

/// Removes whatever a layer has attached.
pub(crate) fn detach(extensions: &mut Extensions) {
    extensions.remove::<Session>();
    extensions.remove::<Bearer>();
    extensions.remove::<NoPrincipal>();
}

/// Why an optional layer let a request through without a principal.
#[derive(Clone)]
pub(crate) struct NoPrincipal {
    cause: Arc<Cause>,
    state: Arc<RequestState>,
}

impl NoPrincipal {
    pub(crate) fn new(cause: Cause, state: Arc<RequestState>) -> Self {
        Self { cause: Arc::new(cause), state }
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether nobody is signed in. `false` if the layer could not find out, as during an outage.
    pub(crate) fn is_signed_out(&self) -> bool {
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

    /// Builds the denial that the optional layer would have sent if it were a required one.
    pub(crate) fn deny(&self, caller: Caller<'_>) -> Denied {
        self.state.deny(&self.cause, caller)
    }
}
