//! No `return_to` in a link redirects a browser to an origin that the configuration does not list.

use authkit_emulator::Emulator;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints};
use axum::{Router, body::Body, routing::any};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use support::{Answer, Browser, Harness, PASSWORD};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tower::{ServiceExt, service_fn};
use url::{Url, form_urlencoded};

/// Known attempts to redirect browsers to another origin, one JSON string per line.
fn corpus() -> Vec<String> {
    let lines = include_str!("../vectors/open-redirects.txt").lines();
    let corpus: Vec<_> = lines.map(|line| serde_json::from_str::<String>(line).unwrap()).collect();
    assert!(corpus.len() >= 500, "{}", corpus.len());
    corpus
}

const ORIGIN: &str = "https://app.example.com";
const SPA: &str = "https://spa.example.org";

/// A configuration of the service's address, and the origin that browsers see.
#[derive(Clone, Copy)]
struct Setting {
    name: &'static str,
    /// The origin that the browser is at.
    at: &'static str,
    /// The prefix that a proxy strips.
    base: &'static str,
    origins: &'static [&'static str],
    return_origins: &'static [&'static str],
}

const PLAIN: Setting =
    Setting { name: "plain", at: ORIGIN, base: "", origins: &[], return_origins: &[] };

const SETTINGS: [Setting; 5] = [
    PLAIN,
    Setting {
        name: "another origin",
        at: "https://other.example.net",
        origins: &["https://other.example.net"],
        ..PLAIN
    },
    Setting {
        name: "a preview",
        at: "https://pr-7.preview.example.com",
        origins: &["https://*.preview.example.com"],
        ..PLAIN
    },
    Setting { name: "an application elsewhere", return_origins: &[SPA], ..PLAIN },
    Setting { name: "a stripped prefix", base: "/app", ..PLAIN },
];

struct Site {
    harness: Harness,
    app: Router,
    setting: Setting,
}

impl Site {
    async fn start() -> Self {
        Self::with(PLAIN).await
    }

    async fn with(setting: Setting) -> Self {
        let harness = Harness::start().await;
        let home = format!("{ORIGIN}{}", setting.base);
        let authkit: AuthKit = harness.authkit_at(&home, |config| {
            config
                .with_origins(setting.origins.to_vec())
                .with_return_origins(setting.return_origins.to_vec())
                .with_base_path(setting.base)
        });
        let app = Router::new()
            .route("/{*path}", any(async || "handled"))
            .route_layer(AuthKitLayer::new(&authkit))
            .merge(Endpoints::new(&authkit));
        let app = if setting.base.is_empty() { app } else { stripping(setting.base, app) };
        Self { harness, app, setting }
    }

    fn emulator(&self) -> &Emulator {
        &self.harness.emulator
    }

    /// The URL of a path of the service, as the browser sees it.
    fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.setting.at, self.setting.base)
    }

    fn signed_in(&self) -> Browser {
        let browser = Browser::new();
        let session = self.emulator().session("alice@acme.test").cookie(PASSWORD);
        browser.keep(self.setting.at, "wos_session", &session);
        browser
    }

    /// The URL of an endpoint with this `return_to`.
    fn with_return_to(&self, endpoint: &str, return_to: &str) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_to)
            .finish();
        format!("{}?{query}", self.url(endpoint))
    }

    /// The corpus, as it is and appended to our own origins and prefix.
    fn corpus(&self) -> Vec<String> {
        let honest = ["/", "/rows?page=2"].map(str::to_owned);
        let corpus: Vec<_> = corpus().into_iter().chain(honest).collect();
        let Setting { at, base, return_origins, .. } = self.setting;
        let starts = [base, at].into_iter().chain(return_origins.iter().copied());
        let starts: Vec<_> = starts.filter(|start| !start.is_empty() && *start != ORIGIN).collect();
        let after =
            |start: &str| corpus.iter().map(|return_to| format!("{start}{return_to}")).collect();
        let longer: Vec<Vec<_>> = starts.into_iter().map(after).collect();
        longer.into_iter().flatten().chain(corpus.clone()).collect()
    }

    /// Panics unless a browser resolves `location`, on any page, to a listed origin: below our prefix and at no endpoint.
    fn check(&self, return_to: &str, location: &str) {
        let Setting { name, at, base, return_origins, .. } = self.setting;
        let what = format!("{name}, {return_to:?}: {location:?}");
        assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{what}");
        for page in ["/", "/login?return_to=x", "/a/b/c?d"] {
            let there = Url::parse(&self.url(page)).unwrap().join(location).unwrap();
            assert!(there.username().is_empty() && there.password().is_none(), "{what}");
            let origin = there.origin().ascii_serialization();
            if return_origins.contains(&origin.as_str()) {
                assert!(location.starts_with(&format!("{origin}/")), "{what}");
                continue;
            }
            assert_eq!(origin, at, "{what}");
            let path = there.path().strip_prefix(base).unwrap_or_else(|| panic!("{what}"));
            assert!(path.starts_with('/'), "{what}");
            let is_endpoint = ["/login", "/callback", "/logout"].contains(&path);
            assert!(!is_endpoint, "{what} is an endpoint");
        }
        // A program that decodes the location again must not read a host in it.
        let decoded = location
            .to_ascii_lowercase()
            .replace("%2f", "/")
            .replace("%5c", "\\")
            .replace("%09", "");
        assert!(!decoded.starts_with("//") && !decoded.starts_with("/\\"), "{what}");
    }

    /// The `return_to` of a redirect of ours to the sign-in endpoint.
    fn passed_on(&self, location: &str) -> String {
        let there = Url::parse(self.setting.at).unwrap().join(location).unwrap();
        assert_eq!(there.path(), format!("{}/login", self.setting.base), "{location}");
        parameter(&there, "return_to").unwrap()
    }
}

