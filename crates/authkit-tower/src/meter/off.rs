//! The meter without the feature `metrics`: does nothing.

use crate::{client_kind::ClientKind, denial::DenialKind, endpoints::SignInOutcome};

#[derive(Debug)]
pub(crate) struct NoLayerMeter;

impl NoLayerMeter {
    pub(crate) fn new() -> Self {
        Self
    }

    pub(crate) fn denied(&self, _: DenialKind, _: ClientKind) {}

    pub(crate) fn sign_in_ended(&self, _: &SignInOutcome) {}
}
