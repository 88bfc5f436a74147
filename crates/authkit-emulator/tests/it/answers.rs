//! A fault can give every answer that WorkOS documents.

use std::time::{Duration, UNIX_EPOCH};

use authkit_emulator::{Answer, Emulator, Endpoint, Fault, Grant, SignIn};
use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{Stage, answer};

/// A request to the endpoint that would succeed.
async fn call(stage: &Stage, endpoint: Endpoint) -> Result<Response, reqwest::Error> {
    let session = stage.emulator.session("bob@acme.test");
    let request = match endpoint {
        Endpoint::Authenticate => {
            let body = json!({
                "grant_type": "refresh_token",
                "client_id": stage.emulator.client_id(),
                "client_secret": stage.emulator.api_key(),
                "refresh_token": session.refresh_token(),
            });
            stage.http.post(stage.url("/user_management/authenticate")).json(&body)
        }
        Endpoint::Revoke => stage
            .http
            .post(stage.url("/user_management/sessions/revoke"))
            .bearer_auth(stage.emulator.api_key())
            .json(&json!({ "session_id": session.session_id() })),
        Endpoint::Jwks => stage.http.get(stage.url("/sso/jwks/client_emulator")),
        Endpoint::Logout => {
            let url = stage.url("/user_management/sessions/logout");
            stage.http.get(url).query(&[("session_id", session.session_id())])
        }
        other => panic!("no answers of {other:?}"),
    };
    request.send().await
}

#[tokio::test]
async fn every_answer_is_given_as_it_is_documented_and_once() {
    let stage = Stage::new().await;
    let mut given = 0;
    for row in Answer::all().filter(|row| row.status().is_some() && row.body().is_some()) {
        stage.emulator.fault(Fault::answer(row.name()));
        let response = call(&stage, row.endpoint()).await.unwrap();
        assert_eq!(Some(response.status().as_u16()), row.status(), "{}", row.name());
        assert_eq!(response.headers()["content-type"], "application/json", "{}", row.name());
        assert!(response.headers().contains_key("x-request-id"), "{}", row.name());
        assert_eq!(response.json::<Value>().await.ok(), row.body(), "{}", row.name());
        given += 1;
    }
    assert!(given > 100, "{given}");
    assert_eq!((stage.emulator.exchanges(), stage.emulator.pending_faults()), (0, 0));
    for endpoint in [Endpoint::Authenticate, Endpoint::Revoke, Endpoint::Jwks, Endpoint::Logout] {
        assert_eq!(call(&stage, endpoint).await.unwrap().status(), 200, "{endpoint:?}");
    }
}

#[tokio::test]
async fn answers_that_are_no_json_are_given_too() {
    let stage = Stage::new().await;
    for (name, status, content_type) in [
        ("55-502", 502, "text/html"),
        ("55-504", 504, "text/plain"),
        ("odd-empty", 400, "text/plain"),
        ("odd-half", 400, "application/json"),
        ("odd-page", 403, "text/html"),
        ("jwks-page", 200, "text/html"),
        ("logout-page", 200, "text/html"),
    ] {
        stage.emulator.fault(Fault::answer(name));
        let response = call(&stage, Answer::named(name).unwrap().endpoint()).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(response.headers()["content-type"], content_type, "{name}");
        response.json::<Value>().await.unwrap_err();
    }
    for name in ["56", "56-after"] {
        stage.emulator.fault(Fault::answer(name));
        call(&stage, Endpoint::Authenticate).await.unwrap_err();
    }
    for (name, without) in [("57a", "access_token"), ("57b", "refresh_token")] {
        stage.emulator.fault(Fault::answer(name));
        let body = answer(call(&stage, Endpoint::Authenticate).await.unwrap()).await.ok();
        assert!(body.get(without).is_none() && body["user"].is_object(), "{name}: {body}");
    }
}

