use std::time::Duration;

use authkit_emulator::{Emulator, Endpoint, Seed};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Stage, answer, location};

#[tokio::test]
async fn signing_out_ends_the_session() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test").expired();
    let path = format!("/user_management/sessions/logout?session_id={}", session.session_id());

    let back =
        stage.get(&format!("{path}&return_to=http%3A%2F%2Flocalhost%3A3000%2Fbye%3Fa%3Db")).await;
    assert_eq!(location(&back).as_str(), "http://localhost:3000/bye?a=b");
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));

    let again = stage.get(&path).await;
    assert_eq!(again.status(), 200, "a session that has ended can be signed out of");
    assert!(again.text().await.unwrap().contains("You are signed out"));
    assert_eq!(stage.get("/user_management/sessions/logout").await.status(), 422);
    assert_eq!(stage.emulator.calls(Endpoint::Logout), 3);
}

#[tokio::test]
async fn a_foreign_address_is_not_returned_to() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    for foreign in
        ["https://evil.test/", "//evil.test/", "javascript:alert(1)", "http://localhost.evil.test/"]
    {
        let query = [("session_id", session.session_id()), ("return_to", foreign)];
        let url = stage.url("/user_management/sessions/logout");
        let response = stage.http.get(url).query(&query).send().await.unwrap();
        assert_eq!(response.status(), 400, "{foreign}");
        assert!(!response.text().await.unwrap().contains("evil"), "{foreign}");
    }
    assert!(stage.emulator.is_active(session.session_id()));
}

#[tokio::test]
async fn registered_sign_out_addresses_are_the_only_ones() {
    let seed: Seed = "
users: [{ email: zoe@initech.test }]
logout_uris: ['https://app.initech.test/bye', 'http://localhost:3000/bye']
"
    .parse()
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed)).await;
    let sign_out = |query: &'static str| stage.get(query);

    let default = sign_out("/user_management/sessions/logout?session_id=session_1").await;
    assert_eq!(location(&default).as_str(), "https://app.initech.test/bye");
    let second = sign_out(
        "/user_management/sessions/logout?session_id=session_1&return_to=http://localhost:3000/bye",
    )
    .await;
    assert_eq!(location(&second).as_str(), "http://localhost:3000/bye");
    let other = sign_out(
        "/user_management/sessions/logout?session_id=session_1&return_to=http://localhost:3000/",
    )
    .await;
    assert_eq!(other.status(), 400);
}

#[tokio::test]
async fn revoking_needs_the_key_and_a_session() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let revoke = |key: Option<&str>, body: Value| {
        let mut request =
            stage.http.post(stage.url("/user_management/sessions/revoke")).json(&body);
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        async { answer(request.send().await.unwrap()).await }
    };
    let body = json!({ "session_id": session.session_id() });
    let key = Some(stage.emulator.api_key());

    assert_eq!(revoke(None, body.clone()).await.status, 401);
    assert_eq!(revoke(Some("sk_wrong"), body.clone()).await.status, 401);
    assert!(stage.emulator.is_active(session.session_id()));
    let unknown: Answer = revoke(key, json!({ "session_id": "session_1" })).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.body["message"].is_string());
    assert_eq!(revoke(key, json!({})).await.status, 400);

    assert_eq!(revoke(key, body).await.status, 200);
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_users_sessions_are_listed_newest_first() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(stage.emulator.session("bob@acme.test").session_id().to_owned());
        stage.emulator.advance(Duration::from_secs(1));
    }
    stage.emulator.revoke(&ids[0]);
    let list = |query: &'static [(&str, &str)]| {
        let url = stage.url("/user_management/users/user_01BOB00000000000000000000/sessions");
        let request =
            stage.http.request(Method::GET, url).query(query).bearer_auth(stage.emulator.api_key());
        async { answer(request.send().await.unwrap()).await }
    };
    let shown = |answer: &Value| -> Vec<String> {
        let sessions = answer["data"].as_array().unwrap().iter();
        sessions.map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    let newest_first: Vec<String> = ids.iter().rev().cloned().collect();

    let all = list(&[]).await.ok();
    assert_eq!(all["object"], "list");
    assert_eq!(shown(&all), newest_first);
    assert_eq!(all["list_metadata"], json!({ "before": null, "after": null }));
    let (newest, oldest) = (&all["data"][0], &all["data"][4]);
    assert_eq!((&newest["status"], &newest["ended_at"]), (&json!("active"), &json!(null)));
    assert_eq!(newest["auth_method"], "password");
    assert_eq!(oldest["status"], "revoked");
    assert!(oldest["ended_at"].is_string());

    let first = list(&[("limit", "2")]).await.ok();
    assert_eq!(shown(&first), newest_first[..2]);
    assert_eq!(first["list_metadata"]["after"], newest_first[1]);
    assert_eq!(shown(&list(&[("order", "asc"), ("limit", "1")]).await.ok()), ids[..1]);
    assert_eq!(list(&[("limit", "0")]).await.status, 422);

    let url = stage.url("/user_management/users/user_01BOB00000000000000000000/sessions");
    assert_eq!(stage.http.get(&url).send().await.unwrap().status(), 401);
    let request = stage.http.get(stage.url("/user_management/users/user_1/sessions"));
    assert_eq!(request.bearer_auth(stage.emulator.api_key()).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn pages_of_sessions_follow_each_other() {
    let stage = Stage::new().await;
    for _ in 0..5 {
        drop(stage.emulator.session("bob@acme.test"));
        stage.emulator.advance(Duration::from_secs(1));
    }
    let list = |query: Vec<(&'static str, String)>| {
        let url = stage.url("/user_management/users/user_01BOB00000000000000000000/sessions");
        let request = stage.http.get(url).query(&query).bearer_auth(stage.emulator.api_key());
        async { answer(request.send().await.unwrap()).await.ok() }
    };
    let mut seen = Vec::new();
    let mut query = vec![("limit", "2".to_owned())];
    loop {
        let page = list(query).await;
        seen.extend(page["data"].as_array().unwrap().iter().map(|session| session["id"].clone()));
        let Some(after) = page["list_metadata"]["after"].as_str() else { break };
        query = vec![("limit", "2".to_owned()), ("after", after.to_owned())];
    }
    assert_eq!(seen.len(), 5);

    let back =
        list(vec![("limit", "2".to_owned()), ("before", seen[4].as_str().unwrap().to_owned())])
            .await;
    assert_eq!(back["data"][0]["id"], seen[2]);
    assert_eq!(back["data"][1]["id"], seen[3]);
    assert_eq!(back["list_metadata"], json!({ "before": seen[2], "after": seen[3] }));
}
