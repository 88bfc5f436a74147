//! A request without a session is denied in the client's protocol, and has no other effect.

use std::time::Duration;

use authkit_emulator::Endpoint;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, routing::any};
use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode};
use support::{Answer, Browser, DOCUMENT, Harness, Running};
use tower_http::cors::CorsLayer;

fn app(authkit: &AuthKit) -> Router {
    let email = async |session: Session| session.user().email.clone().unwrap();
    let protected = || {
        Router::new()
            .route("/dashboard", any(email))
            .route("/api/me", any(async |session: Session| session.user_id().to_owned()))
            .route_layer(AuthKitLayer::new(authkit))
    };
    Router::new().nest("/deep", protected()).merge(protected()).merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// How many calls the emulator has had.
fn upstream(running: &Running) -> u64 {
    [Endpoint::Authorize, Endpoint::Authenticate, Endpoint::Jwks]
        .map(|to| running.emulator.calls(to))
        .iter()
        .sum()
}

/// Sends a request without a body.
async fn send(browser: &Browser, method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    browser.send(method.parse().unwrap(), url, headers.iter().copied(), Bytes::new()).await
}

const NAVIGATES: (&str, &str) = ("sec-fetch-mode", "navigate");
const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");

#[tokio::test]
async fn rd_03_a_page_leads_to_signing_in_and_back() {
    let running = running().await;
    let browser = running.browser();

    let page = browser.navigate(&running.url("/dashboard?tab=1&x=a%20b")).await;
    assert_eq!(page.status, StatusCode::FOUND);
    assert_eq!(page.header("location"), "/login?return_to=%2Fdashboard%3Ftab%3D1%26x%3Da%2520b");
    assert!(page.set_cookies("wos_session").is_empty());

    for path in [
        "/dashboard?tab=1&x=a%20b",
        "/dashboard?caf%C3%A9=%F0%9F%A6%80&q=%26%3D%2B+",
        "/deep/dashboard?x=1",
    ] {
        let browser = running.browser();
        let page = browser.open(&running.url(path)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert_eq!(page.url.as_str(), running.url(path));
        assert_eq!(page.text(), "alice@acme.test", "{path}");
        assert!(browser.cookie("wos_session").is_some(), "{path}");
        assert!(
            browser.cookie_names().iter().all(|name| !name.contains("wos_auth")),
            "{path}: no flow cookie is left"
        );
    }

    let old_browser = [("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8")];
    let page =
        send(&Browser::new(), "GET", &running.url("/deep/dashboard?x=1"), &old_browser).await;
    assert_eq!(
        page.header("location"),
        "/login?return_to=%2Fdeep%2Fdashboard%3Fx%3D1",
        "the whole path, although `nest` strips its prefix"
    );
}

#[tokio::test]
async fn rd_04_a_script_gets_a_problem() {
    let running = running().await;
    let browser = running.browser();
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = browser.fetch(method, &running.url("/api/me"), "").await;

        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(answer.header("www-authenticate"), r#"Cookie cookie-name="wos_session""#);
        assert_eq!(answer.header("location"), "");
        assert_eq!(answer.json()["login_url"], "/login");
        assert_eq!(answer.json()["status"], 401);
    }
    assert!(browser.cookie_names().is_empty(), "no cookie is set");
    assert_eq!(upstream(&running), 0);
}

#[tokio::test]
async fn e4_an_xml_http_request_gets_a_problem_whatever_it_accepts() {
    let running = running().await;
    let xhr = ("x-requested-with", "XMLHttpRequest");
    for accept in ["text/html, */*", "text/html", "application/json", "*/*", "text/event-stream"] {
        for path in ["/dashboard", "/login"] {
            let browser = Browser::new();
            let headers = [xhr, ("accept", accept)];
            let answer = send(&browser, "GET", &running.url(path), &headers).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path} {accept}");
            assert_eq!(answer.header("content-type"), "application/problem+json", "{accept}");
            assert_eq!(answer.header("location"), "", "{path} {accept}");
            assert!(browser.cookie_names().is_empty(), "{path} {accept}: no cookie is set");
        }
    }
    // An event source and a gRPC-Web client cannot follow a redirect to a page either.
    for client in [("accept", "text/event-stream"), ("content-type", "application/grpc-web")] {
        let browser = Browser::new();
        let answer = send(&browser, "GET", &running.url("/login"), &[client]).await;
        assert_eq!(answer.header("location"), "", "{client:?}");
        assert!(browser.cookie_names().is_empty(), "{client:?}: no cookie is set");
    }
    assert_eq!(upstream(&running), 0);
}

#[tokio::test]
async fn rd_05_a_form_leads_to_signing_in_without_its_fields() {
    let running = running().await;
    let url = running.url("/dashboard");
    let form = running.url("/form?draft=7");
    let elsewhere = "https://evil.example/form";
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for (referer, way_back) in [(form.as_str(), "%2Fform%3Fdraft%3D7"), (elsewhere, "%2F")] {
            let headers = [NAVIGATES, OURS, ("referer", referer)];
            let answer = send(&Browser::new(), method, &url, &headers).await;
            assert_eq!(
                answer.status,
                StatusCode::SEE_OTHER,
                "{method}: after 307 or 308 the browser would send the fields again"
            );
            assert_eq!(
                answer.header("location"),
                format!("/login?return_to={way_back}"),
                "{method} {referer}"
            );
        }
    }
}

