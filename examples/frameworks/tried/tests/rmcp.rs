//! rmcp: an MCP server over HTTP is a service, and its tools see the head of the request that the layer let through.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use authkit_tower::{AuthKitLayer, FromParts, Principal, dev::TestKit};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{Request, request::Parts},
};
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ServerCapabilities,
        ServerConfig,
    },
    service::RequestContext,
    transport::streamable_http_server::{
        StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
    },
};
use tower::ServiceExt;

#[derive(Clone)]
struct WhoAmI;

impl ServerHandler for WhoAmI {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parts: &Parts = context.extensions.get().unwrap();
        let principal = Principal::from_parts(parts).unwrap();
        Ok(CallToolResult::success(vec![ContentBlock::text(principal.user_id().unwrap())]).into())
    }
}

#[tokio::test]
async fn a_tool_is_called_by_whom_the_token_names_and_by_nobody_else() {
    let issuer = |emulator: authkit_tower::dev::emulator::EmulatorBuilder| {
        emulator.issuer("https://issuer.example.com")
    };
    let kit =
        TestKit::start_with(issuer, |config| config.with_issuers(["https://issuer.example.com"]))
            .await;
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let mcp: StreamableHttpService<WhoAmI, LocalSessionManager> =
        StreamableHttpService::new(|| Ok(WhoAmI), Default::default(), config);
    let programs = AuthKitLayer::new(kit.authkit()).with_bearer().unwrap();
    let app = Router::new().nest_service("/mcp", mcp).layer(programs);

    let call = |token: &str| {
        let request = Request::post("/mcp")
            .header("host", "localhost")
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        app.clone().oneshot(request.body(Body::from(CALL)).unwrap())
    };
    let stranger = call("no-token").await.unwrap();
    assert_eq!(stranger.status(), 401);

    let alice = kit.session("alice@acme.test");
    let answer = call(alice.access_token()).await.unwrap();
    let status = answer.status();
    let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(status, 200, "{body}");
    let users = kit.emulator().users();
    let alice = users.iter().find(|user| user.email == "alice@acme.test").unwrap();
    assert!(body.contains(&alice.id), "{body}");
}

const CALL: &str = r#"{
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": { "name": "who_am_i", "arguments": {} }
}"#;
