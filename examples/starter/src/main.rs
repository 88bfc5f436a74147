//! `starter`: an application whose users sign in. Copy it.
//!
//! It runs without an account: as long as no `WORKOS_*` variable is set, an emulator signs users in. Once you have one,
//! write the four variables of the README into a file named `.env`; the code stays as it is.

#![forbid(unsafe_code)]

use std::{env, error::Error, fs};

use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, response::Html, routing::get};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    if fs::exists(".env")? {
        dotenvy::from_path(".env")?; // variables that are set already win
    }
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".to_owned()); // 0.0.0.0 in a container
    let listener = TcpListener::bind((host, port)).await?;
    let authkit = AuthKit::from_env_or_emulator().await?;
    println!("http://localhost:{port}");
    axum::serve(listener, app(&authkit)).await?;
    Ok(())
}

fn app(authkit: &AuthKit) -> Router {
    let protected =
        Router::new().route("/dashboard", get(dashboard)).route_layer(AuthKitLayer::new(authkit)); // every route above needs a session
    Router::new().route("/", get(home)).merge(protected).merge(Endpoints::new(authkit)) // /login, /callback, /logout
}

async fn home() -> Html<&'static str> {
    Html(r#"<h1>Welcome</h1><p><a href="/dashboard">Sign in</a></p>"#)
}

async fn dashboard(session: Session) -> Html<String> {
    let user = session.user().id.as_str(); // texts that users choose, such as names, are to be escaped
    let role = session.role().unwrap_or("no role");
    let sign_out = r#"<form method="post" action="/logout"><button>Sign out</button></form>"#;
    Html(format!("<h1>Dashboard</h1><p>You are {user} ({role}).</p>{sign_out}"))
}
