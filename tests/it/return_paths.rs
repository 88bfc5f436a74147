//! Nobody is sent off our origin by what a link says of where to go next.

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints};
use axum::{Router, routing::any};
use http::{HeaderValue, Method, StatusCode};
use support::{Answer, Browser, Harness, PASSWORD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use url::{Url, form_urlencoded};

/// What has been tried elsewhere to lead browsers away, a JSON string a line.
fn corpus() -> Vec<String> {
    let lines = include_str!("../vectors/open-redirects.txt").lines();
    let corpus: Vec<_> = lines.map(|line| serde_json::from_str::<String>(line).unwrap()).collect();
    assert!(corpus.len() >= 500, "{}", corpus.len());
    corpus
}

const ORIGIN: &str = "https://app.example.com";

struct Site {
    harness: Harness,
    app: Router,
}

impl Site {
    async fn start() -> Self {
        let harness = Harness::start().await;
        let authkit: AuthKit = harness.authkit_at(ORIGIN, |config| config);
        let app = Router::new()
            .route("/{*path}", any(async || "handled"))
            .route_layer(AuthKitLayer::new(&authkit))
            .merge(Endpoints::new(&authkit));
        Self { harness, app }
    }

    fn emulator(&self) -> &Emulator {
        &self.harness.emulator
    }

    fn signed_in(&self) -> Browser {
        let browser = Browser::new();
        browser.keep(
            ORIGIN,
            "wos_session",
            &self.emulator().session("alice@acme.test").cookie(PASSWORD),
        );
        browser
    }
}

/// The address of an endpoint with this wish of where to go next.
fn wishing(endpoint: &str, wish: &str) -> String {
    let query =
        form_urlencoded::Serializer::new(String::new()).append_pair("return_to", wish).finish();
    format!("{ORIGIN}{endpoint}?{query}")
}

/// Panics unless every browser, whatever page it is on, takes this for a place of ours that is no endpoint.
fn check_ours(wish: &str, location: &str) {
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{wish:?}: {location:?}");
    for page in ["/", "/login?return_to=x", "/a/b/c?d"] {
        let there = Url::parse(ORIGIN).unwrap().join(page).unwrap().join(location).unwrap();
        assert_eq!(there.origin().ascii_serialization(), ORIGIN, "{wish:?}: {location:?}");
        assert!(
            there.username().is_empty() && there.password().is_none(),
            "{wish:?}: {location:?}"
        );
        let is_endpoint = ["/login", "/callback", "/logout"].contains(&there.path());
        assert!(!is_endpoint, "{wish:?}: {location:?} goes in circles");
    }
    // Not what some reader further on would take for a host.
    let decoded =
        location.to_ascii_lowercase().replace("%2f", "/").replace("%5c", "\\").replace("%09", "");
    assert!(!decoded.starts_with("//") && !decoded.starts_with("/\\"), "{wish:?}: {location:?}");
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find_map(|(found, value)| (found == name).then(|| value.into_owned()))
}

/// The wish that an answer of ours passes on to the sign-in endpoint.
fn passed_on(location: &str) -> String {
    let there = Url::parse(ORIGIN).unwrap().join(location).unwrap();
    assert_eq!(there.path(), "/login", "{location}");
    parameter(&there, "return_to").unwrap()
}

#[tokio::test]
async fn rd_01_signing_in_ends_here() {
    let (site, outside) = (Site::start().await, Browser::new());
    for wish in corpus() {
        let browser = Browser::new();
        let login = browser.visit(&site.app, &wishing("/login", &wish)).await;
        let authorize = browser.target(&login);
        assert!(authorize.as_str().starts_with(site.emulator().url()), "{wish:?}: {authorize}");
        assert_eq!(
            parameter(&authorize, "redirect_uri").unwrap(),
            format!("{ORIGIN}/callback"),
            "{wish:?}"
        );

        // What was wished for travels sealed, and is looked at again.
        let there = outside.navigate(authorize.as_str()).await;
        let callback = browser.visit(&site.app, outside.target(&there).as_str()).await;
        assert_eq!(callback.status, StatusCode::SEE_OTHER, "{wish:?}");
        check_ours(&wish, callback.header("location"));
    }
}

#[tokio::test]
async fn rd_01_whoever_is_signed_in_stays_here() {
    let site = Site::start().await;
    let cookie = site.signed_in().cookie("wos_session").unwrap();
    for wish in corpus() {
        let browser = Browser::new();
        browser.keep(ORIGIN, "wos_session", &cookie);
        let login = browser.visit(&site.app, &wishing("/login", &wish)).await;
        match login.header("location") {
            away if away.starts_with(site.emulator().url()) => {}
            here => check_ours(&wish, here),
        }
    }
}

#[tokio::test]
async fn rd_01_signing_out_ends_here() {
    let site = Site::start().await;
    let mut at_workos = 0;
    for wish in corpus() {
        for browser in [Browser::new(), site.signed_in()] {
            let url = wishing("/logout", &wish);
            let asked = browser.visit(&site.app, &url).await;
            assert_eq!((asked.status, asked.header("location")), (StatusCode::OK, ""), "{wish:?}");
            check_form(&wish, &asked);

            let form = [
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-mode", "navigate"),
                ("origin", ORIGIN),
            ];
            let done = browser.send_to(&site.app, Method::POST, &url, form).await;
            assert_eq!(done.status, StatusCode::SEE_OTHER, "{wish:?}");
            let to = Url::parse(done.header("location")).unwrap();
            let after = if to.as_str().starts_with(site.emulator().url()) {
                at_workos += 1;
                parameter(&to, "return_to").unwrap()
            } else {
                to.into()
            };
            check_ours(&wish, after.strip_prefix(ORIGIN).unwrap_or(&after));
        }
    }
    assert_eq!(at_workos, corpus().len(), "each session is ended at WorkOS too");
}

/// The confirmation page leads nowhere but to our own sign-out.
fn check_form(wish: &str, page: &Answer) {
    let text = page.text();
    let (_, action) = text.split_once("action=\"").unwrap();
    let (action, _) = action.split_once('"').unwrap();
    let to = Url::parse(ORIGIN).unwrap().join(action).unwrap();
    assert_eq!(
        (to.origin().ascii_serialization().as_str(), to.path()),
        (ORIGIN, "/logout"),
        "{wish:?}"
    );
    if let Some(after) = parameter(&to, "return_to") {
        check_ours(wish, &after);
    }
    let shown = |text: &str| text.matches("evil.example").count();
    assert_eq!(shown(&text), shown(action), "{wish:?}: shown beside the button");
}

#[tokio::test]
async fn rd_01_what_headers_and_targets_say_ends_here() {
    let site = Site::start().await;
    let nobody = Browser::new();
    let mut tried = 0;
    for wish in corpus() {
        let is_header = wish.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        for wish in [wish.clone(), format!("{ORIGIN}{wish}")] {
            if !is_header {
                continue;
            }
            tried += 1;
            let form = [("sec-fetch-mode", "navigate"), ("referer", wish.as_str())];
            let answer =
                nobody.send_to(&site.app, Method::POST, &format!("{ORIGIN}/form"), form).await;
            check_ours(&wish, &passed_on(answer.header("location")));
            let fragment = [("hx-request", "true"), ("hx-current-url", wish.as_str())];
            let answer =
                nobody.send_to(&site.app, Method::GET, &format!("{ORIGIN}/rows"), fragment).await;
            check_ours(&wish, &passed_on(answer.header("hx-redirect")));
        }
        // As a request target, such as a browser sends that followed a link to our own host.
        if wish.starts_with('/') && Url::parse(&format!("{ORIGIN}{wish}")).is_ok() {
            let answer = nobody.visit(&site.app, &format!("{ORIGIN}{wish}")).await;
            if answer.header("location").starts_with("/login?") {
                check_ours(&wish, &passed_on(answer.header("location")));
            }
        }
    }
    assert!(tried > 800, "{tried}");
}

#[tokio::test]
async fn rd_02_what_is_too_long_or_malformed_is_left_out() {
    let (site, outside) = (Site::start().await, Browser::new());
    // As long as a URI can be here; what is longer, servers refuse themselves.
    let filled = |piece: &str| {
        let wish = (1..).map(|n| format!("/{}", piece.repeat(n * 100)));
        wish.take_while(|wish| wishing("/login", wish).len() < 65_000).last().unwrap()
    };
    let cases = [
        ("letters", filled("a"), "/"),
        ("percent signs", filled("%"), "/"),
        ("encodings", filled("%25"), "/"),
        ("slashes", filled("/"), "/"),
        ("dots", filled("/.."), "/"),
        ("parentheses", filled("("), "/"),
        ("emoji", filled("🦀"), "/"),
        ("as long as may be", format!("/{}", "a".repeat(2047)), "/a"),
        ("one more", format!("/{}", "a".repeat(2048)), "/"),
        ("an emoji", "/🦀?🦀".to_owned(), "/%F0%9F%A6%80?%F0%9F%A6%80"),
        ("a lone surrogate", "/%ed%a0%80".to_owned(), "/%ed%a0%80"),
        ("bytes that are no text", "/%ff%fe".to_owned(), "/%ff%fe"),
        ("half an encoding", "/%f".to_owned(), "/%f"),
        ("too many layers", "/%2525252525252525255c".to_owned(), "/"),
    ];
    for (name, wish, expected) in cases {
        let browser = Browser::new();
        let login = browser.visit(&site.app, &wishing("/login", &wish)).await;
        assert_eq!(login.status, StatusCode::FOUND, "{name}");
        let authorize = browser.target(&login);
        assert!(authorize.as_str().len() < 1024, "{name}: it does not travel with the browser");
        let set: usize = login.headers.get_all("set-cookie").iter().map(HeaderValue::len).sum();
        assert!(set < 4096, "{name}: {set} bytes of cookies");

        let there = outside.navigate(authorize.as_str()).await;
        let callback = browser.visit(&site.app, outside.target(&there).as_str()).await;
        let to = callback.header("location");
        assert!(to == expected || expected == "/a" && to.len() == 2048, "{name}: {to}");
        check_ours(name, to);
    }

    for query in ["return_to", "return_to=", "return_to=%", "return_to=%zz", "=", "&&&", "%00", "?"]
    {
        let login = Browser::new().visit(&site.app, &format!("{ORIGIN}/login?{query}")).await;
        assert_eq!(login.status, StatusCode::FOUND, "{query}");
    }
    // The first one counts, and only that.
    let twice = "return_to=%2Ffirst&return_to=%2F%2Fevil.example";
    let login = Browser::new().visit(&site.app, &format!("{ORIGIN}/login?{twice}")).await;
    assert_eq!(login.status, StatusCode::FOUND);
}

#[tokio::test]
async fn rd_02_a_hundred_kilobytes_are_refused_at_the_door() {
    let harness = Harness::start().await;
    let app = Router::new().merge(Endpoints::new(&harness.authkit));
    let running = harness.serve(app);
    let mut stream = TcpStream::connect(running.served().address()).await.unwrap();
    let target = format!("/login?return_to=/{}", "a".repeat(100_000));
    let request = format!("GET {target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 414 "), "{answer}");
}
