//! Behind a cache that all users share, no user gets a response that was made for another one.

use std::{collections::HashMap, time::Duration};

use authkit_emulator::TestSession;
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Principal, Require, Session};
use axum::{Router, http::HeaderMap, routing::get};
use bytes::Bytes;
use http::Method;
use support::{Answer, Browser, DOCUMENT, Harness, Nginx, PASSWORD, Port};

const ALICE: &str = "alice@acme.test";
const BOB: &str = "bob@acme.test";

/// A response that lets every cache keep it for a year.
fn eager(body: impl Into<String>) -> ([(&'static str, &'static str); 1], String) {
    ([("cache-control", "public, s-maxage=31536000")], body.into())
}

fn app(authkit: &AuthKit) -> Router {
    let whose = async |session: Session| eager(session.user().email.as_ref().unwrap());
    let silent = async |session: Session| session.user().email.clone().unwrap();
    let maybe = async |session: Option<Session>| {
        eager(session.map_or("nobody".to_owned(), |session| session.user().email.clone().unwrap()))
    };
    let program = async |principal: Principal| eager(principal.subject());
    // A page without a layer, which shows whose request it got.
    let careless = async |headers: HeaderMap| eager(format!("{:?}", headers.get("cookie")));
    let required = AuthKitLayer::new(authkit);
    Router::new()
        .route("/page", get(whose))
        .route("/silent", get(silent))
        .route("/guarded", get(whose).route_layer(Require::role("admin")))
        .route_layer(required.clone())
        .merge(
            Router::new()
                .route("/optional", get(maybe))
                .route_layer(AuthKitLayer::optional(authkit)),
        )
        .merge(
            Router::new()
                .route("/program", get(program))
                .route_layer(required.with_bearer().unwrap()),
        )
        .route("/careless", get(careless))
        .merge(Endpoints::new(authkit))
}

struct Site {
    harness: Harness,
    cache: Nginx,
}

impl Site {
    async fn start() -> Self {
        let harness = Harness::start().await;
        let issuer = harness.emulator.issuer().to_owned();
        let cache = Nginx::sharing_a_cache(async |origin| {
            let authkit =
                harness.authkit_at(origin, |config| config.with_issuers([issuer.as_str()]));
            Port::bind().await.serve_axum(app(&authkit))
        });
        Self { cache: cache.await, harness }
    }

    fn session(&self, email: &str) -> TestSession {
        self.harness.emulator.session(email)
    }

    fn browser(&self, email: &str) -> Browser {
        self.holding(&self.session(email).cookie(PASSWORD))
    }

    fn holding(&self, sealed: &str) -> Browser {
        let browser = Browser::new();
        browser.keep(&self.cache.url("/"), "wos_session", sealed);
        browser
    }

    async fn get(&self, browser: &Browser, path: &str, headers: &[(&str, &str)]) -> Answer {
        browser
            .send(Method::GET, &self.cache.url(path), headers.iter().copied(), Bytes::new())
            .await
    }
}

fn is_hit(answer: &Answer) -> bool {
    answer.header("x-cache") == "HIT"
}

#[tokio::test]
async fn without_a_layer_the_cache_gives_one_users_page_to_another() {
    let site = Site::start().await;
    let alices = site.get(&site.browser(ALICE), "/careless", &DOCUMENT).await;
    let bobs = site.get(&site.browser(BOB), "/careless", &DOCUMENT).await;
    assert!(is_hit(&bobs) && bobs.body == alices.body, "without a layer, Bob gets Alice's page");

    let alice = site.browser(ALICE);
    let answers =
        [site.get(&alice, "/page", &DOCUMENT).await, site.get(&alice, "/page", &DOCUMENT).await];
    assert!(is_hit(&answers[1]), "with a layer, the cache still keeps Alice's page for Alice");
    assert_eq!(answers[1].text(), ALICE);
}

/// What a client must see, whoever came before.
#[derive(Clone, Copy)]
enum Expected {
    Body(&'static str),
    Status(u16),
    Redirect,
}

/// A path, the request's headers, and what Alice, Bob and a browser without a session must see.
type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], [Expected; 3]);

#[tokio::test]
async fn ch_03_pages_redirects_and_denials_are_nobody_elses() {
    use Expected::{Body, Redirect, Status};

    let site = Site::start().await;
    let clients = [site.browser(ALICE), site.browser(BOB), Browser::new()];
    let fetch = &[("accept", "application/json")][..];
    let rows: [Row<'_>; 7] = [
        ("/page", &DOCUMENT, [Body(ALICE), Body(BOB), Redirect]),
        ("/page?fetched", fetch, [Body(ALICE), Body(BOB), Status(401)]),
        ("/silent", &DOCUMENT, [Body(ALICE), Body(BOB), Redirect]),
        ("/guarded", &DOCUMENT, [Body(ALICE), Status(403), Redirect]),
        ("/guarded?fetched", fetch, [Body(ALICE), Status(403), Status(401)]),
        ("/optional", &DOCUMENT, [Body(ALICE), Body(BOB), Body("nobody")]),
        (
            "/program",
            fetch,
            [
                Body("user_01ALICE000000000000000000"),
                Body("user_01BOB00000000000000000000"),
                Status(401),
            ],
        ),
    ];
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    let mut hits = 0;

    for (path, headers, expected) in rows {
        for (n, order) in orders.iter().enumerate() {
            // Each order has an entry of its own in the cache; every client comes twice.
            let path = format!("{path}{}order={n}", if path.contains('?') { '&' } else { '?' });
            for client in order.iter().chain(order) {
                let name = format!("{path}, client {client} of {order:?}");
                let answer = site.get(&clients[*client], &path, headers).await;
                match expected[*client] {
                    Body(body) => assert_eq!(answer.text(), body, "{name}"),
                    Status(status) => assert_eq!(answer.status, status, "{name}"),
                    Redirect => assert!(answer.header("location").starts_with("/login?"), "{name}"),
                }
                assert_eq!(answer.header("set-cookie"), "", "{name}");
                hits += usize::from(is_hit(&answer));
            }
        }
    }
    assert!(hits >= 50, "{hits}: a cache that keeps nothing proves nothing");
}

