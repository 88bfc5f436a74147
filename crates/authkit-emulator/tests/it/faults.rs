use std::time::{Duration, Instant, UNIX_EPOCH};

use authkit_emulator::{Emulator, Endpoint, Fault, Rotation, SignIn};
use reqwest::Response;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{Answer, Stage, answer, claims, refresh_token};

/// A stage with strict rotation, where a retry shows at once whether the work was done.
async fn strict() -> Stage {
    Stage::with(Emulator::builder().rotation(Rotation::Strict).sign_in(SignIn::Automatic)).await
}

async fn try_refresh(stage: &Stage, token: &str) -> Result<Response, reqwest::Error> {
    let body = json!({
        "grant_type": "refresh_token",
        "client_id": stage.emulator.client_id(),
        "client_secret": stage.emulator.api_key(),
        "refresh_token": token,
    });
    stage.http.post(stage.url("/user_management/authenticate")).json(&body).send().await
}

#[tokio::test]
async fn a_status_comes_with_headers_and_a_body_and_does_nothing() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(
        Fault::status(429)
            .header("retry-after", "7")
            .header("x-a", "1")
            .header("x-a", "2")
            .body(r#"{"message":"slow"}"#),
    );

    let response = try_refresh(&stage, session.refresh_token()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"7".parse().unwrap())
    );
    assert_eq!(response.headers().get_all("x-a").iter().count(), 2);
    assert_eq!(response.json::<Value>().await.unwrap(), json!({ "message": "slow" }));
    assert_eq!(stage.emulator.exchanges(), 0);
    stage.refresh(session.refresh_token()).await.ok();
}

#[tokio::test]
async fn errors_have_workoss_shapes() {
    let stage = strict().await;
    stage.emulator.fault(Fault::oauth_error("sso_required"));
    stage.emulator.fault(Fault::error(403, "mfa_enrollment"));
    let oauth = stage.refresh("x").await;
    assert_eq!(oauth.error(), (400, "sso_required"));
    assert!(oauth.body["error_description"].is_string() && oauth.body.get("code").is_none());
    let coded = stage.refresh("x").await;
    assert_eq!(coded.error(), (403, "mfa_enrollment"));
    assert!(coded.body["message"].is_string() && coded.body.get("error").is_none());
}

#[tokio::test]
async fn latency_comes_before_the_work_and_a_late_reply_after() {
    const FOREVER: Duration = Duration::from_secs(600);

    let stage = strict().await;
    for (fault, exchanges) in [(Fault::latency(FOREVER), 0), (Fault::late_reply(FOREVER), 1)] {
        stage.emulator.reset_calls();
        let session = stage.emulator.session("bob@acme.test");
        stage.emulator.fault(fault.clone());
        let mut request = Box::pin(stage.refresh(session.refresh_token()));
        let arrived = async {
            while stage.emulator.calls(Endpoint::Authenticate) == 0
                || stage.emulator.exchanges() < exchanges
            {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        tokio::select! {
            answer = &mut request => panic!("{fault:?}: {answer:?}"),
            () = arrived => {}
        }
        assert_eq!(stage.emulator.exchanges(), exchanges, "{fault:?}");
    }
}

#[tokio::test]
async fn a_late_answer_is_the_right_one() {
    const WAIT: Duration = Duration::from_millis(150);

    let stage = strict().await;
    for fault in [Fault::latency(WAIT), Fault::late_reply(WAIT)] {
        let session = stage.emulator.session("bob@acme.test");
        stage.emulator.fault(fault.clone());
        let started = Instant::now();
        stage.refresh(session.refresh_token()).await.ok();
        assert!(started.elapsed() >= WAIT, "{fault:?}");
    }
}

#[tokio::test]
async fn a_reset_before_has_done_nothing() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::reset_before());
    try_refresh(&stage, session.refresh_token()).await.unwrap_err();
    assert_eq!(stage.emulator.exchanges(), 0);
    stage.refresh(session.refresh_token()).await.ok();
}