#[tokio::test]
async fn rd_06_htmx_is_told_where_to_go() {
    let running = running().await;
    let here = running.url("/list?page=2&q=a%20b");
    for method in ["GET", "POST"] {
        let headers = [("hx-request", "true"), ("hx-current-url", here.as_str()), OURS];
        let answer = send(&Browser::new(), method, &running.url("/dashboard"), &headers).await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{method}: htmx would put the sign-in page into the page's fragment"
        );
        assert_eq!(answer.header("location"), "");
        assert_eq!(
            answer.header("hx-redirect"),
            "/login?return_to=%2Flist%3Fpage%3D2%26q%3Da%2520b"
        );
    }
}

#[tokio::test]
async fn rd_09_head_is_get_without_a_body() {
    let running = running().await;
    let signed_in = running.signed_in("alice@acme.test");
    for (browser, headers) in
        [(Browser::new(), &DOCUMENT[..]), (Browser::new(), &[]), (signed_in, &DOCUMENT[..])]
    {
        let url = running.url("/dashboard");
        let get = send(&browser, "GET", &url, headers).await;
        let head = send(&browser, "HEAD", &url, headers).await;
        assert_eq!(get.status, head.status);
        assert!(head.body.is_empty());
        for name in [
            "location",
            "content-type",
            "content-length",
            "www-authenticate",
            "cache-control",
            "vary",
        ] {
            assert_eq!(get.header(name), head.header(name), "{name} of {}", get.status);
        }
    }
    let expired = running.emulator.session("alice@acme.test").expired();
    let head =
        send(&running.holding(&expired), "HEAD", &running.url("/dashboard"), &DOCUMENT).await;
    assert_eq!(
        (head.status, head.set_cookies("wos_session").len()),
        (StatusCode::OK, 1),
        "HEAD refreshes the session as GET does"
    );
}

#[tokio::test]
async fn rd_09_a_preflight_is_for_a_layer_outside_or_on_request_for_one_inside() {
    let preflight =
        [("origin", "https://friend.example"), ("access-control-request-method", "PUT")];
    let cors = || {
        let friend = HeaderValue::from_static("https://friend.example");
        CorsLayer::new().allow_origin(friend).allow_methods([Method::PUT])
    };
    let harness = Harness::start().await;
    let layer = AuthKitLayer::new(&harness.authkit);
    let route = || Router::new().route("/", any(async |_: Session| "handled"));
    let app = Router::new()
        .nest("/alone", route().layer(layer.clone()))
        .nest("/outside", route().layer(layer.clone()).layer(cors()))
        .nest("/inside", route().layer(cors()).layer(layer.clone()))
        .nest("/let-in", route().layer(cors()).layer(layer.with_insecure_preflight_passthrough()));
    let running = harness.serve(app);

    for (path, status, allowed) in [
        ("/alone", 401, ""),
        ("/outside", 200, "PUT"),
        ("/inside", 401, ""),
        ("/let-in", 200, "PUT"),
    ] {
        let answer = send(&Browser::new(), "OPTIONS", &running.url(path), &preflight).await;
        let methods = answer.header("access-control-allow-methods");
        assert_eq!((answer.status.as_u16(), methods), (status, allowed), "{path}");
    }
    for path in ["/alone", "/inside", "/let-in"] {
        let bare = send(&Browser::new(), "OPTIONS", &running.url(path), &preflight[..1]).await;
        assert_eq!(
            bare.status,
            StatusCode::UNAUTHORIZED,
            "{path}: without a requested method it is no preflight"
        );
    }
}

