//! The client of the Rust SDK signs in, calls the tools, is refused a tool that it may not call, and refreshes.

mod support;

use std::time::Duration;

use authkit_emulator::Endpoint;
use rmcp::{
    RoleClient, ServiceExt,
    model::CallToolRequestParams,
    service::RunningService,
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

use crate::support::Served;

const REDIRECT: &str = "http://localhost:9/callback";

/// Signs a user in as an MCP client does, starting from the server's challenge.
async fn sign_in(served: &Served, email: &str, scopes: &[&str]) -> Client {
    sign_in_as(served, email, scopes, AuthorizationRequest::new(REDIRECT)).await
}

/// The same for a client that has an identity, or none: then it registers itself.
async fn sign_in_as(
    served: &Served,
    email: &str,
    scopes: &[&str],
    client: AuthorizationRequest,
) -> Client {
    let unauthenticated = reqwest::Client::new().post(served.url()).send().await.unwrap();
    assert_eq!(unauthenticated.status(), 401);
    let challenge = unauthenticated.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(challenge.contains("resource_metadata="), "{challenge}");

    let mut oauth = OAuthState::new(served.url(), None).await.unwrap();
    let request = client.with_challenge(challenge).with_scopes(scopes.iter().copied());
    oauth.start_authorization(request).await.unwrap();
    let mut browser: reqwest::Url = oauth.get_authorization_url().await.unwrap().parse().unwrap();
    browser.query_pairs_mut().append_pair("login_hint", email);
    let no_redirects = reqwest::redirect::Policy::none();
    let user = reqwest::Client::builder().redirect(no_redirects).build().unwrap();
    let answer = user.get(browser).send().await.unwrap();
    let callback = answer.headers()["location"].to_str().unwrap();
    assert!(callback.starts_with(REDIRECT), "{callback}");
    oauth.handle_callback_url(callback).await.unwrap();

    let manager = oauth.into_authorization_manager().unwrap();
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(served.url());
    let transport = StreamableHttpClientTransport::with_client(client, config);
    Client(().serve(transport).await.unwrap())
}

struct Client(RunningService<RoleClient, ()>);

impl Client {
    /// The tool's text, or what refused it.
    async fn call(&self, tool: &'static str) -> Result<String, String> {
        let called = self.0.call_tool(CallToolRequestParams::new(tool)).await;
        let result = called.map_err(|error| error.to_string())?;
        let value = serde_json::to_value(&result).unwrap();
        Ok(value["content"][0]["text"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test]
async fn a_client_signs_in_and_calls_what_its_user_has_allowed() {
    let served = Served::start().await;
    let client = sign_in(&served, "alice@acme.test", &["openid", "notes:write"]).await;
    let tools = client.0.list_all_tools().await.unwrap();
    assert_eq!(tools.len(), 3);
    let who = client.call("who_am_i").await.unwrap();
    assert!(who.starts_with("user_01ALICE000000000000000000 by client_"), "{who}");
    assert_eq!(client.call("write_note").await.unwrap(), "written");
    let notes = client.call("shared_notes").await.unwrap();
    assert_eq!(notes, "the notes of org_01ACME0000000000000000000");
}

#[tokio::test]
async fn a_client_that_is_known_by_its_metadata_document_needs_no_registration() {
    let served = Served::start().await;
    let document = served.publish_client(REDIRECT);
    let client = AuthorizationRequest::new(REDIRECT).with_client_metadata_url(&document);
    let client = sign_in_as(&served, "alice@acme.test", &["openid"], client).await;
    let who = client.call("who_am_i").await.unwrap();
    assert_eq!(who, format!("user_01ALICE000000000000000000 by {document}"));
}

#[tokio::test]
async fn a_client_is_refused_what_its_user_has_not_allowed() {
    let served = Served::start().await;
    let client = sign_in(&served, "carol@example.test", &["openid"]).await;
    assert!(client.call("who_am_i").await.unwrap().starts_with("user_01CAROL"));
    let refused = client.call("write_note").await.unwrap_err();
    assert!(refused.contains("scope"), "{refused}");
    let refused = client.call("shared_notes").await.unwrap_err();
    assert!(refused.contains("organization"), "{refused}");
}

#[tokio::test]
async fn a_client_refreshes_its_token() {
    let served = Served::start().await;
    served.emulator.set_token_ttl(Duration::from_secs(1));
    let client = sign_in(&served, "alice@acme.test", &["openid", "offline_access"]).await;
    let before = served.emulator.calls(Endpoint::ConnectToken);
    tokio::time::sleep(Duration::from_millis(1_500)).await; // the client knows that its token has expired
    assert!(client.call("who_am_i").await.unwrap().starts_with("user_01ALICE"));
    assert!(served.emulator.calls(Endpoint::ConnectToken) > before, "it refreshed");
}

#[tokio::test]
async fn without_a_token_for_this_resource_nothing_is_served() {
    let served = Served::start().await;
    let elsewhere = "https://elsewhere.example.com/mcp";
    let connect = served.emulator.connect();
    connect.add_resource(elsewhere);
    let session = served.emulator.session("alice@acme.test");
    let other = connect.client_token("alice@acme.test", elsewhere, ["notes:write"]);
    let machine = connect.add_machine("Acme Corp", ["notes:write"]);
    let machine = connect.machine_token(&machine.client_id);
    let key = connect.add_api_key("Acme Corp", ["posts:read"]).value;
    for token in ["", "garbage", session.access_token(), &other, &machine, &key] {
        let request = reqwest::Client::new().post(served.url()).bearer_auth(token);
        let answer = request.header("accept", "application/json, text/event-stream").send().await;
        assert_eq!(answer.unwrap().status(), 401);
    }
}
