//! `actix-app`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

use std::{env, error::Error, time::Duration};

use actix_app::app;
use actix_web::HttpServer;
use authkit_tower::AuthKit;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let authkit = AuthKit::from_env_or_emulator().await?; // one for all workers
    println!("http://localhost:{port}");
    let workers = authkit.clone();
    HttpServer::new(move || app(&workers)).bind(("127.0.0.1", port))?.run().await?;
    authkit.drain(GRACE).await;
    Ok(())
}

/// How long refreshes may take to end after the last request.
const GRACE: Duration = Duration::from_secs(3);
