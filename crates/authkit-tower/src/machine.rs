//! Requests of applications that act for themselves.

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::{VerifiedMachine, integration::HeaderPrincipal};

use crate::{deadline::Deadline, request_state::RequestState};

/// A machine: an application of WorkOS Connect that acts for itself (M2M), authenticated by an access token.
///
/// Only a layer [that accepts machines](crate::AuthKitLayer::with_machines) makes one, and only from a verified token. It
/// dereferences to [`VerifiedMachine`], which has the application's client id, its organization and its scopes.
///
/// # Examples
///
/// ```
/// use authkit_tower::{Machine, Require};
/// use axum::{Router, routing::post};
///
/// async fn import(machine: Machine) -> String {
///     format!("thank you, {}", machine.client_id())
/// }
///
/// let api: Router = Router::new().route("/import", post(import).route_layer(Require::scope("reports:write")));
/// ```
#[derive(Clone)]
pub struct Machine {
    machine: VerifiedMachine,
    state: Arc<RequestState>,
}

impl Machine {
    pub(crate) fn new(machine: VerifiedMachine, state: Arc<RequestState>) -> Self {
        Self { machine, state }
    }

    /// When the token expires, for timers.
    pub fn deadline(&self) -> Instant {
        self.expiry().instant_or_now()
    }

    /// Completes when the token expires, by the clock of the configuration, or when a revocation demands a newer one.
    /// Checks once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    pub(crate) fn state(&self) -> &Arc<RequestState> {
        &self.state
    }

    pub(crate) fn expiry(&self) -> Deadline {
        let principal = HeaderPrincipal::Machine(self.machine.clone());
        Deadline::of_header(&principal, Some(self.machine.expires_at()), self.state.authkit())
    }
}

impl Deref for Machine {
    type Target = VerifiedMachine;

    fn deref(&self) -> &VerifiedMachine {
        &self.machine
    }
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Machine").field(&self.machine).finish()
    }
}
