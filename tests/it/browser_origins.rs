//! What users of a service with several origins see in a real browser, and of one that others embed.

use authkit_emulator::{EmulatorBuilder, Seed, SignIn};
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

/// An emulator that signs this user in, and knows where sign-outs may end.
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

/// Its API: another origin of the same site, with a CORS layer outside.
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

    // A request that has a preflight.
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

/// A page of another site, which shows what its frame says.
fn embedder(framed: &str) -> Router {
    let page = format!(
        r#"<p id="said">nothing yet</p><iframe src="{framed}" onload="said.textContent += ', loaded'"></iframe>
        <script>onmessage = it => {{ said.textContent = it.data }}</script>"#
    );
    Router::new().fallback(get(async || Html(page)))
}

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

/// The cookies of the sign-in are dropped in a frame of another site, so it starts again and then says why.
#[tokio::test]
async fn without_the_setting_a_frame_keeps_no_session() {
    let (_harness, _served, url) = embedded(|config| config).await;
    let browser = Chromium::with(Habit::BlocksCookiesOfFrames).await;
    browser.open(&url).await;
    browser.see("nothing yet, loaded").await;
}

/// The one script of ours runs under its policy, and tells what the address had behind the `#`.
#[tokio::test]
async fn a_fragment_is_still_there_after_an_interactive_sign_in() {
    let seed = Seed::from_json(serde_json::json!({ "users": [{ "email": "alice@acme.test" }] }));
    let with_a_page =
        |emulator: EmulatorBuilder| emulator.seed(seed.unwrap()).sign_in(SignIn::Interactive);
    let harness = Harness::with(with_a_page, |config| config).await;
    let endpoints = Endpoints::new(&harness.authkit).with_fragments();
    let app = Router::new()
        .route("/page", get(whose))
        .route_layer(AuthKitLayer::new(&harness.authkit))
        .route("/", get(async || Html("nothing here")))
        .merge(endpoints);
    let running = harness.serve(app);
    let browser = Chromium::start().await;
    for page in ["/page?a=b#march%201/x?y=%26", "/page?a=c"] {
        browser.open(&running.url(page)).await;
        browser.press("alice@acme.test").await;
        browser.arrive(&running.url(page)).await;
        browser.see("A page of alice@acme.test").await;
        browser.press("Sign out").await;
        browser.see("nothing here").await;
    }
}
