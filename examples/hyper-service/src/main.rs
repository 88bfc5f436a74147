//! `hyper-service`: on its own with an emulator of WorkOS, or with `WORKOS_*` variables against WorkOS.

#![forbid(unsafe_code)]

use std::{env, net::Ipv4Addr, pin::pin, time::Duration};

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, Config, CookiePassword};
use hyper_service::{BoxError, app};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, select, signal::ctrl_c, time::timeout};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let (authkit, _emulator) = backend(port).await?;
    let service = TowerToHyperService::new(app(&authkit));
    println!("http://localhost:{port}");

    let server = auto::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    let mut stop = pin!(ctrl_c());
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
                // A connection that breaks off concerns nobody else.
                tokio::spawn(connections.watch(connection));
            }
            _ = &mut stop => break,
        }
    }
    // Neither a request nor a refresh under way is lost.
    let _ = timeout(GRACE, connections.shutdown()).await;
    authkit.drain(GRACE).await;
    Ok(())
}

/// WorkOS as soon as one `WORKOS_*` variable is set, otherwise an emulator that runs as long as the program.
async fn backend(port: u16) -> Result<(AuthKit, Option<Emulator>), BoxError> {
    if env::vars().any(|(name, value)| name.starts_with("WORKOS_") && !value.is_empty()) {
        return Ok((AuthKit::from_env()?, None));
    }
    let emulator = Emulator::builder().start().await?;
    println!(
        "No WORKOS_* variable is set: signing in with an emulator of WorkOS on {}.",
        emulator.url()
    );
    let config = Config::new(
        emulator.client_id(),
        emulator.api_key(),
        format!("http://localhost:{port}/callback"),
        // The emulator forgets everything when it stops, so this protects nothing.
        CookiePassword::new("development-only-cookie-password")?,
    );
    Ok((AuthKit::new(config.with_base_url(emulator.url()))?, Some(emulator)))
}

/// How long requests and refreshes may take to end after ctrl-c.
const GRACE: Duration = Duration::from_secs(3);