/// A proxy that strips `base`; it replaces a path that is not below it by `/beside`.
fn stripping(base: &'static str, app: Router) -> Router {
    let proxy = move |mut request: Request<Body>| {
        let app = app.clone();
        async move {
            let mut parts = request.uri().clone().into_parts();
            let target = parts.path_and_query.as_ref().unwrap().as_str();
            let below = target.strip_prefix(base).filter(|rest| rest.starts_with('/'));
            parts.path_and_query = Some(below.unwrap_or("/beside").parse().unwrap());
            *request.uri_mut() = Uri::from_parts(parts).unwrap();
            // The service gets a new request, without the extensions of the one that the proxy got.
            request.extensions_mut().clear();
            app.oneshot(request).await
        }
    };
    Router::new().fallback_service(service_fn(proxy))
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find_map(|(found, value)| (found == name).then(|| value.into_owned()))
}

#[tokio::test]
async fn rd_01_signing_in_ends_here() {
    for setting in SETTINGS {
        let (site, outside) = (Site::with(setting).await, Browser::new());
        // Signing in at WorkOS takes most of the time: of the other settings, each seventh value is enough here.
        let step = if setting.name == PLAIN.name { 1 } else { 7 };
        for return_to in site.corpus().into_iter().step_by(step) {
            let browser = Browser::new();
            let login = browser.visit(&site.app, &site.with_return_to("/login", &return_to)).await;
            let authorize = browser.target(&login);
            assert!(
                authorize.as_str().starts_with(site.emulator().url()),
                "{return_to:?}: {authorize}"
            );
            let callback = site.url("/callback");
            assert_eq!(parameter(&authorize, "redirect_uri").unwrap(), callback, "{return_to:?}");

            // The flow seals the `return_to`, and the callback parses it again.
            let there = outside.navigate(authorize.as_str()).await;
            let callback = browser.visit(&site.app, outside.target(&there).as_str()).await;
            assert_eq!(callback.status, StatusCode::SEE_OTHER, "{return_to:?}");
            site.check(&return_to, callback.header("location"));
        }
    }
}

#[tokio::test]
async fn rd_01_whoever_is_signed_in_stays_here() {
    for setting in SETTINGS {
        let site = Site::with(setting).await;
        let cookie = site.signed_in().cookie("wos_session").unwrap();
        // `/login` redirects a user whose session it admits without waiting, so the signing keys have to be cached.
        let page = site.signed_in().visit(&site.app, &site.url("/page")).await;
        assert_eq!(page.text(), "handled");
        let (mut here, mut elsewhere) = (0, 0);
        for return_to in site.corpus() {
            let browser = Browser::new();
            browser.keep(setting.at, "wos_session", &cookie);
            let login = browser.visit(&site.app, &site.with_return_to("/login", &return_to)).await;
            match login.header("location") {
                away if away.starts_with(site.emulator().url()) => {}
                location => {
                    here += 1;
                    elsewhere += usize::from(location.starts_with(SPA));
                    site.check(&return_to, location);
                }
            }
        }
        assert!(here >= 500, "{}: {here}", setting.name);
        let may_leave = !setting.return_origins.is_empty();
        assert_eq!(elsewhere > 0, may_leave, "{}: {elsewhere}", setting.name);
    }
}

#[tokio::test]
async fn rd_01_signing_out_ends_here() {
    for setting in SETTINGS {
        let site = Site::with(setting).await;
        let corpus = site.corpus();
        let mut at_workos = 0;
        for return_to in &corpus {
            for browser in [Browser::new(), site.signed_in()] {
                let url = site.with_return_to("/logout", return_to);
                let asked = browser.visit(&site.app, &url).await;
                assert_eq!(
                    (asked.status, asked.header("location")),
                    (StatusCode::OK, ""),
                    "{return_to:?}"
                );
                check_form(&site, return_to, &asked);

                let form = [
                    ("sec-fetch-site", "same-origin"),
                    ("sec-fetch-mode", "navigate"),
                    ("origin", setting.at),
                ];
                let done = browser.send_to(&site.app, Method::POST, &url, form).await;
                assert_eq!(done.status, StatusCode::SEE_OTHER, "{return_to:?}");
                let to = Url::parse(done.header("location")).unwrap();
                let after = if to.as_str().starts_with(site.emulator().url()) {
                    at_workos += 1;
                    parameter(&to, "return_to").unwrap()
                } else {
                    to.into()
                };
                site.check(return_to, after.strip_prefix(setting.at).unwrap_or(&after));
            }
        }
        assert_eq!(at_workos, corpus.len(), "each session is ended at WorkOS too");
    }
}