#[tokio::test]
async fn rd_09_a_prefetch_mints_and_ends_nothing() {
    let running = running().await;
    let nobody = Browser::new();
    for hint in [
        ("sec-purpose", "prefetch"),
        ("sec-purpose", "prefetch;prerender"),
        ("purpose", "prefetch"),
    ] {
        for path in ["/dashboard", "/login?return_to=/dashboard"] {
            let answer = send(&nobody, "GET", &running.url(path), &[hint, NAVIGATES]).await;
            assert_eq!(
                (answer.status, answer.header("location")),
                (StatusCode::UNAUTHORIZED, ""),
                "{path}"
            );
        }
    }
    assert!(nobody.cookie_names().is_empty());

    // WorkOS has ended this session. The answer to a navigation deletes its cookie, the answer to a prefetch does not.
    let session = running.emulator.session("alice@acme.test").expired();
    running.emulator.revoke(session.session_id());
    let browser = running.holding(&session);
    let url = running.url("/dashboard");
    browser.navigate(&url).await;
    running.advance(Duration::from_secs(61));
    let prefetch = send(&browser, "GET", &url, &[("sec-purpose", "prefetch"), NAVIGATES]).await;
    assert_eq!(
        (prefetch.status, prefetch.set_cookies("wos_session").len()),
        (StatusCode::UNAUTHORIZED, 0)
    );
    let page = browser.navigate(&url).await;
    assert_eq!(page.set_cookies("wos_session").len(), 1, "the deletion");
    assert_eq!(browser.cookie("wos_session"), None);
}

#[tokio::test]
async fn rd_11_behind_a_proxy_the_configured_origin_counts() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at("https://app.example.com", |config| config);
    let running = harness.serve(app(&authkit));
    let spoofed = [
        ("host", "internal:8080"),
        ("x-forwarded-proto", "http"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-port", "1234"),
        ("x-forwarded-for", "203.0.113.1"),
        ("forwarded", "host=evil.example;proto=http"),
        ("x-original-url", "/admin"),
        ("x-rewrite-url", "/admin"),
        NAVIGATES,
    ];

    let page = send(&Browser::new(), "GET", &running.url("/dashboard"), &spoofed).await;
    assert_eq!(page.header("location"), "/login?return_to=%2Fdashboard");
    let login = send(&Browser::new(), "GET", &running.url("/login"), &spoofed).await;
    let authorize = url::Url::parse(login.header("location")).unwrap();
    let redirect_uri = authorize.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1;
    assert_eq!(redirect_uri, "https://app.example.com/callback");
    let flow = login.header("set-cookie");
    assert!(flow.starts_with("__Host-wos_auth_") && flow.contains("; Secure"), "{flow}");

    let expired = running.emulator.session("alice@acme.test").expired();
    let browser = running.holding(&expired);
    let page = send(&browser, "GET", &running.url("/dashboard"), &spoofed).await;
    let [session] = page.set_cookies("wos_session")[..] else { panic!("{:?}", page.headers) };
    assert!(session.contains("; Secure") && !session.contains("evil"), "{session}");
    let post = |origin| {
        [("host", "internal:8080"), ("x-forwarded-host", "evil.example"), ("origin", origin)]
    };
    for (origin, status) in [
        ("https://app.example.com", 200),
        ("https://internal:8080", 403),
        ("https://evil.example", 403),
        ("http://app.example.com", 403),
    ] {
        let answer = send(&browser, "POST", &running.url("/dashboard"), &post(origin)).await;
        assert_eq!(answer.status, status, "{origin}");
    }
    let out =
        send(&browser, "POST", &running.url("/logout"), &post("https://app.example.com")).await;
    let logout = url::Url::parse(out.json()["logout_url"].as_str().unwrap()).unwrap();
    let return_to = logout.query_pairs().find(|(name, _)| name == "return_to").unwrap().1;
    assert_eq!(return_to, "https://app.example.com/");
}

#[tokio::test]
async fn an_unreadable_cookie_counts_as_no_session_and_is_kept() {
    let running = running().await;
    for garbage in
        ["garbage", "Fe26.2*1*x*y*z**a*b~2", "gAAAAABnonsense", "AQAAAAAAAAAAAAAAAAAA", "%zz", ""]
    {
        let browser = Browser::new();
        browser.keep(&running.url("/"), "wos_session", garbage);

        let page = browser.navigate(&running.url("/dashboard")).await;
        assert_eq!(page.status, StatusCode::FOUND, "{garbage}");
        assert!(page.set_cookies("wos_session").is_empty(), "{garbage}");

        let answer = browser.fetch(Method::GET, &running.url("/api/me"), "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{garbage}");
        assert!(answer.set_cookies("wos_session").is_empty(), "{garbage}");
    }
    assert_eq!(upstream(&running), 0);
}
