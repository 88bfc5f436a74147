use std::time::Duration;

use authkit_emulator::{Emulator, Seed, SignIn};
use reqwest::header::AUTHORIZATION;
use serde_json::json;

use crate::support::{
    ACME, CALLBACK, CHALLENGE, GLOBEX, Stage, VERIFIER, answer, claims, location, parameter,
    refresh_token,
};

#[tokio::test]
async fn a_code_becomes_a_session_once() {
    let stage = Stage::new().await;
    let back = stage.authorize(&[("state", "st /=ü&1"), ("login_hint", "BOB@acme.test")]).await;
    assert!(back.as_str().starts_with(CALLBACK));
    assert_eq!(parameter(&back, "state").as_deref(), Some("st /=ü&1"));
    let code = parameter(&back, "code").unwrap();

    let body = stage.exchange(&code).await.ok();
    assert_eq!(body["user"]["email"], "bob@acme.test");
    assert_eq!(body["user"]["object"], "user");
    assert_eq!(body["organization_id"], ACME);
    assert_eq!(body["authentication_method"], "Password");
    assert!(body.get("impersonator").is_none() && body.get("sealed_session").is_none());
    stage.refresh(refresh_token(&body)).await.ok();

    assert_eq!(stage.exchange(&code).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn the_access_token_has_productions_claims() {
    let stage = Stage::new().await;
    let body = stage.exchange(&stage.code(&[]).await).await.ok();
    let claims = stage.verify(body["access_token"].as_str().unwrap()).await.unwrap();

    assert_eq!(claims["iss"], format!("{}/user_management/client_emulator", stage.emulator.url()));
    assert_eq!(claims["sub"], body["user"]["id"]);
    assert!(claims["sid"].as_str().unwrap().starts_with("session_"));
    assert_eq!(claims["client_id"], "client_emulator");
    assert_eq!(claims["org_id"], ACME);
    assert_eq!(claims["role"], "admin");
    assert_eq!(claims["roles"], json!(["admin"]));
    assert_eq!(
        claims["permissions"],
        json!(["posts:read", "posts:write", "audit:read", "members:manage"])
    );
    assert_eq!(claims["entitlements"], json!(["audit-logs", "sso"]));
    assert_eq!(claims["feature_flags"], json!(["beta-dashboard", "new-billing"]));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    assert_eq!(claims["auth_time"], claims["iat"]);
    for absent in ["aud", "act", "nbf", "scope", "impersonator"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn somebody_without_an_organization_has_none_of_its_claims() {
    let stage = Stage::new().await;
    let body =
        stage.exchange(&stage.code(&[("login_hint", "carol@example.test")]).await).await.ok();
    assert!(body.get("organization_id").is_none());
    for absent in ["org_id", "role", "roles", "permissions", "entitlements"] {
        assert!(claims(&body).get(absent).is_none(), "{absent}");
    }
}

#[tokio::test]
async fn pkce_must_match_when_it_was_asked_for() {
    let stage = Stage::new().await;
    let code =
        stage.code(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]).await;
    let exchange = |verifier| {
        stage.authenticate(
            json!({ "grant_type": "authorization_code", "code": code, "code_verifier": verifier }),
        )
    };

    assert_eq!(stage.exchange(&code).await.error(), (400, "invalid_request"), "no verifier");
    assert_eq!(exchange("wrong").await.error(), (400, "invalid_grant"), "another verifier");
    assert_eq!(exchange(CHALLENGE).await.error(), (400, "invalid_grant"), "the challenge itself");
    exchange(VERIFIER).await.ok();
    assert_eq!(exchange(VERIFIER).await.error(), (400, "invalid_grant"), "a second time");
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let stage = Stage::new().await;
    let code = stage.code(&[]).await;
    let body =
        json!({ "grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER });
    assert_eq!(stage.authenticate(body).await.error(), (400, "code_challenge_not_found"));
}

#[tokio::test]
async fn a_public_client_needs_pkce_and_no_secret() {
    let stage = Stage::new().await;
    let with_pkce =
        stage.code(&[("code_challenge", CHALLENGE), ("code_challenge_method", "S256")]).await;
    let body =
        json!({ "grant_type": "authorization_code", "code": with_pkce, "code_verifier": VERIFIER });
    let session = stage.authenticate_publicly(body).await.ok();
    let body = json!({ "grant_type": "refresh_token", "refresh_token": refresh_token(&session) });
    stage.authenticate_publicly(body).await.ok();

    let without_pkce = stage.code(&[]).await;
    let body = json!({ "grant_type": "authorization_code", "code": without_pkce });
    assert_eq!(stage.authenticate_publicly(body).await.status, 401);

    let confidential = stage.emulator.session("bob@acme.test");
    let body =
        json!({ "grant_type": "refresh_token", "refresh_token": confidential.refresh_token() });
    assert_eq!(
        stage.authenticate_publicly(body).await.status,
        401,
        "a confidential session needs the secret"
    );
}

#[tokio::test]
async fn the_client_must_be_who_it_says() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let body = |client_id: &str, secret: Option<&str>| {
        let mut body = json!({
            "grant_type": "refresh_token", "client_id": client_id, "refresh_token": session.refresh_token(),
        });
        body["client_secret"] = json!(secret);
        body
    };
    let post = |body, bearer: Option<&str>| {
        let mut request = stage.http.post(stage.url("/user_management/authenticate")).json(&body);
        if let Some(key) = bearer {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        async { answer(request.send().await.unwrap()).await }
    };
    let (id, key) = (stage.emulator.client_id(), stage.emulator.api_key());

    assert_eq!(post(body("client_other", Some(key)), None).await.error(), (400, "invalid_client"));
    assert_eq!(post(body(id, Some("sk_wrong")), None).await.status, 401);
    assert_eq!(post(body(id, None), Some("sk_wrong")).await.status, 401);
    let refused = post(body(id, Some("sk_wrong")), Some("sk_wrong")).await;
    assert_eq!(refused.status, 401);
    assert!(refused.body["message"].is_string());
    assert_eq!(stage.emulator.exchanges(), 0);

    let by_bearer = post(body(id, None), Some(key)).await.ok();
    let by_secret = post(body(id, Some(key)), None).await.ok();
    assert_eq!(by_bearer, by_secret, "the second is a replay of the first");
}

#[tokio::test]
async fn codes_expire_after_ten_minutes() {
    let stage = Stage::new().await;
    let (early, late) = (stage.code(&[]).await, stage.code(&[]).await);
    stage.emulator.advance(Duration::from_secs(599));
    stage.exchange(&early).await.ok();
    stage.emulator.advance(Duration::from_secs(1));
    assert_eq!(stage.exchange(&late).await.error(), (400, "invalid_grant"));
}

#[tokio::test]
async fn a_form_is_as_good_as_json() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", stage.emulator.client_id()),
        ("client_secret", stage.emulator.api_key()),
        ("refresh_token", session.refresh_token()),
    ];
    let response = stage
        .http
        .post(stage.url("/user_management/authenticate"))
        .form(&form)
        .send()
        .await
        .unwrap();
    assert_eq!(answer(response).await.ok()["user"]["email"], "bob@acme.test");
}

#[tokio::test]
async fn malformed_requests_are_named() {
    let stage = Stage::new().await;
    let post = |body: &'static str| {
        stage.http.post(stage.url("/user_management/authenticate")).body(body).send()
    };
    for body in ["", "{", "[]", "null", r#"{"grant_type":5}"#] {
        assert_eq!(
            answer(post(body).await.unwrap()).await.error(),
            (400, "invalid_request"),
            "{body}"
        );
    }
    let unsupported = stage.authenticate(json!({ "grant_type": "client_credentials" })).await;
    assert_eq!(unsupported.error(), (400, "invalid_request"));
    let huge = "x".repeat(65 * 1024);
    let response = stage
        .http
        .post(stage.url("/user_management/authenticate"))
        .body(huge)
        .send()
        .await
        .unwrap();
    assert_eq!(answer(response).await.error(), (400, "invalid_request"));
}

#[tokio::test]
async fn a_password_signs_in_or_says_what_is_missing() {
    let stage = Stage::new().await;
    let sign_in = |email: &str, password: &str| {
        stage
            .authenticate(json!({ "grant_type": "password", "email": email, "password": password }))
    };

    let body = sign_in("bob@acme.test", "bob-password").await.ok();
    assert_eq!(
        (&body["organization_id"], &body["authentication_method"]),
        (&json!(ACME), &json!("Password"))
    );
    assert_eq!(sign_in("bob@acme.test", "wrong").await.error(), (400, "invalid_credentials"));
    assert_eq!(
        sign_in("nobody@acme.test", "bob-password").await.error(),
        (400, "invalid_credentials")
    );

    let public =
        json!({ "grant_type": "password", "email": "bob@acme.test", "password": "bob-password" });
    assert_eq!(stage.authenticate_publicly(public).await.status, 401);

    let several = sign_in("alice@acme.test", "alice-password").await;
    assert_eq!(several.error(), (403, "organization_selection_required"));
    assert_eq!(several.body["organizations"][1], json!({ "id": GLOBEX, "name": "Globex" }));
    let select = |organization_id: &str| {
        stage.authenticate(json!({
            "grant_type": "urn:workos:oauth:grant-type:organization-selection",
            "pending_authentication_token": several.body["pending_authentication_token"],
            "organization_id": organization_id,
        }))
    };
    assert_eq!(select("org_01NOWHERE").await.error(), (400, "organization_not_found"));
    assert_eq!(claims(&select(GLOBEX).await.ok())["org_id"], GLOBEX);
    assert_eq!(select(GLOBEX).await.error(), (400, "invalid_pending_authentication_token"));
}

#[tokio::test]
async fn an_unverified_address_is_verified_first() {
    let seed: Seed = "users: [{ email: zoe@initech.test, password: hunter22 }]".parse().unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed)).await;
    let body =
        json!({ "grant_type": "password", "email": "zoe@initech.test", "password": "hunter22" });

    let stopped = stage.authenticate(body.clone()).await;
    assert_eq!(stopped.error(), (403, "email_verification_required"));
    assert_eq!(stopped.body["email"], "zoe@initech.test");
    let verify = |code: String| {
        stage.authenticate(json!({
            "grant_type": "urn:workos:oauth:grant-type:email-verification:code",
            "pending_authentication_token": stopped.body["pending_authentication_token"],
            "code": code,
        }))
    };
    assert_eq!(verify("0000000".to_owned()).await.error(), (400, "invalid_one_time_code"));
    let code = stage.emulator.people().verification_code("zoe@initech.test").unwrap();
    assert_eq!(verify(code).await.ok()["user"]["email_verified"], true);
    assert_eq!(stage.emulator.people().verification_code("zoe@initech.test"), None);
    stage.authenticate(body).await.ok();
}

