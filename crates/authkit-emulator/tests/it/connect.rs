//! Clients of the AuthKit domain whose id is the address of their metadata document.

use serde_json::{Value, json};
use url::Url;

use crate::support::{
    Answer, CALLBACK, CHALLENGE, Stage, VERIFIER, answer, claims, location, parameter,
};

const CLIENT: &str = "https://client.example.com/oauth.json";

fn document() -> Value {
    json!({ "client_id": CLIENT, "client_name": "A client", "redirect_uris": [CALLBACK] })
}

/// An authorization URL of a client.
fn authorize_url(stage: &Stage, client_id: &str, redirect_uri: &str) -> Url {
    let parameters = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    Url::parse_with_params(&stage.url("/oauth2/authorize"), parameters).unwrap()
}

async fn exchange(stage: &Stage, client_id: &str, code: &str) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client_id),
        ("redirect_uri", CALLBACK),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    answer(stage.http.post(stage.url("/oauth2/token")).form(&form).send().await.unwrap()).await
}

#[tokio::test]
async fn a_server_supports_metadata_documents_once_it_knows_one() {
    let stage = Stage::new().await;
    let metadata = async || {
        let answer = stage.get("/.well-known/oauth-authorization-server").await;
        answer.json::<Value>().await.unwrap()
    };
    assert_eq!(
        metadata().await["client_id_metadata_document_supported"],
        false,
        "WorkOS's default"
    );
    stage.emulator.connect().add_client_document(&document());
    assert_eq!(metadata().await["client_id_metadata_document_supported"], true);
    assert!(metadata().await["registration_endpoint"].is_string(), "older clients register");
}

#[tokio::test]
async fn a_client_known_by_its_document_signs_in_where_the_document_says_and_nowhere_else() {
    let stage = Stage::new().await;
    let show = async |client_id: &str, redirect_uri: &str| {
        stage.http.get(authorize_url(&stage, client_id, redirect_uri)).send().await.unwrap()
    };
    assert_eq!(show(CLIENT, CALLBACK).await.status(), 400, "nobody has published it");
    stage.emulator.connect().add_client_document(&document());

    let refused = [
        ("another address", CLIENT, "http://localhost:3000/elsewhere"),
        ("another host", CLIENT, "https://evil.example.com/callback"),
        ("another client", "https://client.example.com/other.json", CALLBACK),
    ];
    for (name, client_id, redirect_uri) in refused {
        assert_eq!(show(client_id, redirect_uri).await.status(), 400, "{name}");
    }

    let back = location(&show(CLIENT, CALLBACK).await);
    let code = parameter(&back, "code").unwrap();
    let tokens = exchange(&stage, CLIENT, &code).await.ok();
    assert_eq!(claims(&tokens)["client_id"], CLIENT);

    let back = location(&show(CLIENT, CALLBACK).await);
    let code = parameter(&back, "code").unwrap();
    let stolen = exchange(&stage, "https://client.example.com/other.json", &code).await;
    assert_eq!(stolen.error(), (401, "invalid_client"));
}

#[tokio::test]
async fn a_document_that_workos_could_not_use_is_refused() {
    let with = |name: &str, value: Value| {
        let mut document = document();
        document[name] = value;
        document
    };
    let documents = [
        ("no id", with("client_id", Value::Null)),
        ("plain http", with("client_id", json!("http://client.example.com/oauth.json"))),
        ("no path", with("client_id", json!("https://client.example.com/"))),
        ("a fragment", with("client_id", json!("https://client.example.com/oauth.json#x"))),
        ("a user", with("client_id", json!("https://u:p@client.example.com/oauth.json"))),
        ("a line break", with("client_id", json!("https://client.example.com/oauth\n.json"))),
        ("no way back", with("redirect_uris", json!([]))),
        ("a way back that is none", with("redirect_uris", json!([CALLBACK, "/callback"]))),
        ("a way back of another type", with("redirect_uris", json!([CALLBACK, 7]))),
    ];
    for (name, document) in documents {
        let stage = Stage::new().await;
        let add = || stage.emulator.connect().add_client_document(&document);
        let added = std::panic::catch_unwind(std::panic::AssertUnwindSafe(add));
        assert!(added.is_err(), "{name}");
    }
}