#[tokio::test]
async fn a_reset_after_has_spent_the_token() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::reset_after());
    try_refresh(&stage, session.refresh_token()).await.unwrap_err();
    assert_eq!(stage.emulator.exchanges(), 1);
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_lost_reply_can_be_had_again_inside_the_grace() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::reset_after());
    try_refresh(&stage, session.refresh_token()).await.unwrap_err();
    let retried = stage.refresh(session.refresh_token()).await.ok();
    stage.refresh(refresh_token(&retried)).await.ok();
    assert_eq!(stage.emulator.exchanges(), 2);
}

/// At the level of TCP, so that a polite close cannot pass for a reset.
#[tokio::test]
async fn a_reset_is_a_reset() {
    let stage = Stage::new().await;
    for fault in [Fault::reset_before(), Fault::reset_after()] {
        stage.emulator.fault(fault.clone().on(Endpoint::Jwks));
        let mut stream =
            TcpStream::connect(stage.emulator.url().trim_start_matches("http://")).await.unwrap();
        stream
            .write_all(b"GET /sso/jwks/client_emulator HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut received = Vec::new();
        let error = timeout(Duration::from_secs(30), stream.read_to_end(&mut received))
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{fault:?}");
        assert!(received.is_empty(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_truncated_body_announces_more_than_it_sends() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::truncated());
    let mut response = try_refresh(&stage, session.refresh_token()).await.unwrap();
    assert_eq!(response.status(), 200);
    let announced = response.content_length().unwrap();
    let mut received = 0;
    let error = loop {
        match response.chunk().await {
            Ok(Some(chunk)) => received += chunk.len() as u64,
            Ok(None) => panic!("the body looks whole"),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert_eq!(received, announced / 2);
    assert_eq!(stage.emulator.exchanges(), 1);
}

/// How long it pauses is checked beside the code, where no time passes.
#[tokio::test]
async fn a_slow_body_comes_in_pieces_and_whole() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::slow(400, Duration::from_secs(60 * 60)));
    let mut response = try_refresh(&stage, session.refresh_token()).await.unwrap();
    assert!(response.content_length().unwrap() > 800, "three pieces at least");
    let piece = response.chunk().await.unwrap().unwrap();
    assert_eq!(piece.len(), 400, "the next piece is an hour away");

    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::slow(400, Duration::from_millis(1)));
    let answer = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(answer["user"]["email"], "bob@acme.test");
}

#[tokio::test]
async fn another_body_has_done_nothing() {
    let stage = strict().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::wrong_json());
    stage.emulator.fault(Fault::html());
    let json = stage.refresh(session.refresh_token()).await.ok();
    assert!(json.is_object() && json.get("access_token").is_none());
    let html = stage.refresh(session.refresh_token()).await.ok();
    assert!(html.as_str().unwrap().starts_with("<!doctype html>"));
    assert_eq!(stage.emulator.exchanges(), 0);
}

#[tokio::test]
async fn a_huge_body_is_right_but_huge() {
    let stage = strict().await;
    stage.emulator.fault(Fault::huge(3_000_001).on(Endpoint::Jwks));
    let response = stage.get("/sso/jwks/client_emulator").await;
    assert_eq!(response.content_length(), None);
    let body = response.bytes().await.unwrap();
    let genuine = stage.emulator.jwks();
    assert_eq!(body.len(), 3_000_001 + genuine.to_string().len());
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap(), genuine);
}

#[tokio::test]
async fn a_wrong_clock_shows_in_the_token_alone() {
    let start = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let stage = Stage::with(Emulator::builder().frozen_at(start)).await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::clock_ahead(Duration::from_secs(600)));
    stage.emulator.fault(Fault::clock_behind(Duration::from_secs(600)));

    let ahead = stage.refresh(session.refresh_token()).await.ok();
    let behind = stage.refresh(refresh_token(&ahead)).await.ok();
    let right = stage.refresh(refresh_token(&behind)).await.ok();
    for (answer, expected) in
        [(ahead, 1_800_000_600), (behind, 1_799_999_400), (right, 1_800_000_000)]
    {
        let claims = claims(&answer);
        assert_eq!((&claims["iat"], &claims["exp"]), (&json!(expected), &json!(expected + 300)));
    }
}

#[tokio::test]
async fn one_exchange_can_be_strict() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.refresh(session.refresh_token()).await.ok();
    stage.emulator.fault(Fault::strict_rotation());
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
    stage.refresh(session.refresh_token()).await.ok();
}

