use authkit_emulator::{Emulator, Seed};

use crate::support::{ACME, GLOBEX, Stage, answer};

const HOSTILE: &str = r#""><script>alert('x')</script>&"#;

#[tokio::test]
async fn the_sign_in_page_offers_what_there_is() {
    let stage = Stage::with(Emulator::builder()).await;
    let response = stage.http.get(stage.authorize_url(&[])).send().await.unwrap();
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", "no-store"),
    ] {
        assert_eq!(response.headers()[name], value);
    }
    let policy = response.headers()["content-security-policy"].to_str().unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );

    let html = response.text().await.unwrap();
    for expected in [
        "development only",
        "localhost:3000",
        "alice@acme.test",
        "Acme Corp · admin",
        "impersonated by support@acme.test",
        "Fail this sign-in",
        "becomes a new user",
        "<label for=\"email\">",
        "<html lang=\"en\">",
        "autofocus",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("<script") && !html.contains("style="));
}

#[tokio::test]
async fn what_the_application_asked_for_shows() {
    let stage = Stage::with(Emulator::builder()).await;
    let page = |more: &'static [(&str, &str)]| async {
        stage.http.get(stage.authorize_url(more)).send().await.unwrap().text().await.unwrap()
    };
    let sign_up = page(&[("screen_hint", "sign-up")]).await;
    assert!(sign_up.contains("<h1>Create an account</h1>"));
    assert!(
        sign_up.find("name=\"email\"") < sign_up.find("name=\"user\""),
        "the address comes first"
    );

    let hinted = page(&[("login_hint", "bob@acme.test")]).await;
    assert!(hinted.contains(r#"value="bob@acme.test""#));
    assert!(
        hinted.find("bob@acme.test") < hinted.find("alice@acme.test"),
        "the hinted user comes first"
    );

    let bound = page(&[("organization_id", GLOBEX)]).await;
    assert!(bound.contains("as a member of <b>Globex</b>"));
    assert!(bound.contains("alice@acme.test") && !bound.contains("bob@acme.test"), "only members");
}

#[tokio::test]
async fn nothing_of_a_request_becomes_markup() {
    let stage = Stage::with(Emulator::builder()).await;
    let hostile = [
        ("state", HOSTILE),
        ("login_hint", HOSTILE),
        ("screen_hint", HOSTILE),
        ("provider", HOSTILE),
        (HOSTILE, HOSTILE),
    ];
    let mut pages = Vec::new();
    for more in hostile {
        pages.push(stage.http.get(stage.authorize_url(&[more])).send().await.unwrap());
        pages.push(stage.choose(&[more], &[("email", HOSTILE)]).await);
        pages.push(stage.choose(&[more], &[("user", HOSTILE)]).await);
        pages.push(stage.choose(&[more], &[("fail", HOSTILE)]).await);
        pages.push(stage.choose(&[more], &[("user", "user_01ALICE000000000000000000")]).await);
    }
    pages.push(
        stage.http.get(stage.authorize_url(&[("redirect_uri", HOSTILE)])).send().await.unwrap(),
    );
    pages
        .push(stage.http.get(stage.authorize_url(&[("client_id", HOSTILE)])).send().await.unwrap());
    let logout = stage.http.get(stage.url("/user_management/sessions/logout"));
    pages.push(
        logout.query(&[("session_id", HOSTILE), ("return_to", HOSTILE)]).send().await.unwrap(),
    );
    assert_eq!(pages.len(), 28);
    for page in pages {
        let (status, url) = (page.status(), page.url().clone());
        assert!(!status.is_redirection(), "{url}");
        let html = page.text().await.unwrap();
        assert!(
            html.contains("<main") && !html.contains("<script") && !html.contains("x')"),
            "{status} {url}"
        );
    }
}

#[tokio::test]
async fn nothing_of_a_seed_becomes_markup() {
    let seed: Seed = serde_json::json!({
        "users": [{ "id": "user_1", "email": "<b>@x.test", "name": HOSTILE, "impersonator": { "email": HOSTILE } }],
        "organizations": [
            { "id": "org_1", "name": HOSTILE, "memberships": [{ "user_id": "user_1", "role": HOSTILE }] },
            { "id": "org_2", "name": HOSTILE, "memberships": [{ "user_id": "user_1", "role": HOSTILE }] },
        ],
    })
    .to_string()
    .parse()
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed)).await;
    let pages = [
        stage.http.get(stage.authorize_url(&[])).send().await.unwrap(),
        stage.http.get(stage.authorize_url(&[("organization_id", "org_1")])).send().await.unwrap(),
        stage.choose(&[], &[("user", "user_1")]).await,
        stage.get("/").await,
    ];
    for page in pages {
        let html = page.text().await.unwrap();
        assert!(html.contains("&lt;script&gt;"), "the name shows as it is");
        assert!(!html.contains("<script") && !html.contains("<b>@"), "{html}");
    }
}

#[tokio::test]
async fn the_overview_names_users_settings_and_endpoints() {
    let stage = Stage::with(Emulator::builder()).await;
    let html = stage.get("/").await.text().await.unwrap();
    for expected in [
        "alice@acme.test",
        "Globex",
        &format!("WORKOS_BASE_URL={}", stage.emulator.url()),
        "/user_management/authenticate",
        "/sso/jwks/client_emulator",
        "/_emulator/faults",
    ] {
        assert!(html.contains(expected), "{expected}");
    }
    assert!(!html.contains("bob-password") && !html.contains(ACME));
}

#[tokio::test]
async fn the_style_sheet_is_served() {
    let stage = Stage::with(Emulator::builder()).await;
    let response = stage.get("/_emulator/style.css").await;
    assert_eq!(response.headers()["content-type"], "text/css; charset=utf-8");
    let css = response.text().await.unwrap();
    for expected in [
        "prefers-color-scheme: dark",
        ":focus-visible",
        "max-width: 30rem",
        "prefers-reduced-motion",
    ] {
        assert!(css.contains(expected), "{expected}");
    }
}

#[tokio::test]
async fn a_form_of_another_kind_is_refused_without_a_panic() {
    let stage = Stage::with(Emulator::builder()).await;
    let response = stage
        .http
        .post(stage.authorize_url(&[]))
        .json(&serde_json::json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer(response).await.status, 415);
}
