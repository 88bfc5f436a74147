//! `tonic-service`: on its own with an emulator of WorkOS, or with `WORKOS_*` variables against WorkOS.

#![forbid(unsafe_code)]

use std::{env, error::Error, net::Ipv4Addr, time::Duration};

use authkit_tower::dev::EnvOrEmulator;
use tokio::{net::TcpListener, signal::ctrl_c};
use tonic::transport::{Server, server::TcpIncoming};
use tonic_service::app;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").map_or(Ok(50051), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let url = format!("http://localhost:{port}");
    let authkit = EnvOrEmulator::new().with_port(port).start().await?;
    println!("gRPC on {url}");
    if let Some(emulator) = authkit.emulator() {
        let session = emulator.session("alice@acme.test");
        println!("An access token of Alice's, for five minutes:");
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
