//! Requests that authenticate with a customer's API key.

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::{VerifiedApiKey, integration::HeaderPrincipal};

use crate::{deadline::Deadline, request_state::RequestState};

/// The API key of a customer that a program sent with its request.
///
/// Only a layer [that accepts API keys](crate::AuthKitLayer::with_api_keys) makes one, and only from a key that WorkOS has
/// accepted: whoever holds an `ApiKey` has proof. It dereferences to [`VerifiedApiKey`], which has the key's owner and its
/// permissions; the key itself is not kept. Its [`Debug`] output shows ids only.
///
/// # Examples
///
/// ```
/// use authkit_tower::{ApiKey, Require};
/// use axum::{Router, routing::get};
///
/// async fn reports(key: ApiKey) -> String {
///     format!("the reports of {}", key.organization_id())
/// }
///
/// let api: Router = Router::new().route("/reports", get(reports).route_layer(Require::permission("reports:read")));
/// ```
#[derive(Clone)]
pub struct ApiKey {
    key: Arc<VerifiedApiKey>,
    state: Arc<RequestState>,
}

impl ApiKey {
    pub(crate) fn new(key: Arc<VerifiedApiKey>, state: Arc<RequestState>) -> Self {
        Self { key, state }
    }

    /// When the key expires, for timers; `None` if it does not.
    pub fn deadline(&self) -> Option<Instant> {
        self.expiry().instant()
    }

    /// Completes when the key expires, by the clock of the configuration, or when this process learns of its
    /// revocation. Checks once a second.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    pub(crate) fn state(&self) -> &Arc<RequestState> {
        &self.state
    }

    pub(crate) fn expiry(&self) -> Deadline {
        let principal = HeaderPrincipal::ApiKey(Arc::clone(&self.key));
        Deadline::of_header(&principal, self.key.expires_at(), self.state.authkit())
    }
}

impl Deref for ApiKey {
    type Target = VerifiedApiKey;

    fn deref(&self) -> &VerifiedApiKey {
        &self.key
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ApiKey").field(&self.key).finish()
    }
}
