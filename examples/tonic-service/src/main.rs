//! `tonic-service`: on its own with an emulator of WorkOS, or with `WORKOS_*` variables against WorkOS.

#![forbid(unsafe_code)]

use std::{env, error::Error, net::Ipv4Addr, time::Duration};

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, Config, CookiePassword};
use tokio::{net::TcpListener, signal::ctrl_c};
use tonic::transport::{Server, server::TcpIncoming};
use tonic_service::app;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(50051), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let url = format!("http://localhost:{}", listener.local_addr()?.port());
    let (authkit, emulator) = backend(&url).await?;
    println!("gRPC on {url}");
    if let Some(emulator) = &emulator {
        let session = emulator.session("alice@acme.test");
        println!(
            "No WORKOS_* variable is set: access tokens are those of an emulator. One of Alice's, for five minutes:"
        );
        println!(
            "\ncargo run -p tonic-service --bin tonic-client -- {url} {}",
            session.access_token()
        );
    }

    let stop = async {
        // Without a way to wait for it, only killing the process is left.
        if ctrl_c().await.is_err() {
            std::future::pending().await
        }
    };
    let server = Server::builder().add_routes(app(&authkit)?);
    server.serve_with_incoming_shutdown(TcpIncoming::from(listener), stop).await?;
    authkit.drain(Duration::from_secs(3)).await;
    Ok(())
}

/// WorkOS as soon as one `WORKOS_*` variable is set, otherwise an emulator that runs as long as the program.
async fn backend(url: &str) -> Result<(AuthKit, Option<Emulator>), Box<dyn Error>> {
    if env::vars().any(|(name, value)| name.starts_with("WORKOS_") && !value.is_empty()) {
        return Ok((AuthKit::from_env()?, None));
    }
    let emulator = Emulator::builder().start().await?;
    let config = Config::new(
        emulator.client_id(),
        emulator.api_key(),
        format!("{url}/callback"),
        // The emulator forgets everything when it stops, so this protects nothing.
        CookiePassword::new("development-only-cookie-password")?,
    );
    let config = config.with_base_url(emulator.url()).with_issuers([emulator.issuer()]);
    Ok((AuthKit::new(config)?, Some(emulator)))
}
