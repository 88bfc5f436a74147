//! `hyper-service`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

mod stop;

use std::{env, net::Ipv4Addr, pin::pin, time::Duration};

use authkit_tower::dev::EnvOrEmulator;
use hyper_service::{BoxError, app};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, select, time::timeout};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let stop = stop::armed()?;
    let port = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let port = listener.local_addr()?.port();
    let authkit = EnvOrEmulator::new().with_port(port).start().await?;
    let service = TowerToHyperService::new(app(&authkit));
    println!("http://localhost:{port}");

    let server = auto::Builder::new(TokioExecutor::new());
    let connections = GracefulShutdown::new();
    let mut stop = pin!(stop.asked());
    loop {
        select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
                // An error on one connection does not affect others.
                tokio::spawn(connections.watch(connection));
            }
            () = &mut stop => break,
        }
    }
    // Waits for the requests and refreshes that are running.
    let _ = timeout(GRACE, connections.shutdown()).await;
    authkit.drain(GRACE).await;
    Ok(())
}

/// How long requests and refreshes may take to end after the signal.
const GRACE: Duration = Duration::from_secs(3);
