//! A service at several origins: a request's host chooses among the listed origins, and no answer names any other host.

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, body::Body, routing::get};
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use support::{Browser, Harness, PASSWORD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::ServiceExt;
use url::Url;

const APP: &str = "https://app.example.com";
const OTHER: &str = "https://other.example.net";
const PREVIEW: &str = "https://pr-7.preview.example.com";

fn app(authkit: &AuthKit) -> Router {
    let leave = async |session: Session| session.sign_out().unwrap();
    Router::new()
        .route("/page", get(async |session: Session| session.user().email.clone().unwrap()))
        .route("/leave", get(leave))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit))
}

async fn service() -> (Harness, Router) {
    let harness = Harness::start().await;
    let authkit = harness
        .authkit_at(APP, |config| config.with_origins([OTHER, "https://*.preview.example.com"]));
    let app = app(&authkit);
    (harness, app)
}

type Fields = &'static [(&'static str, &'static str)];

fn parameter(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
}

/// Everything of an answer that a client can read.
async fn everything(response: Response<Body>) -> String {
    let (head, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    format!("{} {:?} {}", head.status, head.headers, String::from_utf8_lossy(&body))
}

#[tokio::test]
async fn each_origin_signs_in_and_out_at_itself_and_sessions_stay_apart() {
    let (harness, app) = service().await;
    let emulator: &Emulator = &harness.emulator;
    let browser = Browser::new();
    for origin in [APP, OTHER, PREVIEW] {
        let page = format!("{origin}/page");
        let challenged = browser.visit(&app, &page).await;
        assert_eq!(challenged.header("location"), "/login?return_to=%2Fpage", "{origin}");
        let login = browser.visit(&app, browser.target(&challenged).as_str()).await;
        let authorize = login.header("location");
        assert_eq!(parameter(authorize, "redirect_uri"), format!("{origin}/callback"));
        let there = browser.navigate(authorize).await;
        let callback = browser.visit(&app, browser.target(&there).as_str()).await;
        assert_eq!(browser.target(&callback).as_str(), page);
        assert_eq!(browser.visit(&app, &page).await.status, StatusCode::OK, "{origin}");
    }

    let left = browser.visit(&app, &format!("{OTHER}/leave")).await;
    assert!(left.header("location").starts_with(emulator.url()), "{left:?}");
    assert_eq!(parameter(left.header("location"), "return_to"), format!("{OTHER}/"));
    for (origin, status) in [(APP, 200), (OTHER, 302), (PREVIEW, 200)] {
        let page = browser.visit(&app, &format!("{origin}/page")).await;
        assert_eq!(page.status.as_u16(), status, "{origin}");
    }
    let url = format!("{PREVIEW}/logout");
    let form =
        [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "navigate"), ("origin", PREVIEW)];
    let left = browser.send_to(&app, Method::POST, &url, form).await;
    assert_eq!(parameter(left.header("location"), "return_to"), format!("{PREVIEW}/"));
}

/// A sign-in belongs to the origin where it began: its cookie opens at no other origin.
#[tokio::test]
async fn a_sign_in_that_began_at_one_origin_does_not_end_at_another() {
    let (_harness, app) = service().await;
    for (began, ended) in [(OTHER, APP), (APP, PREVIEW), (PREVIEW, OTHER)] {
        let browser = Browser::new();
        let login = browser.visit(&app, &format!("{began}/login")).await;
        let there = browser.navigate(login.header("location")).await;
        let callback = there.header("location").replace(began, ended);
        // Sends the cookies of the first host to the second.
        let cookies = browser.cookies_for(&Url::parse(began).unwrap());
        let request = Request::get(&callback).header(header::COOKIE, cookies);
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{began}, {ended}");
        let text = everything(answer).await;
        assert!(text.contains("was not started here") && !text.contains("wos_session"), "{text}");
    }
}

#[tokio::test]
async fn origins_refuse_each_others_forms_as_cross_origin() {
    let (harness, app) = service().await;
    // 405 comes from the router: the form has passed the origin check, and the page has no POST.
    for (at, from, status) in [
        (APP, APP, 405),
        (OTHER, OTHER, 405),
        (PREVIEW, PREVIEW, 405),
        (APP, OTHER, 403),
        (OTHER, APP, 403),
        (PREVIEW, "https://pr-8.preview.example.com", 403),
        (OTHER, "https://evil.example", 403),
    ] {
        let browser = Browser::new();
        browser.keep(
            at,
            "wos_session",
            &harness.emulator.session("alice@acme.test").cookie(PASSWORD),
        );
        // An old browser, which sends no Sec-Fetch-Site.
        let form = [("origin", from), ("accept", "text/html")];
        let answer = browser.send_to(&app, Method::POST, &format!("{at}/page"), form).await;
        assert_eq!(answer.status.as_u16(), status, "{from} to {at}");
    }
}

