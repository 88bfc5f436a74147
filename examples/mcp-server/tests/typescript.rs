//! The client of the official TypeScript SDK signs in, calls the tools, is refused a tool that it may not call, and
//! refreshes.
//!
//! `cargo xtask deep` installs the SDK; `AUTHKIT_PEERS` names the folder.

mod support;

use std::{path::PathBuf, process::Stdio};

use authkit_emulator::Endpoint;
use serde_json::Value;
use tokio::process::Command;

use crate::support::Served;

/// The result of each tool, for a client that registers itself.
async fn run(served: &Served, email: &str, scope: &str, tools: &[&str]) -> Vec<Value> {
    run_as(None, served, email, scope, tools).await
}

/// The same for a client that may have a metadata document.
async fn run_as(
    document: Option<&str>,
    served: &Served,
    email: &str,
    scope: &str,
    tools: &[&str],
) -> Vec<Value> {
    let peers = std::env::var_os("AUTHKIT_PEERS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        PathBuf::from,
    );
    let folder = peers.join("mcp");
    let script = folder.join("client.mjs");
    let sdk = folder.join("node_modules/@modelcontextprotocol/sdk");
    assert!(sdk.exists(), "the SDK is not in {}: run `cargo xtask deep` once", folder.display());
    // Node looks for packages beside the script.
    std::fs::write(&script, include_str!("client.mjs")).unwrap();
    let output = Command::new(folder.join("node_modules/.bin/node"))
        .arg(&script)
        .args([&served.url(), email, scope])
        .args(tools)
        .envs(document.map(|document| ("CLIENT_METADATA_URL", document)))
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_typescript_client_signs_in_calls_the_tools_and_refreshes() {
    let served = Served::start().await;
    let tools = ["who_am_i", "write_note", "shared_notes", "refresh", "who_am_i"];
    let scope = "openid notes:write offline_access";
    let lines = run(&served, "alice@acme.test", scope, &tools).await;
    let texts: Vec<_> =
        lines.iter().map(|line| line["text"].as_str().unwrap_or("refused")).collect();
    assert!(texts[0].starts_with("user_01ALICE"), "{lines:?}");
    assert_eq!(texts[1..3], ["written", "the notes of org_01ACME0000000000000000000"], "{lines:?}");
    assert!(texts[3].starts_with("user_01ALICE"), "{lines:?}");
    assert_eq!(served.emulator.calls(Endpoint::ConnectToken), 2, "a code and a refresh");
}

#[tokio::test]
async fn a_typescript_client_that_is_known_by_its_metadata_document_needs_no_registration() {
    let served = Served::start().await;
    let document = served.publish_client("http://localhost:9/callback");
    let run = run_as(Some(&document), &served, "alice@acme.test", "openid", &["who_am_i"]);
    let lines = run.await;
    assert_eq!(lines[0]["text"], format!("user_01ALICE000000000000000000 by {document}"));
}

#[tokio::test]
async fn a_typescript_client_is_refused_what_its_user_has_not_allowed() {
    let served = Served::start().await;
    let tools = ["who_am_i", "write_note", "shared_notes"];
    let lines = run(&served, "carol@example.test", "openid", &tools).await;
    assert!(lines[0]["text"].as_str().unwrap().starts_with("user_01CAROL"), "{lines:?}");
    assert!(lines[1]["refused"].as_str().unwrap().contains("scope"), "{lines:?}");
    assert!(lines[2]["refused"].as_str().unwrap().contains("organization"), "{lines:?}");
}
