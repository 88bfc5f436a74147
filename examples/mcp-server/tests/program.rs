//! The program as its page has newcomers run it: without an account. A user signs in on the emulator's page.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
};

use rmcp::{
    ServiceExt,
    model::CallToolRequestParams,
    transport::{
        StreamableHttpClientTransport,
        auth::{AuthClient, AuthorizationRequest, OAuthState},
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};

/// The running program; it ends with the test.
struct Program(Child);

impl Program {
    /// Starts it with no variables but free ports, and says what it prints.
    fn start() -> (Self, String) {
        // The port is free when it is chosen and may be taken a moment later, hence more than one try.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-server"));
            command.env_clear().env("PORT", port.to_string()).env("EMULATOR_PORT", "0");
            let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
            let program = Self(process);
            if !line.is_empty() {
                return (program, line.trim().to_owned());
            }
        }
        panic!("it should serve");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn without_an_account_a_user_signs_in_and_calls_a_tool() {
    let (_program, line) = Program::start();
    let line = line.strip_prefix("MCP server at ").unwrap();
    let (url, domain) = line.split_once("; sign in at ").unwrap();

    // The client finds out by itself where to sign in.
    let mut oauth = OAuthState::new(url, None).await.unwrap();
    let request = AuthorizationRequest::new("http://localhost:9/callback").with_scopes(["openid"]);
    oauth.start_authorization(request).await.unwrap();
    let page = oauth.get_authorization_url().await.unwrap();
    assert!(page.starts_with(domain), "{page}");
    let no_redirects = reqwest::redirect::Policy::none();
    let browser = reqwest::Client::builder().redirect(no_redirects).build().unwrap();
    let form = browser.post(page).body("email=bob%40acme.test");
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let answer = form.send().await.unwrap();
    let callback = answer.headers()["location"].to_str().unwrap();
    oauth.handle_callback_url(callback).await.unwrap();

    let manager = oauth.into_authorization_manager().unwrap();
    let client = AuthClient::new(reqwest::Client::new(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(url);
    let transport = StreamableHttpClientTransport::with_client(client, config);
    let client = ().serve(transport).await.unwrap();
    let called = client.call_tool(CallToolRequestParams::new("who_am_i")).await.unwrap();
    let called = serde_json::to_value(&called).unwrap();
    let text = called["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("user_01BOB"), "{text}");
}
