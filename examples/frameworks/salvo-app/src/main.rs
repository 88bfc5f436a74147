//! `salvo-app`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use authkit_tower::AuthKit;
use salvo::{Listener, Server, conn::TcpListener};
use salvo_app::app;
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let authkit = AuthKit::from_env_or_emulator().await?;
    let server = Server::new(TcpListener::new(("127.0.0.1", port)).bind().await);
    println!("http://localhost:{port}");
    let handle = server.handle();
    tokio::spawn(async move {
        if ctrl_c().await.is_ok() {
            handle.stop_graceful(GRACE);
        }
    });
    server.try_serve(app(&authkit)).await?;
    authkit.drain(GRACE).await; // no refreshed session is lost
    Ok(())
}

/// How long requests and refreshes may take to end after the signal.
const GRACE: Duration = Duration::from_secs(3);
