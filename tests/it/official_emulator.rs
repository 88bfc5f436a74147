//! The example program signs users in at WorkOS's own emulator; environment variables alone configure it.

use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use support::{Answer, Browser, PASSWORD, Program, peers::OfficialEmulator};
use tokio::time::sleep;

use crate::AXUM_APP;

fn started(emulator: &OfficialEmulator) -> Program {
    let issuer = emulator.base_url().replace("127.0.0.1", "localhost");
    Program::start_where(AXUM_APP, |port| {
        vec![
            ("WORKOS_CLIENT_ID", "client_of_the_example".to_owned()),
            ("WORKOS_API_KEY", OfficialEmulator::API_KEY.to_owned()),
            ("WORKOS_REDIRECT_URI", format!("http://localhost:{port}/callback")),
            ("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()),
            ("WORKOS_BASE_URL", emulator.base_url().to_owned()),
            ("WORKOS_ISSUER", issuer.clone()),
        ]
    })
}

/// Signs in. The emulator shows no page: it sends its first user back at once.
async fn signed_in(app: &Program) -> (Browser, Answer) {
    let browser = Browser::new();
    let page = browser.open(&app.url("/dashboard")).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.url("/dashboard").as_str()));
    (browser, page)
}

async fn me(browser: &Browser, app: &Program) -> Answer {
    let me = browser.fetch(Method::GET, &app.url("/api/me"), "").await;
    assert_eq!(me.status, StatusCode::OK);
    me
}

/// The ids of the user's sessions, as the emulator lists them.
async fn sessions(emulator: &OfficialEmulator, user: &Value) -> Vec<String> {
    let user_id = user["id"].as_str().unwrap();
    let url = format!("{}/user_management/users/{user_id}/sessions", emulator.base_url());
    let request = reqwest::Client::new().get(url).bearer_auth(OfficialEmulator::API_KEY);
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    let ids = list["data"].as_array().unwrap().iter().map(|session| session["id"].as_str());
    ids.map(|id| id.unwrap().to_owned()).collect()
}

#[tokio::test]
async fn it_signs_in_says_who_that_is_and_signs_out() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let (browser, page) = signed_in(&app).await;
    assert!(page.set_cookies("wos_session").is_empty(), "a new session is not refreshed");
    let answer = me(&browser, &app).await;
    let me = answer.json();
    let user = &me["user"];
    assert_eq!(user["email"], OfficialEmulator::USER.0);
    assert_eq!((&user["first_name"], &user["last_name"]), (&json!("Alice"), &json!("Ångström")));
    assert_eq!(user["email_verified"], true);
    assert_eq!(sessions(&emulator, user).await, [me["session_id"].as_str().unwrap()]);
    for absent in ["organization_id", "role", "impersonator"] {
        assert_eq!(me.get(absent), Some(&Value::Null), "{absent}");
    }
    for empty in ["roles", "permissions", "entitlements", "feature_flags"] {
        assert_eq!(me[empty], json!([]), "{empty}");
    }
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let left = me["expires_at"].as_u64().unwrap() - now;
    assert!((3_500..=3_600).contains(&left), "{left}");

    let goodbye = browser.press(&page, "Sign out").await;
    assert_eq!(goodbye.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie("wos_session"), None);
    let is_revoked = async || sessions(&emulator, user).await.is_empty();
    support::until("the program revokes the session itself", is_revoked).await;
    let target = browser.target(&goodbye);
    assert!(target.as_str().starts_with(emulator.base_url()), "{target}");
    let home = browser.open(target.as_str()).await;
    assert_eq!((home.status, home.url.as_str()), (StatusCode::OK, app.url("/").as_str()));
}