/// The confirmation page links only to our own sign-out.
fn check_form(site: &Site, return_to: &str, page: &Answer) {
    let text = page.text();
    let (_, action) = text.split_once("action=\"").unwrap();
    let (action, _) = action.split_once('"').unwrap();
    let to = Url::parse(&site.url("/")).unwrap().join(action).unwrap();
    let mut without_query = to.clone();
    without_query.set_query(None);
    assert_eq!(without_query.as_str(), site.url("/logout"), "{return_to:?}");
    if let Some(after) = parameter(&to, "return_to") {
        site.check(return_to, &after);
    }
    let shown = |text: &str| text.matches("evil.example").count();
    assert_eq!(
        shown(&text),
        shown(action),
        "{return_to:?}: the page shows it outside of the form's action"
    );
}

#[tokio::test]
async fn rd_01_what_headers_and_targets_say_ends_here() {
    for setting in SETTINGS {
        let site = Site::with(setting).await;
        let nobody = Browser::new();
        let mut tried = 0;
        for address in site.corpus() {
            let is_header = address.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            for address in [address.clone(), format!("{}{address}", setting.at)] {
                if !is_header {
                    continue;
                }
                tried += 1;
                let form = [("sec-fetch-mode", "navigate"), ("referer", address.as_str())];
                let answer =
                    nobody.send_to(&site.app, Method::POST, &site.url("/form"), form).await;
                site.check(&address, &site.passed_on(answer.header("location")));
                let fragment = [("hx-request", "true"), ("hx-current-url", address.as_str())];
                let answer =
                    nobody.send_to(&site.app, Method::GET, &site.url("/rows"), fragment).await;
                site.check(&address, &site.passed_on(answer.header("hx-redirect")));
            }
            // As the target of a request, which a browser sends after a link to our own host.
            let target = site.url(&address);
            if address.starts_with('/') && Url::parse(&target).is_ok() {
                let answer = nobody.visit(&site.app, &target).await;
                if answer.header("location").starts_with(&format!("{}/login?", setting.base)) {
                    site.check(&address, &site.passed_on(answer.header("location")));
                }
            }
        }
        assert!(tried > 800, "{tried}");
    }
}

#[tokio::test]
async fn rd_02_what_is_too_long_or_malformed_is_left_out() {
    let (site, outside) = (Site::start().await, Browser::new());
    // As long as a URI can be here: servers refuse a longer one themselves.
    let filled = |piece: &str| {
        let return_to = (1..).map(|n| format!("/{}", piece.repeat(n * 100)));
        return_to
            .take_while(|return_to| site.with_return_to("/login", return_to).len() < 65_000)
            .last()
            .unwrap()
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
    for (name, return_to, expected) in cases {
        let browser = Browser::new();
        let login = browser.visit(&site.app, &site.with_return_to("/login", &return_to)).await;
        assert_eq!(login.status, StatusCode::FOUND, "{name}");
        let authorize = browser.target(&login);
        assert!(authorize.as_str().len() < 1024, "{name}: it is not in the URL of WorkOS");
        let set: usize = login.headers.get_all("set-cookie").iter().map(HeaderValue::len).sum();
        assert!(set < 4096, "{name}: {set} bytes of cookies");

        let there = outside.navigate(authorize.as_str()).await;
        let callback = browser.visit(&site.app, outside.target(&there).as_str()).await;
        let to = callback.header("location");
        assert!(to == expected || expected == "/a" && to.len() == 2048, "{name}: {to}");
        site.check(name, to);
    }

    for query in ["return_to", "return_to=", "return_to=%", "return_to=%zz", "=", "&&&", "%00", "?"]
    {
        let login = Browser::new().visit(&site.app, &format!("{ORIGIN}/login?{query}")).await;
        assert_eq!(login.status, StatusCode::FOUND, "{query}");
    }
    for (twice, expected) in
        [("/first&return_to=//evil.example", "/first"), ("//evil.example&return_to=/second", "/")]
    {
        let browser = Browser::new();
        let url = format!("{ORIGIN}/login?return_to={twice}");
        let login = browser.visit(&site.app, &url).await;
        let there = outside.navigate(browser.target(&login).as_str()).await;
        let callback = browser.visit(&site.app, outside.target(&there).as_str()).await;
        assert_eq!(callback.header("location"), expected, "the first of two counts");
    }
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