#[tokio::test]
async fn automatic_mode_takes_the_hint_the_organization_or_the_first() {
    let stage = Stage::new().await;
    for (more, email, organization) in [
        (&[][..], "alice@acme.test", json!(ACME)),
        (&[("organization_id", GLOBEX)], "alice@acme.test", json!(GLOBEX)),
        (
            &[("login_hint", "alice@acme.test"), ("organization_id", GLOBEX)],
            "alice@acme.test",
            json!(GLOBEX),
        ),
        (&[("login_hint", "bob@acme.test")], "bob@acme.test", json!(ACME)),
        (
            &[("login_hint", "new@acme.test"), ("screen_hint", "sign-up")],
            "new@acme.test",
            json!(null),
        ),
    ] {
        let body = stage.exchange(&stage.code(more).await).await.ok();
        assert_eq!(
            (&body["user"]["email"], &body["organization_id"]),
            (&json!(email), &organization),
            "{more:?}"
        );
    }
}

#[tokio::test]
async fn a_request_that_cannot_succeed_goes_back_with_the_reason() {
    let stage = Stage::new().await;
    for (more, error) in [
        (&[("login_hint", "nobody@acme.test")][..], "user_not_found"),
        (&[("login_hint", "bob@acme.test"), ("organization_id", GLOBEX)], "access_denied"),
        (&[("organization_id", "org_01NOWHERE")], "organization_invalid"),
        (&[("provider", "")], "invalid_connection_selector"),
        (&[("response_type", "token")], "invalid_request"),
        (&[("code_challenge", CHALLENGE)], "invalid_request"),
        (&[("code_challenge", CHALLENGE), ("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge", "short"), ("code_challenge_method", "S256")], "invalid_request"),
    ] {
        let more: Vec<_> = more.iter().copied().chain([("state", "kept")]).collect();
        let back = stage.authorize(&more).await;
        assert!(back.as_str().starts_with(CALLBACK), "{more:?}");
        assert_eq!(parameter(&back, "error").as_deref(), Some(error), "{more:?}");
        assert_eq!(parameter(&back, "state").as_deref(), Some("kept"), "{more:?}");
        assert_eq!(parameter(&back, "code"), None, "{more:?}");
    }
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_that_is_not_one() {
    let stage = Stage::new().await;
    for more in [
        ("redirect_uri", ""),
        ("redirect_uri", "/callback"),
        ("redirect_uri", "javascript:alert(1)"),
        ("redirect_uri", "//evil.test"),
        ("redirect_uri", "http://localhost/\r\nset-cookie: a=b"),
        ("client_id", "client_other"),
        ("client_id", ""),
    ] {
        let response = stage.http.get(stage.authorize_url(&[more])).send().await.unwrap();
        assert_eq!(response.status(), 400, "{more:?}");
        assert!(response.headers().get("location").is_none(), "{more:?}");
    }
}

#[tokio::test]
async fn registered_addresses_are_the_only_ones() {
    let seed: Seed = "
users: [{ email: zoe@initech.test }]
redirect_uris: ['http://localhost:3000/callback']
"
    .parse()
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed).sign_in(SignIn::Automatic)).await;
    assert!(stage.authorize(&[]).await.as_str().starts_with(CALLBACK));
    for other in
        ["http://localhost:3000/callback/2", "http://localhost:3001/callback", "https://evil.test/"]
    {
        let response =
            stage.http.get(stage.authorize_url(&[("redirect_uri", other)])).send().await.unwrap();
        assert_eq!(response.status(), 400, "{other}");
    }
}

