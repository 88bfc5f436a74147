//! Requests of OAuth applications that act for a user on a protected resource.

use std::{fmt, future::Future, ops::Deref, sync::Arc, time::Instant};

use authkit_session::{VerifiedClient, integration::HeaderPrincipal};

use crate::{deadline::Deadline, request_state::RequestState};

/// An OAuth application that acts for a user, such as an MCP client, authenticated by an access token for this
/// resource.
///
/// Only a layer [of a protected resource](crate::AuthKitLayer::with_protected_resource) makes one, and only from a verified
/// token. It dereferences to [`VerifiedClient`], which has the user's id, the application's and the scopes that the user
/// has allowed it.
///
/// # Examples
///
/// ```
/// use authkit_tower::OAuthClient;
///
/// async fn who_am_i(client: OAuthClient) -> String {
///     format!("{} for {}", client.client_id().unwrap_or("somebody"), client.user_id())
/// }
/// # let _ = who_am_i;
/// ```
#[derive(Clone)]
pub struct OAuthClient {
    client: VerifiedClient,
    state: Arc<RequestState>,
}

impl OAuthClient {
    pub(crate) fn new(client: VerifiedClient, state: Arc<RequestState>) -> Self {
        Self { client, state }
    }

    /// When the token expires, for timers.
    pub fn deadline(&self) -> Instant {
        self.expiry().instant_or_now()
    }

    /// Completes when the token expires, by the clock of the configuration, or when a revocation ends it or demands a
    /// newer one. Checks once a second. End a stream that depends on the token when this completes.
    pub fn expired(&self) -> impl Future<Output = ()> + Send + use<> {
        self.expiry().passed()
    }

    pub(crate) fn state(&self) -> &Arc<RequestState> {
        &self.state
    }

    pub(crate) fn expiry(&self) -> Deadline {
        let principal = HeaderPrincipal::Client(self.client.clone());
        Deadline::of_header(&principal, Some(self.client.expires_at()), self.state.authkit())
    }
}

impl Deref for OAuthClient {
    type Target = VerifiedClient;

    fn deref(&self) -> &VerifiedClient {
        &self.client
    }
}

impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OAuthClient").field(&self.client).finish()
    }
}