/// Names the host in every part of a request that can name one, and reads the answers of pages and endpoints.
#[tokio::test]
async fn a_host_that_is_not_listed_is_in_no_answer() {
    let (harness, app) = service().await;
    let session = harness.emulator.session("alice@acme.test").cookie(PASSWORD);
    let ways: [(&str, &str, Fields); 14] = [
        ("Host", "", &[("host", "evil.example")]),
        ("Host with a port", "", &[("host", "evil.example:443")]),
        ("Host that ends like one of ours", "", &[("host", "x.evil.example.preview.example.com")]),
        ("Host with a user", "", &[("host", "other.example.net@evil.example")]),
        ("Host that begins like one of ours", "", &[("host", "other.example.net.evil.example")]),
        ("two hosts", "", &[("host", "other.example.net"), ("host", "evil.example")]),
        ("absolute form, :authority", "https://evil.example", &[]),
        ("absolute form beside Host", "https://evil.example", &[("host", "other.example.net")]),
        ("Host beside absolute form", "https://other.example.net", &[("host", "evil.example")]),
        (
            "X-Forwarded-Host",
            "",
            &[("host", "app.example.com"), ("x-forwarded-host", "evil.example")],
        ),
        ("Forwarded", "", &[("forwarded", "for=1.2.3.4;host=evil.example;proto=https")]),
        ("X-Original-Host", "", &[("x-original-host", "evil.example"), ("x-host", "evil.example")]),
        (
            "X-Forwarded-Server",
            "",
            &[("x-forwarded-server", "evil.example"), ("x-rewrite-url", "evil.example")],
        ),
        ("nothing", "", &[]),
    ];
    let targets = [
        ("GET", "/page"),
        ("POST", "/page"),
        ("GET", "/login"),
        ("GET", "/login?organization_id=org_1"),
        ("GET", "/callback?code=a"),
        ("GET", "/callback?code=a&state=b"),
        ("GET", "/callback?error=access_denied"),
        ("POST", "/callback"),
        ("GET", "/logout"),
        ("POST", "/logout"),
        ("GET", "/leave"),
    ];
    for (name, authority, fields) in ways {
        for (method, target) in targets {
            for (client, value) in
                [("accept", "text/html"), ("sec-fetch-mode", "cors"), ("hx-request", "true")]
            {
                for cookie in ["", session.as_str()] {
                    let mut request = Request::builder()
                        .method(method)
                        .uri(format!("{authority}{target}"))
                        .header(client, value)
                        .header(header::COOKIE, format!("wos_session={cookie}"));
                    for (name, value) in fields {
                        request = request.header(*name, *value);
                    }
                    let request = request.body(Body::empty()).unwrap();
                    let answer = app.clone().oneshot(request).await.unwrap();
                    let what = format!("{name}: {method} {target}, {client}");
                    if let Some(to) = answer.headers().get(header::LOCATION)
                        && let Ok(to) = Url::parse(to.to_str().unwrap())
                        && let Some((_, uri)) =
                            to.query_pairs().find(|(name, _)| name == "redirect_uri")
                    {
                        assert_eq!(uri, format!("{APP}/callback"), "{what}");
                    }
                    let text = everything(answer).await;
                    assert!(!text.contains("evil"), "{what}: {text}");
                    assert!(!text.contains("other.example.net"), "{what}: {text}");
                }
            }
        }
    }
}

/// Over real connections: the server derives the request's URI and `Host` from the bytes.
#[tokio::test]
async fn the_host_of_a_real_request_chooses_over_http_1_and_2() {
    let harness = Harness::start().await;
    let authkit = harness.authkit_at(APP, |config| config.with_origins([OTHER]));
    let running = harness.serve(app(&authkit));
    let address = running.served().address();
    let heads = [
        ("GET /login HTTP/1.1\r\nhost: other.example.net", OTHER),
        ("GET /login HTTP/1.1\r\nHost: OTHER.EXAMPLE.NET", OTHER),
        ("GET https://other.example.net/login HTTP/1.1\r\nhost: other.example.net", OTHER),
        ("GET https://other.example.net/login HTTP/1.1\r\nhost: evil.example", APP),
        ("GET https://evil.example/login HTTP/1.1\r\nhost: other.example.net", APP),
        ("GET /login HTTP/1.1\r\nhost: evil.example", APP),
        ("GET /login HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: other.example.net", APP),
    ];
    for (head, expected) in heads {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{head}\r\naccept: text/html\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let location = answer.lines().find_map(|line| line.strip_prefix("location: ")).unwrap();
        assert_eq!(parameter(location, "redirect_uri"), format!("{expected}/callback"), "{head}");
        assert!(!answer.contains("evil"), "{head}: {answer}");
    }

    for (authority, expected) in
        [("other.example.net", OTHER), ("other.example.net:443", OTHER), ("evil.example", APP)]
    {
        let stream = hyper_util::rt::TokioIo::new(TcpStream::connect(address).await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), stream)
                .await
                .unwrap();
        let connection = tokio::spawn(connection);
        let request = Request::get(format!("https://{authority}/login"))
            .header(header::ACCEPT, "text/html")
            .body(http_body_util::Empty::<bytes::Bytes>::new());
        let answer = sender.send_request(request.unwrap()).await.unwrap();
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        assert_eq!(
            parameter(location, "redirect_uri"),
            format!("{expected}/callback"),
            "{authority}"
        );
        connection.abort();
    }
}