#[tokio::test]
async fn a_refresh_can_change_the_session_id() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("alice@acme.test").organization("Globex");
    stage.emulator.fault(Fault::new_session_id());
    let renewed = stage.refresh(session.refresh_token()).await.ok();
    let sid = claims(&renewed)["sid"].as_str().unwrap().to_owned();

    assert_ne!(sid, session.session_id());
    assert!(stage.emulator.is_active(&sid) && !stage.emulator.is_active(session.session_id()));
    assert_eq!(
        stage.refresh(session.refresh_token()).await.ok(),
        renewed,
        "the replay is the same pair"
    );
    let next = stage.refresh(refresh_token(&renewed)).await.ok();
    assert_eq!(
        (&claims(&next)["sid"], &claims(&next)["org_id"]),
        (&json!(sid), &claims(&renewed)["org_id"])
    );

    stage.emulator.revoke(&sid);
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn an_answer_can_lack_the_refresh_token() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.emulator.fault(Fault::no_refresh_token());
    let without = stage.refresh(session.refresh_token()).await.ok();
    assert!(without.get("refresh_token").is_none() && without["access_token"].is_string());
    let replayed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(replayed["access_token"], without["access_token"]);
    stage.refresh(refresh_token(&replayed)).await.ok();
}

#[tokio::test]
async fn faults_happen_in_order_and_as_often_as_said() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::status(500).times(2));
    stage.emulator.fault(Fault::status(404).on(Endpoint::Jwks));
    stage.emulator.fault(Fault::status(502).times(0));
    stage.emulator.fault(Fault::status(503));
    stage.emulator.fault(Fault::status(429).until_cleared());
    stage.emulator.fault(Fault::status(418));

    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(stage.refresh("x").await.status);
    }
    assert_eq!(statuses, [500, 500, 503, 429, 429, 429]);
    assert_eq!(stage.get("/sso/jwks/client_emulator").await.status(), 404);
    assert_eq!(stage.get("/sso/jwks/client_emulator").await.status(), 200);

    stage.emulator.clear_faults();
    assert_eq!(stage.refresh("x").await.error(), (400, "invalid_grant"));
    assert_eq!(stage.emulator.calls(Endpoint::Authenticate), 7, "faults count as calls");
}

#[tokio::test]
async fn every_endpoint_can_fail() {
    let stage = Stage::new().await;
    let key = stage.emulator.api_key();
    for (endpoint, request) in [
        (Endpoint::Authorize, stage.http.get(stage.authorize_url(&[]))),
        (Endpoint::Authorize, stage.http.post(stage.authorize_url(&[]))),
        (Endpoint::Authenticate, stage.http.post(stage.url("/user_management/authenticate"))),
        (Endpoint::Jwks, stage.http.get(stage.url("/sso/jwks/any"))),
        (Endpoint::Jwks, stage.http.get(stage.url("/user_management/sessions/jwks/any"))),
        (
            Endpoint::Logout,
            stage.http.get(stage.url("/user_management/sessions/logout?session_id=x")),
        ),
        (
            Endpoint::Revoke,
            stage.http.post(stage.url("/user_management/sessions/revoke")).bearer_auth(key),
        ),
        (
            Endpoint::Sessions,
            stage.http.get(stage.url("/user_management/users/x/sessions")).bearer_auth(key),
        ),
    ] {
        stage.emulator.fault(Fault::status(599).on(endpoint));
        assert_eq!(request.send().await.unwrap().status(), 599, "{endpoint:?}");
    }
    let total: u64 = Endpoint::ALL.into_iter().map(|endpoint| stage.emulator.calls(endpoint)).sum();
    assert_eq!(total, 8);
}

