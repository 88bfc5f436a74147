//! A service behind an nginx that strips a prefix from the paths of requests.

use authkit_tower::{AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::get};
use http::{Method, StatusCode};
use support::{Browser, Harness, Nginx, PASSWORD, Port};
use url::Url;

async fn proxied() -> (Harness, Nginx) {
    let harness = Harness::start().await;
    let nginx = Nginx::stripping("/app", async |origin| {
        let home = format!("{origin}/app");
        let authkit = harness.authkit_at(&home, |config| config.with_base_path("/app"));
        let whose = async |session: Session| session.user().email.clone().unwrap();
        let app = Router::new()
            .route("/page", get(whose).post(whose))
            .route("/", get(async || "home"))
            .layer(AuthKitLayer::new(&authkit).except(["/"]).unwrap())
            .merge(Endpoints::new(&authkit));
        Port::bind().await.serve_axum(app)
    })
    .await;
    (harness, nginx)
}

#[tokio::test]
async fn signing_in_and_out_stays_below_the_prefix() {
    let (harness, nginx) = proxied().await;
    let browser = Browser::new();
    let page = nginx.url("/app/page?tab=a%20b");
    let challenged = browser.navigate(&page).await;
    assert_eq!(challenged.header("location"), "/app/login?return_to=%2Fapp%2Fpage%3Ftab%3Da%2520b");
    let login = browser.navigate(browser.target(&challenged).as_str()).await;
    let flow = login.header("set-cookie");
    assert!(flow.starts_with("wos_auth_") && flow.contains("; Path=/;"), "{flow}");

    let signed_in = browser.open(&page).await;
    assert_eq!((signed_in.status, signed_in.url.as_str()), (StatusCode::OK, page.as_str()));
    assert_eq!(signed_in.text(), "alice@acme.test");
    let sent_to = |path: &str| browser.cookies_for(&Url::parse(&nginx.url(path)).unwrap());
    assert!(sent_to("/app/page").contains("wos_session="));
    assert!(
        !sent_to("/other/page").contains("wos_session="),
        "services beside it do not get the cookie"
    );
    assert!(!sent_to("/application").contains("wos_session="));

    let left = browser.submit(&nginx.url("/app/logout"), &[]).await;
    let to = browser.target(&left);
    assert!(to.as_str().starts_with(harness.emulator.url()), "{to}");
    let home = browser.open(to.as_str()).await;
    assert_eq!((home.url.as_str(), home.text().as_str()), (nginx.url("/app/").as_str(), "home"));
    assert!(!sent_to("/app/page").contains("wos_session="));
}

#[tokio::test]
async fn scripts_forms_and_pages_are_told_paths_as_browsers_see_them() {
    let (_harness, nginx) = proxied().await;
    let browser = Browser::new();
    let problem = browser.fetch(Method::GET, &nginx.url("/app/page"), "").await;
    assert_eq!(
        (problem.status, problem.json()["login_url"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("/app/login"))
    );

    let referer = nginx.url("/app/form?x");
    let fields = [("sec-fetch-mode", "navigate"), ("referer", referer.as_str())];
    let form = browser.send(Method::POST, &nginx.url("/app/page"), fields, "".into()).await;
    assert_eq!(form.header("location"), "/app/login?return_to=%2Fapp%2Fform%3Fx");

    let htmx = [("hx-request", "true"), ("hx-current-url", referer.as_str())];
    let part = browser.send(Method::GET, &nginx.url("/app/page"), htmx, "".into()).await;
    assert_eq!(part.header("hx-redirect"), "/app/login?return_to=%2Fapp%2Fform%3Fx");
    let login = browser.send(Method::GET, &nginx.url("/app/login?x=1"), htmx, "".into()).await;
    assert_eq!(login.header("hx-redirect"), "/app/login?x=1");

    let ask = browser.navigate(&nginx.url("/app/logout?return_to=%2Fapp%2Fpage")).await;
    let text = ask.text();
    assert!(text.contains(r#"action="/app/logout?return_to=%2Fapp%2Fpage""#), "{text}");
    assert!(text.contains(r#"href="/app/""#), "{text}");
    for beside in ["/page", "/", "/application/x", "/app/login"] {
        let query = format!("/app/logout?return_to={}", beside.replace('/', "%2F"));
        let ask = browser.navigate(&nginx.url(&query)).await;
        assert!(ask.text().contains(r#"action="/app/logout""#), "{beside}: {}", ask.text());
    }
}

/// A neighbour has set the session cookie for the whole host: the service reads it and never deletes it.
#[tokio::test]
async fn a_session_of_the_whole_host_is_read_too() {
    let (harness, nginx) = proxied().await;
    let browser = Browser::new();
    let sealed = harness.emulator.session("alice@acme.test").cookie(PASSWORD);
    browser.keep(&nginx.url("/"), "wos_session", &sealed);
    let page = browser.navigate(&nginx.url("/app/page")).await;
    assert_eq!(page.text(), "alice@acme.test");

    let left = browser.submit(&nginx.url("/app/logout"), &[]).await;
    assert_eq!(left.status, StatusCode::SEE_OTHER);
    assert_eq!(browser.cookie("wos_session"), Some(sealed), "the cookie is the neighbour's");
    let page = browser.navigate(&nginx.url("/app/page")).await;
    assert_eq!(page.status, StatusCode::FOUND, "the session has ended here");
}
