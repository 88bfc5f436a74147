//! The mistakes of newcomers. The text for each mistake names what to write instead.

use authkit_tower::{
    AuthKit, AuthKitLayer, Config, Endpoints, Principal, Require, Session, dev::TestKit,
};
use axum::{Router, body::to_bytes, routing::get};
use http::{HeaderMap, Method, Request, header};
use support::Events;
use tower::ServiceExt;

const PASSWORD: &str = "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=";

/// A handle from good variables, some of which are changed.
fn configured(changed: &[(&str, &str)]) -> Result<AuthKit, authkit_tower::ConfigError> {
    let good = [
        ("WORKOS_CLIENT_ID", "client_1"),
        ("WORKOS_API_KEY", "sk_test_1"),
        ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
        ("WORKOS_COOKIE_PASSWORD", PASSWORD),
        ("WORKOS_BASE_URL", "http://127.0.0.1:4100"),
    ];
    let find = |name: &str| changed.iter().chain(&good).find(|(known, _)| *known == name);
    AuthKit::new(Config::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()))?)
}

/// A mistake, the variables that it changes, and parts of the error.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);

#[test]
fn a_program_that_cannot_start_says_what_to_write() {
    let mistakes: [Row<'_>; 11] = [
        (
            "1: no variable is set",
            &[
                ("WORKOS_CLIENT_ID", ""),
                ("WORKOS_API_KEY", ""),
                ("WORKOS_REDIRECT_URI", ""),
                ("WORKOS_COOKIE_PASSWORD", ""),
            ],
            &[
                "4 settings",
                "WORKOS_CLIENT_ID (Config::new) is not set",
                "WORKOS_API_KEY (Config::new) is not set",
                "such as `https://app.example.com/callback`",
                "`openssl rand -base64 32`",
            ],
        ),
        (
            "2: a bad password",
            &[("WORKOS_COOKIE_PASSWORD", "hunter2")],
            &["WORKOS_COOKIE_PASSWORD", "7 bytes", "`openssl rand -base64 32`"],
        ),
        (
            "3: a redirect URI without a path",
            &[("WORKOS_REDIRECT_URI", "https://app.example.com")],
            &["WORKOS_REDIRECT_URI", "write the path too", "/callback`"],
        ),
        (
            "4: a redirect URI without a scheme",
            &[("WORKOS_REDIRECT_URI", "localhost:3000/callback")],
            &["WORKOS_REDIRECT_URI", "write the whole URL"],
        ),
        (
            "5: swapped keys",
            &[("WORKOS_CLIENT_ID", "sk_test_1"), ("WORKOS_API_KEY", "client_1")],
            &["holds an API key", "`client_...`", "holds a client id", "`sk_...`"],
        ),
        (
            "6: quotes in a value",
            &[("WORKOS_API_KEY", "\"sk_test_1\"")],
            &["WORKOS_API_KEY", "write it without the quotes", "docker --env-file"],
        ),
        (
            "7: a password that does not suit the format",
            &[("WORKOS_SEAL_FORMAT", "rust")],
            &["WORKOS_SEAL_FORMAT", "`openssl rand -hex 32`", "another format"],
        ),
        (
            "8: an unknown format",
            &[("WORKOS_SEAL_FORMAT", "nextjs")],
            &["WORKOS_SEAL_FORMAT", "write one of ruby, ", "node"],
        ),
        (
            "9: a cookie domain of another site",
            &[("WORKOS_COOKIE_DOMAIN", "example.org")],
            &["WORKOS_COOKIE_DOMAIN", "the host of the redirect URI"],
        ),
        (
            "10: a base URL that would send the API key unencrypted",
            &[("WORKOS_BASE_URL", "http://api.example.com")],
            &["WORKOS_BASE_URL", "`https://`"],
        ),
        (
            "11: a placeholder that nobody has filled in",
            &[("WORKOS_REDIRECT_URI", "https://${HOST}/callback")],
            &["WORKOS_REDIRECT_URI", "placeholder"],
        ),
    ];
    for (mistake, changed, words) in mistakes {
        let error = configured(changed).unwrap_err();
        // What `fn main() -> Result<(), ConfigError>` prints.
        names(mistake, &format!("{error:?}"), words);
    }

    let authkit = configured(&[]).unwrap();
    let except = AuthKitLayer::new(&authkit).except(["/items/{id}"]).unwrap_err();
    names(
        "12: a route's pattern as an exception",
        &except.to_string(),
        &["{id}", "write the path as browsers send it"],
    );
    let bearer = AuthKitLayer::new(&authkit).with_bearer().unwrap_err();
    names(
        "13: bearer tokens without an issuer",
        &bearer.to_string(),
        &["WORKOS_ISSUER", "write the `iss` claim"],
    );
}