#[tokio::test]
async fn ch_03_a_refreshed_session_is_handed_to_its_owner() {
    let site = Site::start().await;
    let mut owners = HashMap::new();
    for round in 0..4 {
        for path in ["/page", "/silent", "/optional", "/guarded"] {
            let path = format!("{path}?round={round}");
            for email in [ALICE, BOB] {
                // The budget allows the refreshes of one user at this pace.
                site.harness.advance(Duration::from_secs(2));
                let expired = site.session(email).expired().cookie(PASSWORD);
                let tabs = [site.holding(&expired), site.holding(&expired)];
                for (tab, time) in [(0, "first"), (1, "first"), (0, "again"), (1, "again")] {
                    let name = format!("{path}, {email}, tab {tab}, {time}");
                    let answer = site.get(&tabs[tab], &path, &DOCUMENT).await;
                    assert!(
                        time == "again" || !is_hit(&answer),
                        "{name}: a refreshed session out of the cache"
                    );
                    let is_denied = email == BOB && path.starts_with("/guarded");
                    assert!(
                        is_denied && answer.status == 403 || answer.text() == email,
                        "{name}: {}",
                        answer.text()
                    );
                    for cookie in answer.set_cookies("wos_session") {
                        assert_eq!(
                            *owners.entry(cookie.to_owned()).or_insert(email),
                            email,
                            "{name}"
                        );
                    }
                    assert!(
                        time == "first" || answer.set_cookies("wos_session").is_empty(),
                        "{name}"
                    );
                }
                let answer = site.get(&Browser::new(), &path, &DOCUMENT).await;
                assert_eq!(answer.header("set-cookie"), "", "{path}: without a session");
                assert!(!answer.text().contains('@'), "{path}: without a session");
            }
        }
    }
    assert_eq!(owners.len(), 4 * 4 * 2);
}

#[tokio::test]
async fn ch_03_a_program_gets_what_its_own_token_is_worth() {
    let site = Site::start().await;
    let field = |email: &str| format!("Bearer {}", site.session(email).access_token());
    let (alices, bobs) = (field(ALICE), field(BOB));
    let nobody = Browser::new();
    let ask = async |fields: &[(&str, &str)]| site.get(&nobody, "/program", fields).await;
    for _ in 0..3 {
        assert_eq!(
            ask(&[("authorization", &alices)]).await.text(),
            "user_01ALICE000000000000000000"
        );
        assert_eq!(ask(&[("authorization", &bobs)]).await.text(), "user_01BOB00000000000000000000");
        assert_eq!(ask(&[]).await.status, 401);
        assert_eq!(ask(&[("authorization", "Bearer x")]).await.status, 401);
        let carol = site.get(&site.browser("carol@example.test"), "/program", &[]).await;
        assert_eq!(carol.text(), "user_01CAROL000000000000000000");
    }
    assert!(
        is_hit(&ask(&[("authorization", &alices)]).await),
        "the cache keeps it for requests with that token"
    );
}

#[tokio::test]
async fn ch_03_signing_in_and_out_is_never_kept() {
    let site = Site::start().await;
    let mut states = HashMap::new();
    for email in [ALICE, BOB, ALICE] {
        let browser = Browser::new();
        let login = site.get(&browser, "/login?return_to=/page", &DOCUMENT).await;
        let authorize = browser.target(&login);
        let again = states.insert(authorize.to_string(), login.header("set-cookie").to_owned());
        assert_eq!(again, None, "each sign-in is a new one");

        let there = browser.navigate(&format!("{authorize}&login_hint={email}")).await;
        let callback = browser.navigate(browser.target(&there).as_str()).await;
        assert_eq!((callback.status.as_u16(), callback.set_cookies("wos_session").len()), (303, 1));
        assert_eq!(site.get(&browser, "/page", &DOCUMENT).await.text(), email);

        assert_eq!(site.get(&browser, "/logout", &DOCUMENT).await.status, 200);
        let signed_out = browser.submit(&site.cache.url("/logout"), &[]).await;
        assert!(signed_out.header("location").starts_with(site.harness.emulator.url()));
        assert!(
            site.get(&browser, "/page", &DOCUMENT).await.header("location").starts_with("/login?")
        );
    }
}