#[tokio::test]
async fn it_refreshes_a_session_that_is_nearly_over() {
    let left = Duration::from_secs(40);
    let emulator = OfficialEmulator::start_behind(OfficialEmulator::TOKEN_LIFETIME - left);
    let app = started(&emulator);

    let (browser, page) = signed_in(&app).await;
    assert_eq!(page.set_cookies("wos_session").len(), 1, "the first page refreshes");
    let answer = me(&browser, &app).await;
    assert!(
        answer.set_cookies("wos_session").is_empty(),
        "a session is not refreshed again at once"
    );
    let me = answer.json();
    let sessions = sessions(&emulator, &me["user"]).await;
    assert_eq!(sessions.len(), 2, "this emulator begins a session with each refresh");
    assert_eq!(sessions.last().unwrap(), me["session_id"].as_str().unwrap());

    let echo = browser.fetch(Method::POST, &app.url("/api/echo"), "what was sent").await;
    assert_eq!((echo.status, echo.text().as_str()), (StatusCode::OK, "what was sent"));
}

/// Makes the user an administrator of the emulator's organization, and returns the organization's id.
async fn joined(emulator: &OfficialEmulator, user: &Value) -> String {
    let client = reqwest::Client::new();
    let url = |path: &str| format!("{}{path}", emulator.base_url());
    let list = client.get(url("/organizations")).bearer_auth(OfficialEmulator::API_KEY);
    let list: Value = list.send().await.unwrap().json().await.unwrap();
    let id = list["data"][0]["id"].as_str().expect("the seed has one").to_owned();
    let membership = json!({ "user_id": user["id"], "organization_id": id, "role_slug": "admin" });
    let request = client.post(url("/user_management/organization_memberships"));
    let joined = request.bearer_auth(OfficialEmulator::API_KEY).json(&membership).send().await;
    assert_eq!(joined.unwrap().status(), 201);
    id
}

#[tokio::test]
async fn it_switches_to_an_organization_and_renews_the_session_there() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let (browser, page) = signed_in(&app).await;
    let user = me(&browser, &app).await.json()["user"].clone();
    let organization = joined(&emulator, &user).await;

    assert!(page.text().contains("Switch to"), "{}", page.text());
    let switched = browser.submit(&app.url("/organization"), &[("id", &organization)]).await;
    assert_eq!(
        (switched.status, switched.header("location")),
        (StatusCode::SEE_OTHER, "/dashboard")
    );
    assert_eq!(switched.set_cookies("wos_session").len(), 1);
    let there = me(&browser, &app).await.json();
    assert_eq!(
        (&there["organization_id"], &there["role"]),
        (&json!(organization), &json!("admin"))
    );

    // The program refreshes a session on demand at most once in 2 seconds, by the machine's clock.
    sleep(Duration::from_secs(2)).await;
    let dashboard = browser.navigate(&app.url("/dashboard")).await;
    assert!(dashboard.text().contains("to switch the organization"), "{}", dashboard.text());
    let renewed = browser.press(&dashboard, "Renew now").await;
    assert_eq!((renewed.status, renewed.header("location")), (StatusCode::SEE_OTHER, "/dashboard"));
    let still = me(&browser, &app).await.json();
    assert_eq!(still["organization_id"], there["organization_id"]);
    assert_ne!(
        still["session_id"], there["session_id"],
        "this emulator begins a session each time"
    );
}

#[tokio::test]
async fn five_tabs_sign_in_at_once() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let browser = Browser::new();
    let mut tabs = Vec::new();
    for n in 0..5 {
        let mut answer = browser.navigate(&app.url(&format!("/dashboard?tab={n}"))).await;
        while browser.target(&answer).path() != "/callback" {
            answer = browser.navigate(browser.target(&answer).as_str()).await;
        }
        tabs.push(browser.target(&answer));
    }
    for n in [3, 1, 4, 0, 2] {
        let page = browser.open(tabs[n].as_str()).await;
        let expected = app.url(&format!("/dashboard?tab={n}"));
        assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, expected.as_str()));
    }
    assert_eq!(browser.cookie_names(), ["wos_session"]);
    let back = browser.navigate(&app.url("/login?return_to=%2Fdashboard")).await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, "/dashboard"));
}