#[test]
fn a_program_with_doubtful_settings_warns_at_the_start() {
    let mistakes: [(&str, (&str, &str), &[&str]); 4] = [
        (
            "14: http off this machine",
            ("WORKOS_REDIRECT_URI", "http://app.example.com/callback"),
            &["WARN", "WORKOS_REDIRECT_URI", "write the `https://` URL"],
        ),
        (
            "15: a password from a template",
            ("WORKOS_COOKIE_PASSWORD", "change-me-to-something-of-32-bytes"),
            &["WARN", "WORKOS_COOKIE_PASSWORD", "`openssl rand -base64 32`"],
        ),
        (
            "16: an id that is no client id",
            ("WORKOS_CLIENT_ID", "environment_01"),
            &["WARN", "WORKOS_CLIENT_ID", "the client id of the WorkOS dashboard"],
        ),
        (
            "27: https on this machine without a proxy",
            ("WORKOS_REDIRECT_URI", "https://localhost:3000/callback"),
            &["WARN", "WORKOS_REDIRECT_URI", "speaks plain http", "write the `http://` URL"],
        ),
    ];
    for (mistake, changed, words) in mistakes {
        let events = Events::listen();
        configured(&[changed]).unwrap();
        names(mistake, &events.take().join("\n"), words);
    }
}

/// A kit for applications with mistakes, and the events that they log.
struct Fixture {
    kit: TestKit,
    events: Events,
}

impl Fixture {
    async fn start() -> Self {
        let issuer = |config: Config| config.with_issuers(["https://issuer.example.com"]);
        let kit =
            TestKit::start_with(|emulator| emulator.issuer("https://issuer.example.com"), issuer)
                .await;
        Self { events: Events::listen(), kit }
    }

