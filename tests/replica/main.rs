//! One replica of a service, as a process of its own, for tests that start several.
//!
//! The `WORKOS_*` variables configure it; `REDIS_URL` and `WEBHOOK_SECRET` are optional. It prints its URL, and with
//! `REPLICA_LOG` its log.

#![forbid(unsafe_code)]

use std::{env, error::Error};

use authkit_redis::RedisReplicas;
use authkit_tower::{AuthKit, AuthKitLayer, Config, Endpoints, Session, Webhooks};
use axum::{Json, Router, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if env::var_os("REPLICA_LOG").is_some() {
        tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    }
    support::watch::begin();
    let mut config = Config::from_env()?;
    if let Ok(url) = env::var("REDIS_URL") {
        config = RedisReplicas::connect(&url)?.share(config);
    }
    let authkit = AuthKit::new(config)?;
    let mut app = Router::new()
        .route("/api/me", get(me).post(me))
        .route_layer(AuthKitLayer::new(&authkit))
        .merge(Endpoints::new(&authkit));
    if let Ok(secret) = env::var("WEBHOOK_SECRET") {
        app = app.route_service("/webhooks/workos", Webhooks::new(&authkit, secret)?);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://localhost:{}", listener.local_addr()?.port());
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(session: Session) -> Json<Value> {
    Json(json!({
        "user_id": session.user_id(),
        "session_id": session.session_id(),
        "role": session.role(),
    }))
}
