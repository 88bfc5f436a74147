//! Sign-ins that involve more than one origin, in a real browser: a service with several origins, a single-page application
//! on another origin than its API, and a service in the frame of another site.

use authkit_emulator::{Endpoint, Seed};
use authkit_tower::{AuthKit, AuthKitLayer, Config, Endpoints, SameSite, Session};
use axum::{
    Router,
    response::Html,
    routing::{get, post},
};
use http::{HeaderValue, Method, header};
use support::{Chromium, Harness, Port, Served, chromium::Habit};
use tower_http::cors::CorsLayer;

const SIGN_OUT: &str = r#"<form method="post" action="/logout"><button>Sign out</button></form>"#;

async fn whose(session: Session) -> Html<String> {
    Html(format!("<p>A page of {}</p>{SIGN_OUT}", session.user().email.as_deref().unwrap()))
}

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route("/page", get(whose))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || Html("home")))
        .merge(Endpoints::new(authkit))
}

/// An emulator that signs Alice in automatically. After a sign-out it redirects to `logout_uris` alone.
async fn emulator(logout_uris: &[String]) -> Harness {
    let seed = serde_json::json!({
        "users": [{ "email": "alice@acme.test" }],
        "logout_uris": logout_uris,
    });
    let seed = Seed::from_json(seed).unwrap();
    Harness::with(|emulator| emulator.seed(seed), |config| config).await
}

#[tokio::test]
async fn two_hosts_and_a_preview_sign_in_where_they_are_and_stay_apart() {
    let port = Port::bind().await;
    let at = |host: &str| format!("http://{host}:{}", port.address().port());
    let hosts = ["app.one.test", "two.test", "pr-7.preview.one.test"].map(at);
    let harness = emulator(&hosts.clone().map(|origin| format!("{origin}/"))).await;
    let [first, second, _] = &hosts;
    let authkit = harness.authkit_at(first, |config| {
        config.with_origins([second.clone(), at("*.preview.one.test")])
    });
    let _served = port.serve_axum(app(&authkit));
    let browser = Chromium::start().await;

    for origin in &hosts {
        browser.open(&format!("{origin}/page")).await;
        browser.arrive(&format!("{origin}/page")).await;
        browser.see("A page of alice@acme.test").await;
        let cookies = browser.cookies().await;
        assert!(cookies.contains(&"wos_session".to_owned()), "{origin}: {cookies:?}");
    }
    for origin in &hosts {
        browser.open(&format!("{origin}/page")).await;
        browser.press("Sign out").await;
        browser.arrive(&format!("{origin}/")).await;
        let cookies = browser.cookies().await;
        assert!(!cookies.contains(&"wos_session".to_owned()), "{origin}: {cookies:?}");
        if origin == first {
            browser.open(&format!("{second}/page")).await;
            assert_eq!(harness.emulator.exchanges(), 0);
            browser.see("A page of alice@acme.test").await;
        }
    }
}

/// The API of the single-page application whose origin is `application`. The CORS layer is the outermost.
fn api(authkit: &AuthKit, application: &str) -> Router {
    let layer = AuthKitLayer::new(authkit).with_trusted_origins([application]).unwrap();
    let cors = CorsLayer::new()
        .allow_origin(application.parse::<HeaderValue>().unwrap())
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
        .allow_credentials(true);
    Router::new()
        .route("/me", get(async |session: Session| session.user().email.clone().unwrap()))
        .route("/notes", post(async |_: Session, body: String| format!("kept {body}")))
        .route_layer(layer)
        .merge(Endpoints::new(authkit))
        .layer(cors)
}

