//! The example's server, with an emulator in place of WorkOS.

use std::net::SocketAddr;

use authkit_emulator::{Emulator, SignIn};
use authkit_tower::{AuthKit, Config, CookiePassword};
use tokio::net::TcpListener;

/// The example's server, whose users sign in at an emulator.
pub struct Served {
    pub emulator: Emulator,
    address: SocketAddr,
}

impl Served {
    pub async fn start() -> Self {
        let emulator = Emulator::builder().sign_in(SignIn::Automatic).start().await.unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let password = CookiePassword::new("0123456789abcdef0123456789abcdef").unwrap();
        let config = Config::new(
            emulator.client_id(),
            emulator.api_key(),
            format!("http://localhost:{}/callback", address.port()),
            password,
        );
        let authkit = AuthKit::new(config.with_base_url(emulator.url())).unwrap();
        let served = Self { emulator, address };
        served.emulator.connect().add_resource(&served.url());
        let domain = served.emulator.connect().domain();
        let app = mcp_server::app(&authkit, &domain, &served.url()).unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        served
    }

    pub fn url(&self) -> String {
        format!("http://localhost:{}/mcp", self.address.port())
    }

    /// Publishes the metadata document of a client, whose id is the document's address.
    pub fn publish_client(&self, redirect_uri: &str) -> String {
        let address = "https://client.example.com/oauth.json";
        self.emulator.connect().add_client_document(&serde_json::json!({
            "client_id": address,
            "client_name": "test client",
            "redirect_uris": [redirect_uri],
        }));
        address.to_owned()
    }
}
