use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use workos::{
    Client,
    transport::{HttpRequest, HttpResponse, HttpTransport, TransportError},
};

use crate::{PASSWORD, Sample};

/// The official Rust SDK, used as an application uses it.
#[derive(Clone)]
pub struct Sdk {
    client: Client,
}

impl Sdk {
    pub fn new(sample: &Sample) -> Self {
        let keys = Bytes::from(sample.jwks.get().to_owned());
        let client = Client::builder()
            .api_key("sk_bench")
            .client_id(&sample.client_id)
            .transport(Arc::new(OnlyKeys(keys)))
            .build();
        Self { client }
    }

    /// Authenticates a cookie in [`SealFormat::Rust`](authkit_session::SealFormat::Rust), which the SDK can read. Returns the
    /// e-mail address of its user.
    pub async fn authenticate(&self, cookie: &str) -> String {
        let state = self.client.session(cookie, PASSWORD).authenticate().await;
        assert!(state.authenticated, "{}", state.reason);
        state.user.expect("the sample has a user").email
    }
}

impl fmt::Debug for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sdk").finish_non_exhaustive()
    }
}

/// A transport that answers every request with the key set, without a network.
struct OnlyKeys(Bytes);

#[async_trait]
impl HttpTransport for OnlyKeys {
    async fn execute(&self, _: HttpRequest) -> Result<HttpResponse, TransportError> {
        let body = self.0.clone();
        Ok(HttpResponse { status: StatusCode::OK, headers: HeaderMap::new(), body })
    }
}