    /// The body of the answer, its `Location`, and what the application logged meanwhile.
    async fn text(&self, app: &Router, request: Request<String>) -> String {
        let answer = app.clone().oneshot(request.map(axum::body::Body::from)).await.unwrap();
        let location = |headers: &HeaderMap| {
            headers
                .get(header::LOCATION)
                .map(|to| to.to_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let location = location(answer.headers());
        let body = to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        // What a reader of the page sees.
        let seen = [("<code>", "`"), ("</code>", "`"), ("&#39;", "'"), ("&amp;", "&")];
        let body = seen.iter().fold(body, |body, (from, to)| body.replace(from, to));
        format!("{body}\n{location}\n{}", self.events.take().join("\n"))
    }
}

fn fetch(path: &str) -> Request<String> {
    Request::get(path).header(header::HOST, "localhost:3000").body(String::new()).unwrap()
}

#[tokio::test]
async fn a_router_in_the_wrong_order_says_which_line_to_write_where() {
    let fixture = Fixture::start().await;
    let authkit = fixture.kit.authkit();
    let layer = || AuthKitLayer::new(authkit);
    let greet = || get(async |session: Session| session.user().id.to_string());
    let bob = fixture.kit.session("bob@acme.test");

    let forgotten = Router::new().route("/", greet()).merge(Endpoints::new(authkit));
    let text = fixture.text(&forgotten, bob.browser_request("/")).await;
    names(
        "17: a forgotten layer",
        &text,
        &["`.route_layer(AuthKitLayer::new(&authkit))` after the handler's `.route(..)`"],
    );

    let late = Router::new()
        .route("/a", get("a"))
        .route_layer(layer())
        .route("/", greet())
        .merge(Endpoints::new(authkit));
    let text = fixture.text(&late, bob.browser_request("/")).await;
    names(
        "18: a route after the layer",
        &text,
        &["after the handler's `.route(..)`, on the same router"],
    );

    let swapped = Router::new()
        .route("/", get("in"))
        .route_layer(layer())
        .route_layer(Require::role("admin"))
        .merge(Endpoints::new(authkit));
    let text = fixture.text(&swapped, bob.browser_request("/")).await;
    names("19: a guard outside the layer", &text, &["`.route_layer(Require::..)` first"]);

    let over = Router::new().route("/", greet()).merge(Endpoints::new(authkit)).layer(layer());
    let text = fixture.text(&over, fixture.kit.browser_request("/login")).await;
    names("20: a layer over the endpoints", &text, &["Merge `Endpoints` after the layer"]);

    let nested = Router::new()
        .route("/", greet())
        .route_layer(layer())
        .nest("/auth", Router::new().merge(Endpoints::new(authkit)));
    let text = fixture.text(&nested, fixture.kit.browser_request("/auth/login")).await;
    names(
        "21: nested endpoints",
        &text,
        &["`.merge(Endpoints::new(&authkit))`", "Config::with_login_path"],
    );
}

#[tokio::test]
async fn a_program_without_endpoints_warns() {
    let fixture = Fixture::start().await;
    let app =
        Router::new().route("/", get("in")).route_layer(AuthKitLayer::new(fixture.kit.authkit()));
    let text = fixture.text(&app, fixture.kit.browser_request("/")).await;
    names("22: no endpoints", &text, &["WARN", "`.merge(Endpoints::new(&authkit))` (axum)"]);
}

#[tokio::test]
async fn a_refusal_says_what_would_have_let_the_request_in() {
    let fixture = Fixture::start().await;
    let authkit = fixture.kit.authkit();
    let greet = || get(async |session: Session| session.user().id.to_string());
    let bob = fixture.kit.session("bob@acme.test");

    let optional = Router::new()
        .route("/", greet())
        .route_layer(AuthKitLayer::optional(authkit))
        .merge(Endpoints::new(authkit));
    let text = fixture.text(&optional, fixture.kit.browser_request("/")).await;
    names(
        "23: Session under an optional layer",
        &text,
        &["AuthKitLayer::optional", "take an Option<Session>"],
    );

    let bearer = Router::new()
        .route("/", greet())
        .route("/me", get(async |principal: Principal| principal.subject().to_owned()))
        .route_layer(AuthKitLayer::new(authkit).with_bearer().unwrap())
        .merge(Endpoints::new(authkit));
    let mut request = fetch("/");
    let token = format!("Bearer {}", bob.access_token());
    request.headers_mut().insert(header::AUTHORIZATION, token.parse().unwrap());
    let text = fixture.text(&bearer, request).await;
    names("24: Session for the request of a program", &text, &["take a Principal"]);

    let guarded = Router::new()
        .route("/", get("in").route_layer(Require::role("admin")))
        .route_layer(AuthKitLayer::new(authkit))
        .merge(Endpoints::new(authkit));
    let text = fixture.text(&guarded, bob.browser_request("/")).await;
    names(
        "25: a role that the user does not have",
        &text,
        &["asked=role `admin`", "role=\"member\""],
    );

    let mut request = bob.browser_request("/");
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
    headers.insert(header::ORIGIN, "https://app.example.com".parse().unwrap());
    let text = fixture.text(&guarded, request).await;
    names(
        "26: a page of another origin that one owns",
        &text,
        &[
            "https://app.example.com",
            "([\"https://app.example.com\"]) allows it",
            "WORKOS_REDIRECT_URI",
        ],
    );
}

/// Asserts that the text has these parts, and no secret.
fn names(mistake: &str, text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{mistake}: no `{word}` in\n{text}");
    }
    assert!(
        !text.contains(PASSWORD) && !text.contains("hunter2"),
        "{mistake}: a secret in\n{text}"
    );
}
