//! `tonic-service`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

mod stop;

use std::{env, error::Error, net::Ipv4Addr, time::Duration};

use authkit_tower::dev::EnvOrEmulator;
use tokio::net::TcpListener;
use tonic::transport::{Server, server::TcpIncoming};
use tonic_service::app;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let stop = stop::armed()?;
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

    let server = Server::builder().add_routes(app(&authkit)?);
    server.serve_with_incoming_shutdown(TcpIncoming::from(listener), stop.asked()).await?;
    authkit.drain(Duration::from_secs(3)).await;
    Ok(())
}