#[tokio::test]
async fn answers_can_be_asked_for_over_http() {
    let stage = Stage::new().await;
    let rows: Vec<Value> = stage.get("/_emulator/answers").await.json().await.unwrap();
    assert_eq!(rows.len(), Answer::all().count());
    let row = rows.iter().find(|row| row["answer"] == "35").unwrap();
    assert_eq!((&row["status"], &row["endpoint"]), (&json!(403), &json!("authenticate")));
    assert_eq!(row["body"]["code"], "email_verification_required");
    assert_eq!(row["grants"][0], "authorization_code");

    let fault = json!({
        "kind": "answer", "answer": "10", "members": { "extra": [1], "email": null }, "retry_after": 7,
        "grant": "refresh_token", "user": "bob@acme.test", "times": 2,
    });
    assert_eq!(stage.post("/_emulator/faults", &fault).await.status, 201);
    let state: Value = stage.get("/_emulator/state").await.json().await.unwrap();
    let shown = json!({
        "endpoint": "authenticate", "grant": "refresh_token", "user": "bob@acme.test", "kind": "status", "times": 2,
    });
    assert_eq!(state["faults"], json!([shown]));
    let response = call(&stage, Endpoint::Authenticate).await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
    let body: Value = response.json().await.unwrap();
    assert_eq!((&body["error"], &body["extra"]), (&json!("sso_required"), &json!([1])));
    assert_eq!(body["email"], Value::Null);
}

#[tokio::test]
async fn retry_after_is_seconds_or_a_date_by_the_emulators_clock() {
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let builder = Emulator::builder().frozen_at(now).sign_in(SignIn::Automatic);
    let stage = Stage::with(builder).await;
    stage.emulator.fault(Fault::answer("53").retry_after(Duration::from_millis(1_001)));
    stage.emulator.fault(Fault::answer("53").retry_after_date(Duration::from_secs(60)).times(2));
    let date = json!({ "kind": "answer", "answer": "54", "retry_after_date": 3 });
    assert_eq!(stage.post("/_emulator/faults", &date).await.status, 201);

    let mut found = Vec::new();
    for advance in [0, 0, 5, 0] {
        stage.emulator.advance(Duration::from_secs(advance));
        let response = call(&stage, Endpoint::Authenticate).await.unwrap();
        assert_eq!(response.status(), 429);
        found.push(response.headers()["retry-after"].to_str().unwrap().to_owned());
    }
    let expected = [
        "2",
        "Fri, 15 Jan 2027 08:01:00 GMT",
        "Fri, 15 Jan 2027 08:01:05 GMT",
        "Fri, 15 Jan 2027 08:00:08 GMT",
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn members_are_added_changed_and_doubled() {
    let stage = Stage::new().await;
    let fault = Fault::answer("1").member("code", "sso_required").member("error", json!(["x"]));
    stage.emulator.fault(fault);
    let free = json!({ "code": { "deep": 1 }, "message": null });
    stage.emulator.fault(Fault::json(418, &free));
    let changed = answer(call(&stage, Endpoint::Authenticate).await.unwrap()).await;
    assert_eq!(changed.body["code"], "sso_required");
    assert_eq!(changed.body["error"], json!(["x"]));
    assert_eq!(changed.body["error_description"], "Invalid refresh token.");
    let found = answer(call(&stage, Endpoint::Authenticate).await.unwrap()).await;
    assert_eq!((found.status, found.body), (418, free));
}

/// D1: a sign-out whose revocation fails once, three times, always.
#[tokio::test]
async fn d1_a_revocation_fails_as_often_as_asked() {
    let stage = Stage::new().await;
    let key = stage.emulator.api_key();
    for (times, row, status) in
        [(Some(1), "revoke-503", 503), (Some(3), "revoke-429", 429), (None, "revoke-500", 500)]
    {
        let session = stage.emulator.session("bob@acme.test");
        let revoke = || async {
            let request = stage.http.post(stage.url("/user_management/sessions/revoke"));
            let body = json!({ "session_id": session.session_id() });
            request.bearer_auth(key).json(&body).send().await.unwrap().status()
        };
        let fault = Fault::answer(row);
        stage.emulator.fault(match times {
            Some(times) => fault.times(times),
            None => fault.until_cleared(),
        });
        for attempt in 0..times.unwrap_or(5) {
            assert_eq!(revoke().await, status, "{row}, attempt {attempt}");
            assert!(stage.emulator.is_active(session.session_id()), "{row}, attempt {attempt}");
        }
        if times.is_none() {
            stage.emulator.clear_faults();
        }
        assert_eq!(revoke().await, 200, "{row}");
        assert!(!stage.emulator.is_active(session.session_id()), "{row}");
    }
    assert_eq!(stage.emulator.calls(Endpoint::Revoke), 12);
    assert_eq!(stage.emulator.calls(Grant::RefreshToken), 0);
}

#[tokio::test]
#[should_panic(expected = "no answer named 59")]
async fn an_answer_that_does_not_exist_stops_the_test() {
    drop(Fault::answer("59"));
}
