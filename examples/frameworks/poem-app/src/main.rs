//! `poem-app`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use authkit_tower::AuthKit;
use poem::{Server, listener::TcpListener};
use poem_app::app;
use tokio::signal::ctrl_c;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let authkit = AuthKit::from_env_or_emulator().await?;
    println!("http://localhost:{port}");
    let stop = async { ctrl_c().await.unwrap_or_else(|error| eprintln!("no signals: {error}")) };
    Server::new(TcpListener::bind(("127.0.0.1", port)))
        .run_with_graceful_shutdown(app(&authkit), stop, Some(GRACE))
        .await?;
    authkit.drain(GRACE).await; // no refreshed session is lost
    Ok(())
}

/// How long requests and refreshes may take to end after the signal.
const GRACE: Duration = Duration::from_secs(3);