/// The WorkOS dashboard begins impersonations, and AuthKit sign-ins by invitation: the browser brings a code and no state
/// of ours. The program ignores that code and begins a sign-in of its own.
#[tokio::test]
async fn a_sign_in_that_began_at_workos_begins_again_here() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let browser = Browser::new();
    let redirect_uri = app.url("/callback");
    let url = format!(
        "{}/user_management/authorize?client_id=client_of_the_example&response_type=code&redirect_uri={}",
        emulator.base_url(),
        url::form_urlencoded::byte_serialize(redirect_uri.as_bytes()).collect::<String>()
    );
    let there = browser.navigate(&url).await;
    let callback = browser.target(&there);
    assert!(callback.as_str().starts_with(&format!("{redirect_uri}?code=")), "{callback}");
    assert!(!callback.query().unwrap().contains("state="), "{callback}");

    let again = browser.navigate(callback.as_str()).await;
    let authorize = browser.target(&again);
    assert!(authorize.query().unwrap().contains("code_challenge="), "{authorize}");
    let page = browser.open(authorize.as_str()).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, app.url("/").as_str()));
    let user = me(&browser, &app).await.json()["user"].clone();
    assert_eq!(user["email"], OfficialEmulator::USER.0);
    assert_eq!(sessions(&emulator, &user).await.len(), 1, "the first code began no session");
}

/// Unlike production, this emulator names an impersonator beside the tokens and signs no `act` claim. The program refuses
/// an impersonation that the token does not state.
#[tokio::test]
async fn an_impersonator_whom_no_token_names_is_not_let_in() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let browser = Browser::new();
    let page =
        browser.open(&app.url("/login?login_hint=bob%40acme.test&return_to=/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::SERVICE_UNAVAILABLE, "/callback"));
    assert_eq!(browser.cookie("wos_session"), None);
    let me = browser.fetch(Method::GET, &app.url("/api/me"), "").await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn an_invitation_travels_to_workos_and_its_organization_is_there_afterwards() {
    let emulator = OfficialEmulator::start();
    let app = started(&emulator);
    let client = reqwest::Client::new();
    let api = |path: &str| format!("{}/user_management/invitations{path}", emulator.base_url());
    let organizations = client.get(format!("{}/organizations", emulator.base_url()));
    let list = organizations.bearer_auth(OfficialEmulator::API_KEY).send().await.unwrap();
    let list: Value = list.json().await.unwrap();
    let organization = list["data"][0]["id"].as_str().unwrap();
    let invited = json!({ "email": OfficialEmulator::USER.0, "organization_id": organization });
    let invitation = client.post(api("")).bearer_auth(OfficialEmulator::API_KEY).json(&invited);
    let invitation: Value = invitation.send().await.unwrap().json().await.unwrap();
    let token = invitation["token"].as_str().unwrap();

    let browser = Browser::new();
    let link = format!("/login?invitation_token={token}&return_to=/dashboard");
    let login = browser.navigate(&app.url(&link)).await;
    let authorize = browser.target(&login);
    let asked = authorize.query_pairs().find(|(name, _)| name == "invitation_token");
    assert_eq!(asked.unwrap().1, token, "{authorize}");
    let page = browser.open(authorize.as_str()).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/dashboard"));

    // Signing in does not accept the invitation at this emulator; its API does.
    let id = invitation["id"].as_str().unwrap();
    let accept = client.post(api(&format!("/{id}/accept"))).bearer_auth(OfficialEmulator::API_KEY);
    assert_eq!(accept.send().await.unwrap().status(), 200);
    let switched = browser.submit(&app.url("/organization"), &[("id", organization)]).await;
    assert_eq!(switched.status, StatusCode::SEE_OTHER);
    assert_eq!(me(&browser, &app).await.json()["organization_id"], organization);
}
