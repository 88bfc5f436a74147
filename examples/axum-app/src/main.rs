//! `axum-app`: uses an emulator of WorkOS, or WorkOS if `WORKOS_*` variables are set.

#![forbid(unsafe_code)]

mod backend;
mod stop;

use std::{
    env,
    io::{self, Write},
    net::Ipv4Addr,
    process::ExitCode,
    str::FromStr,
    time::Duration,
};

use axum_app::app_with;
use tokio::{net::TcpListener, select, time::sleep};
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::backend::Backend;

#[tokio::main]
async fn main() -> ExitCode {
    log();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("axum-app: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to the standard error. The standard output has what a user of the program needs.
fn log() {
    // RUST_LOG=authkit_tower=debug shows why a request was denied.
    let chosen = env::var("RUST_LOG").ok().and_then(|targets| targets.parse().ok());
    let targets = chosen.unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = fmt::layer().with_writer(io::stderr);
    tracing_subscriber::registry().with(lines).with(targets).init();
}

async fn run() -> Result<(), String> {
    let stop = stop::armed().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let listener = listen(variable("PORT")?.unwrap_or(3000)).await?;
    let port = listener.local_addr().map_err(|error| error.to_string())?.port();
    let backend = Backend::choose(port).await?;
    say(&format!("{}\nhttp://localhost:{port}\n", backend.greeting()));

    let app = app_with(backend.authkit(), backend.organizations(), backend.refreshes().clone());
    let server = axum::serve(listener, app).with_graceful_shutdown(stop.clone().asked());
    let served = select! {
        result = server => result.map_err(|error| format!("the server stopped: {error}")),
        // Event streams and WebSockets would go on until their tokens expire.
        () = async { stop.asked().await; sleep(GRACE).await } => Ok(()),
    };
    // A refresh whose client has left may have spent the only refresh token of a browser.
    backend.authkit().drain(GRACE).await;
    served
}

/// Prints on the standard output. A closed pipe is not an error.
fn say(text: &str) {
    let _ = io::stdout().write_all(text.as_bytes());
}

/// Listens on loopback only.
async fn listen(port: u16) -> Result<TcpListener, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is taken; choose another with PORT, or PORT=0 for a free one")
        }
        _ => format!("cannot listen on 127.0.0.1:{port}: {error}"),
    })
}

/// Reads a number from the environment.
fn variable<T: FromStr>(name: &str) -> Result<Option<T>, String> {
    match env::var(name) {
        Ok(text) if !text.is_empty() => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{name} is `{text}`, which is not a number in range")),
        },
        Ok(_) | Err(_) => Ok(None),
    }
}

/// How long requests may take to end after the signal, and then the refreshes that they have started.
const GRACE: Duration = Duration::from_secs(3);
