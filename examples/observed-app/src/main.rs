//! `observed-app`: spans on the standard output, log lines on the standard error, metrics at `/metrics`.

#![forbid(unsafe_code)]

use std::{env, error::Error, io, time::Duration};

use authkit_tower::AuthKit;
use observed_app::{app, recorder, telemetry, tracer_provider};
use tokio::{net::TcpListener, time::interval};
use tracing::subscriber::set_global_default;
use tracing_subscriber::{filter::LevelFilter, fmt, layer::SubscriberExt, registry};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let provider = tracer_provider(opentelemetry_stdout::SpanExporter::default());
    let lines = fmt::layer().with_writer(io::stderr);
    set_global_default(registry().with(LevelFilter::INFO).with(lines).with(telemetry(&provider)))?;
    let recorder = recorder()?;
    let metrics = recorder.handle();
    metrics::set_global_recorder(recorder)?;
    let upkeep = metrics.clone();
    tokio::spawn(async move {
        let mut every = interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });

    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let authkit = AuthKit::from_env_or_emulator().await?;
    println!("http://localhost:{port}");
    axum::serve(listener, app(&authkit, metrics)).await?;
    provider.shutdown()?;
    Ok(())
}