#[tokio::test]
async fn a_single_page_application_elsewhere_signs_in_calls_and_signs_out() {
    let (page, service) = (Port::bind_tls().await, Port::bind_tls().await);
    let application = format!("https://app.acme.test:{}", page.address().port());
    let origin = format!("https://api.acme.test:{}", service.address().port());
    let harness = emulator(&[format!("{application}/bye")]).await;
    let authkit =
        harness.authkit_at(&origin, |config| config.with_return_origins([application.clone()]));
    let _page = page.serve_axum(Router::new().fallback(get(async || Html("An application"))));
    let _service = service.serve_axum(api(&authkit, &application));
    let browser = Chromium::start().await;
    let here = format!("{application}/notes/1?tab=a%20b");
    let call = format!(
        "const call = (path, more) => fetch('{origin}' + path, {{ credentials: 'include', ...more }});"
    );
    let me = format!("{call} return call('/me').then(async it => [it.status, await it.text()])");

    browser.open(&here).await;
    let refused = browser.run(&me).await;
    assert_eq!(refused[0], 401, "{refused}");
    let problem: serde_json::Value = serde_json::from_str(refused[1].as_str().unwrap()).unwrap();
    assert_eq!(problem["login_url"], "/login");
    browser
        .run(&format!("location = '{origin}/login?return_to=' + encodeURIComponent(location.href)"))
        .await;
    browser.arrive(&here).await;
    browser.see("An application").await;
    assert_eq!(browser.run(&me).await, serde_json::json!([200, "alice@acme.test"]));

    // The content type makes the browser send a preflight.
    let write = format!(
        "{call} return call('/notes', {{ method: 'POST', body: '[1]', headers: {{ 'content-type': 'application/json' }} }})
            .then(async it => [it.status, await it.text()])"
    );
    assert_eq!(browser.run(&write).await, serde_json::json!([200, "kept [1]"]));

    let bye = format!("{application}/bye");
    let leave = format!(
        "{call} return call('/logout?return_to=' + encodeURIComponent('{bye}'), {{ method: 'POST' }})
            .then(it => it.json()).then(it => it.logout_url)"
    );
    let url = browser.run(&leave).await;
    let url = url.as_str().unwrap();
    assert!(url.starts_with(harness.emulator.url()), "{url}");
    browser.open(url).await;
    browser.arrive(&bye).await;
    assert_eq!(browser.run(&me).await[0], 401);
}

/// A page of another site that embeds `framed`, and shows the message that the frame sends to it.
fn embedder(framed: &str) -> Router {
    let page = format!(
        r#"<p id="said">nothing yet</p><iframe src="{framed}" onload="said.textContent += ', loaded'"></iframe>
        <script>onmessage = it => {{ said.textContent = it.data }}</script>"#
    );
    Router::new().fallback(get(async || Html(page)))
}

/// Starts a service and a page of another site that embeds it. The URL is that of the page.
async fn embedded(config: impl FnOnce(Config) -> Config) -> (Harness, [Served; 2], String) {
    let (around, inside) = (Port::bind_tls().await, Port::bind_tls().await);
    let origin = format!("https://app.acme.test:{}", inside.address().port());
    let url = format!("https://portal.other.test:{}/", around.address().port());
    let harness = emulator(&[]).await;
    let authkit = harness.authkit_at(&origin, config);
    let says = async |session: Session| {
        let email = session.user().email.clone().unwrap();
        Html(format!("<script>parent.postMessage('A frame of {email}', '*')</script>"))
    };
    let service = Router::new()
        .route("/frame", get(says))
        .route("/page", get(whose))
        .route_layer(AuthKitLayer::new(&authkit))
        .merge(Endpoints::new(&authkit));
    let served =
        [around.serve_axum(embedder(&format!("{origin}/frame"))), inside.serve_axum(service)];
    (harness, served, url)
}

#[tokio::test]
async fn an_embedded_application_signs_in_within_its_frame() {
    let (_harness, _served, url) =
        embedded(|config| config.with_same_site(SameSite::Partitioned)).await;
    let browser = Chromium::with(Habit::BlocksCookiesOfFrames).await;
    browser.open(&url).await;
    browser.see("A frame of alice@acme.test").await;
    browser.reload().await;
    browser.see("A frame of alice@acme.test").await;
}

/// The browser drops the flow cookie in the frame. The callback starts the sign-in again, twice, and then names the cause.
#[tokio::test]
async fn without_the_setting_a_frame_keeps_no_session() {
    let (harness, _served, url) = embedded(|config| config).await;
    let browser = Chromium::with(Habit::BlocksCookiesOfFrames).await;
    browser.open(&url).await;
    browser.see("nothing yet, loaded").await;
    assert_eq!(harness.emulator.calls(Endpoint::Authorize), 3, "the sign-in starts three times");
    assert_eq!(harness.emulator.calls(Endpoint::Authenticate), 0, "no code is exchanged");
}