#[tokio::test]
async fn a_provider_becomes_the_method() {
    let stage = Stage::new().await;
    let body = stage.exchange(&stage.code(&[("provider", "GoogleOAuth")]).await).await.ok();
    assert_eq!(body["authentication_method"], "GoogleOAuth");
    let body = stage.exchange(&stage.code(&[("login_hint", "dave@acme.test")]).await).await.ok();
    assert_eq!(body["authentication_method"], "Impersonation");
}

#[tokio::test]
async fn a_code_can_arrive_without_a_request() {
    let stage = Stage::new().await;
    let body = stage.exchange(&stage.emulator.authorization_code("dave@acme.test")).await.ok();
    assert_eq!(body["impersonator"]["email"], "support@acme.test");
}

#[tokio::test]
async fn the_page_signs_in_whoever_is_chosen() {
    let stage = Stage::with(Emulator::builder()).await;
    let page = stage.http.get(stage.authorize_url(&[])).send().await.unwrap();
    assert_eq!(page.status(), 200);

    let back = location(
        &stage.choose(&[("state", "s")], &[("user", "user_01BOB00000000000000000000")]).await,
    );
    assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
    let body = stage.exchange(&parameter(&back, "code").unwrap()).await.ok();
    assert_eq!(body["user"]["email"], "bob@acme.test");

    let back = location(&stage.choose(&[], &[("email", " carol@example.test ")]).await);
    let body = stage.exchange(&parameter(&back, "code").unwrap()).await.ok();
    assert_eq!(body["user"]["first_name"], "Carol");
}