#[tokio::test]
async fn faults_travel_over_http_too() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let add = |fault: Value| async move { fault };
    let fault = add(json!({
        "kind": "status", "status": 503, "headers": { "retry-after": "2" }, "body": { "message": "down" }, "times": 2,
    }));
    assert_eq!(stage.post("/_emulator/faults", &fault.await).await.status, 201);
    let reset = json!({ "kind": "reset_after", "endpoint": "jwks", "times": "until_cleared" });
    assert_eq!(stage.post("/_emulator/faults", &reset).await.status, 201);

    let state: Value = stage.get("/_emulator/state").await.json().await.unwrap();
    assert_eq!(
        state["faults"],
        json!([
            { "endpoint": "authenticate", "kind": "status", "times": 2 },
            { "endpoint": "jwks", "kind": "reset_after", "times": "until_cleared" },
        ])
    );
    let response = try_refresh(&stage, session.refresh_token()).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "2");
    assert_eq!(answer(response).await.body, json!({ "message": "down" }));
    stage.http.get(stage.url("/sso/jwks/client_emulator")).send().await.unwrap_err();

    let cleared = stage.http.delete(stage.url("/_emulator/faults")).send().await.unwrap();
    assert_eq!(cleared.status(), 204);
    stage.refresh(session.refresh_token()).await.ok();

    let refused = stage.post("/_emulator/faults", &json!({ "kind": "flood" })).await;
    assert_eq!(refused.status, 422);
    assert!(refused.body["message"].as_str().unwrap().contains("flood"));
}

#[tokio::test]
async fn everything_else_can_be_controlled_over_http() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let post = |path: &'static str, body: Value| {
        let stage = &stage;
        async move { stage.post(path, &body).await }
    };
    let state = || async { stage.get("/_emulator/state").await.json::<Value>().await.unwrap() };

    assert_eq!(
        post("/_emulator/settings", json!({ "token_ttl": 7, "replay_grace": 0 })).await.status,
        204
    );
    let settings = state().await;
    assert_eq!((&settings["token_ttl"], &settings["replay_grace"]), (&json!(7), &json!(0)));
    stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));

    let key: Answer = post("/_emulator/keys", json!({ "sign": true })).await;
    let kid = key.body["kid"].as_str().unwrap().to_owned();
    assert_eq!((key.status, stage.emulator.keys().signing_id()), (201, kid));
    let second = post("/_emulator/keys", json!({})).await.body["kid"].as_str().unwrap().to_owned();
    assert_ne!(stage.emulator.keys().signing_id(), second);
    let retire = || stage.http.delete(stage.url(&format!("/_emulator/keys/{second}"))).send();
    assert_eq!(retire().await.unwrap().status(), 204);
    assert_eq!(retire().await.unwrap().status(), 404);
    assert_eq!(stage.emulator.keys().ids().len(), 2);

    let revoke =
        || post("/_emulator/sessions/revoke", json!({ "session_id": session.session_id() }));
    assert_eq!(revoke().await.status, 204);
    assert!(!stage.emulator.is_active(session.session_id()));
    assert_eq!(
        post("/_emulator/sessions/revoke", json!({ "session_id": "session_1" })).await.status,
        404
    );

    assert_eq!(state().await["calls"]["authenticate"], 2);
    assert_eq!(state().await["exchanges"], 1);
    stage.http.delete(stage.url("/_emulator/counts")).send().await.unwrap();
    assert_eq!(state().await["calls"]["authenticate"], 0);
}

#[tokio::test]
async fn other_sites_cannot_control_it() {
    let stage = Stage::new().await;
    let fault = json!({ "kind": "html" });
    for host in ["evil.test", "evil.test:4100", "localhost.evil.test", "10.0.0.1", ""] {
        let request =
            stage.http.post(stage.url("/_emulator/faults")).header("host", host).json(&fault);
        assert_eq!(request.send().await.unwrap().status(), 403, "{host}");
    }
    // What a page can send without being asked first: a form, or text.
    for content_type in ["text/plain", "application/x-www-form-urlencoded"] {
        let request =
            stage.http.post(stage.url("/_emulator/faults")).header("content-type", content_type);
        assert_eq!(
            request.body(fault.to_string()).send().await.unwrap().status(),
            415,
            "{content_type}"
        );
    }
    let state: Value = stage.get("/_emulator/state").await.json().await.unwrap();
    assert_eq!(state["faults"], json!([]));
    for host in ["localhost", "app.localhost:3000", "127.0.0.1", "[::1]:4100"] {
        let request = stage.http.get(stage.url("/_emulator/state")).header("host", host);
        assert_eq!(request.send().await.unwrap().status(), 200, "{host}");
    }
}
