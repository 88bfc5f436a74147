//! `mcp-server`: an MCP server whose users sign in with AuthKit, from any MCP client.
//!
//! Three lines of [`app`] protect it: the layer tells clients without a token where to get one, verifies tokens before a
//! tool runs, and gives each tool the user for whom it is called.

#![forbid(unsafe_code)]

use std::error::Error;

use authkit_tower::{
    AuthKit, AuthKitLayer, ConfigError, FromParts, OAuthClient, ProtectedResource, Require,
    SessionRejection,
};
use axum::Router;
use http::request::Parts;
use rmcp::{
    ErrorData, ServerHandler,
    handler::server::{router::tool::ToolRouter, tool::Extension},
    tool, tool_handler, tool_router,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};

/// The MCP server at `url`, whose users sign in at the AuthKit domain `domain`.
///
/// # Errors
///
/// [`ConfigError`] if the URL or the domain cannot be used.
pub fn app(authkit: &AuthKit, domain: &str, url: &str) -> Result<Router, ConfigError> {
    let mcp: StreamableHttpService<Notes, LocalSessionManager> = StreamableHttpService::new(
        || Ok(Notes::new()),
        Default::default(),
        StreamableHttpServerConfig::default(), // its `allowed_hosts` are loopback alone: name your host in production
    );
    let resource = ProtectedResource::new(domain, url).with_name("Notes").with_scopes([
        "openid",
        "notes:write",
        "offline_access",
    ]);
    let layer = AuthKitLayer::new(authkit).without_sessions().with_protected_resource(resource)?;
    Ok(Router::new().nest_service("/mcp", mcp).layer(layer))
}

/// Where users sign in: the domain of the variable `AUTHKIT_DOMAIN`, or the emulator, which lists `url` as a resource.
///
/// # Errors
///
/// If there is no emulator and the variable is not set.
pub fn domain(authkit: &AuthKit, url: &str) -> Result<String, Box<dyn Error>> {
    match authkit.emulator() {
        Some(emulator) => {
            emulator.connect().add_resource(url);
            Ok(emulator.connect().domain())
        }
        None => Ok(std::env::var("AUTHKIT_DOMAIN").map_err(
            |_| "AUTHKIT_DOMAIN is not set: write the AuthKit domain of the WorkOS dashboard",
        )?),
    }
}

/// A server of three tools.
#[derive(Clone, Debug)]
pub struct Notes {
    tool_router: ToolRouter<Self>,
}

#[tool_router(router = tool_router)]
impl Notes {
    fn new() -> Self {
        Self { tool_router: Self::tool_router() }
    }

    #[tool(name = "who_am_i", description = "Says for whom this client acts")]
    async fn who_am_i(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let client = OAuthClient::from_parts(&parts).map_err(refused)?;
        Ok(format!("{} by {}", client.user_id(), client.client_id().unwrap_or("an unnamed client")))
    }

    #[tool(name = "write_note", description = "Writes a note; needs the scope `notes:write`")]
    async fn write_note(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        Require::scope("notes:write").check(&parts).map_err(refused)?;
        Ok("written".to_owned())
    }

    #[tool(name = "shared_notes", description = "Lists the notes of the user's organization")]
    async fn shared_notes(&self, Extension(parts): Extension<Parts>) -> Result<String, ErrorData> {
        let client = OAuthClient::from_parts(&parts).map_err(refused)?;
        let organization = client.organization_id().ok_or_else(|| {
            ErrorData::invalid_request("choose an organization when you sign in", None)
        })?;
        Ok(format!("the notes of {organization}"))
    }
}

#[tool_handler(router = self.tool_router)]
impl ServerHandler for Notes {}

fn refused(rejection: SessionRejection) -> ErrorData {
    ErrorData::invalid_request(rejection.to_string(), None)
}