#[tokio::test]
async fn an_address_that_nobody_has_becomes_a_new_user() {
    let stage = Stage::with(Emulator::builder()).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let back = location(&stage.choose(&[], &[("email", "new@acme.test")]).await);
        let body = stage.exchange(&parameter(&back, "code").unwrap()).await.ok();
        assert_eq!(body["user"]["email_verified"], true);
        ids.push(body["user"]["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "the second time it is known");
    assert_eq!(stage.emulator.users().len(), 5);

    let refused = stage.choose(&[], &[("email", "not an address")]).await;
    assert_eq!(refused.status(), 422);
}

#[tokio::test]
async fn several_organizations_are_a_choice() {
    let stage = Stage::with(Emulator::builder()).await;
    let alice = ("user", "user_01ALICE000000000000000000");

    let page = stage.choose(&[], &[alice]).await;
    assert_eq!(page.status(), 200);
    let html = page.text().await.unwrap();
    assert!(
        html.contains("Choose an organization") && html.contains(ACME) && html.contains(GLOBEX)
    );

    let back = location(&stage.choose(&[], &[alice, ("organization", GLOBEX)]).await);
    let body = stage.exchange(&parameter(&back, "code").unwrap()).await.ok();
    assert_eq!(body["organization_id"], GLOBEX);

    let back = location(&stage.choose(&[("organization_id", ACME)], &[alice]).await);
    let body = stage.exchange(&parameter(&back, "code").unwrap()).await.ok();
    assert_eq!(body["organization_id"], ACME, "the application has chosen");

    let bob = ("user", "user_01BOB00000000000000000000");
    let back = location(&stage.choose(&[], &[bob, ("organization", GLOBEX)]).await);
    assert_eq!(parameter(&back, "error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_sign_in_fails_as_chosen() {
    let stage = Stage::with(Emulator::builder()).await;
    for error in ["access_denied", "server_error"] {
        let back = location(&stage.choose(&[("state", "s")], &[("fail", error)]).await);
        assert_eq!(parameter(&back, "error").as_deref(), Some(error));
        assert_eq!(parameter(&back, "state").as_deref(), Some("s"));
    }
    for (failure, status) in [("exchange_refused", 400), ("exchange_unavailable", 503)] {
        let back = location(&stage.choose(&[], &[("fail", failure)]).await);
        let code = parameter(&back, "code").unwrap();
        assert_eq!(stage.exchange(&code).await.status, status, "{failure}");
    }
    assert_eq!(stage.choose(&[], &[("fail", "explode")]).await.status(), 400);
}
