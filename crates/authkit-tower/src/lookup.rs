//! Reads and writes the principal in a request's extensions.

use std::sync::Arc;

use http::Extensions;

use crate::{
    api_key::ApiKey,
    authkit::AuthKit,
    bearer::Bearer,
    denial::{Caller, Cause, Denied},
    machine::Machine,
    oauth_client::OAuthClient,
    principal_ref::PrincipalRef,
    request_state::RequestState,
    session::Session,
};

/// The state that outer layers have attached to a request's extensions, which hold at most one of these.
#[derive(Clone, Copy)]
pub(crate) enum PrincipalLookup<'a> {
    Principal(PrincipalRef<'a>),
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
            Self::Principal(PrincipalRef::Session(session))
        } else if let Some(bearer) = extensions.get() {
            Self::Principal(PrincipalRef::Bearer(bearer))
        } else if let Some(key) = extensions.get() {
            Self::Principal(PrincipalRef::ApiKey(key))
        } else if let Some(machine) = extensions.get() {
            Self::Principal(PrincipalRef::Machine(machine))
        } else if let Some(client) = extensions.get() {
            Self::Principal(PrincipalRef::Client(client))
        } else {
            Self::NoLayer
        }
    }

    /// The state that the attaching layer keeps of the request.
    pub(crate) fn state(&self) -> Option<&'a Arc<RequestState>> {
        match self {
            Self::Principal(principal) => Some(principal.state()),
            Self::NoPrincipal(none) => Some(&none.state),
            Self::NoLayer => None,
        }
    }
}

/// Where a layer stands among those of its handle, by what is attached to the request.
///
/// Each kind of principal is looked up once; the later steps use this result.
pub(crate) enum LayerPosition {
    /// No layer of the handle is outside. Nothing is attached.
    Outermost,
    /// A layer of the handle is outside, and keeps this state of the request.
    Inside(Arc<RequestState>),
}

impl LayerPosition {
    /// The position of a layer of `authkit`, on entry. Removes what layers of other handles have attached.
    pub(crate) fn enter(extensions: &mut Extensions, authkit: &AuthKit) -> Self {
        match PrincipalLookup::of(extensions).state() {
            Some(state) if state.belongs_to(authkit) => Self::Inside(Arc::clone(state)),
            Some(_) => {
                detach(extensions);
                Self::Outermost
            }
            None => Self::Outermost,
        }
    }

    /// The position of a layer that has entered before.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        PrincipalLookup::of(extensions)
            .state()
            .map_or(Self::Outermost, |state| Self::Inside(Arc::clone(state)))
    }

    /// Attaches a principal or a [`NoPrincipal`], which replaces what an outer layer has attached.
    pub(crate) fn attach<T: Clone + Send + Sync + 'static>(
        &self,
        extensions: &mut Extensions,
        attached: T,
    ) {
        match self {
            Self::Outermost => {}
            Self::Inside(_) => detach(extensions),
        }
        extensions.insert(attached);
    }
}

/// Removes whatever a layer has attached.
fn detach(extensions: &mut Extensions) {
    extensions.remove::<Session>();
    extensions.remove::<Bearer>();
    extensions.remove::<ApiKey>();
    extensions.remove::<Machine>();
    extensions.remove::<OAuthClient>();
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
            // A limit of the layer has ended the session for this layer.
            Cause::Challenge { .. } | Cause::SignInAgain { .. } => true,
            Cause::Forbidden
            | Cause::InsufficientScope { .. }
            | Cause::OtherPrincipal { .. }
            | Cause::RepeatedCredentials
            | Cause::Unavailable { .. }
            | Cause::CrossOrigin(_)
            | Cause::Misconfigured(_) => false,
        }
    }

    /// Builds the denial that the optional layer would have sent if it were a required one.
    pub(crate) fn deny(&self, caller: Caller<'_>) -> Denied {
        if self.is_signed_out() {
            self.state.authkit().site().denial_log().session_is_required();
        }
        self.state.deny(&self.cause, caller)
    }
}
