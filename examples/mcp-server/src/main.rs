//! Serves the MCP server of the library at `http://localhost:3000/mcp`.

#![forbid(unsafe_code)]

use std::{env, error::Error};

use authkit_tower::AuthKit;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let url = env::var("MCP_URL").unwrap_or_else(|_| format!("http://localhost:{port}/mcp"));
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let authkit = AuthKit::from_env_or_emulator().await?;
    let domain = mcp_server::domain(&authkit, &url)?;
    println!("MCP server at {url}; sign in at {domain}");
    axum::serve(listener, mcp_server::app(&authkit, &domain, &url)?).await?;
    Ok(())
}
