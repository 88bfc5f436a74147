//! Every combination of a client, a cause of denial, a session that is due for a refresh or not, and a layer that requires a
//! session or not, over real sockets.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Require, Session};
use axum::{Router, routing::any};
use bytes::Bytes;
use http::Method;
use support::{Answer, Browser, Harness, Running};

/// A client, and the status of each denial that it gets: of gRPC if it speaks gRPC, otherwise of HTTP.
struct Client {
    name: &'static str,
    method: Method,
    headers: &'static [(&'static str, &'static str)],
    unauthenticated: u16,
    forbidden: u16,
    unavailable: u16,
    misconfigured: u16,
    cross_origin: CrossOrigin,
    jar: Jar,
}

/// What the layer does with a request that another site made the browser send.
#[derive(Clone, Copy)]
enum CrossOrigin {
    /// It changes nothing, so it is served.
    Safe,
    Denied(u16),
}

/// Whether the client keeps cookies. The layer refreshes only for a client that does.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Jar {
    Keeps,
    Forgets,
}

const fn row(
    name: &'static str,
    method: Method,
    headers: &'static [(&'static str, &'static str)],
    [unauthenticated, forbidden, unavailable, misconfigured]: [u16; 4],
    cross_origin: CrossOrigin,
) -> Client {
    Client {
        name,
        method,
        headers,
        unauthenticated,
        forbidden,
        unavailable,
        misconfigured,
        cross_origin,
        jar: Jar::Keeps,
    }
}

fn clients() -> [Client; 15] {
    use CrossOrigin::{Denied, Safe};

    const PAGE: (&str, &str) = ("accept", "text/html,*/*;q=0.8");
    const NAVIGATES: (&str, &str) = ("sec-fetch-mode", "navigate");
    const CORS: (&str, &str) = ("sec-fetch-mode", "cors");
    const OURS: (&str, &str) = ("sec-fetch-site", "same-origin");
    [
        row("document", Method::GET, &[NAVIGATES, PAGE], [302, 403, 503, 500], Safe),
        row("document, HEAD", Method::HEAD, &[NAVIGATES, PAGE], [302, 403, 503, 500], Safe),
        row("document, POST", Method::POST, &[NAVIGATES, OURS], [303, 403, 503, 500], Denied(403)),
        row(
            "document, DELETE",
            Method::DELETE,
            &[NAVIGATES, OURS],
            [303, 403, 503, 500],
            Denied(403),
        ),
        row("old browser", Method::GET, &[PAGE], [302, 403, 503, 500], Safe),
        row("fetch", Method::GET, &[CORS], [401, 403, 503, 500], Safe),
        row("fetch, PATCH", Method::PATCH, &[CORS, OURS], [401, 403, 503, 500], Denied(403)),
        row("curl", Method::PUT, &[("accept", "*/*")], [401, 403, 503, 500], Denied(403)),
        row(
            "htmx",
            Method::POST,
            &[("hx-request", "true"), CORS],
            [401, 403, 503, 500],
            Denied(403),
        ),
        row("WebSocket", Method::GET, WEB_SOCKET, [401, 403, 503, 500], Denied(403)),
        row("events", Method::GET, &[("accept", "text/event-stream")], [401, 403, 200, 500], Safe),
        row(
            "prefetch",
            Method::GET,
            &[("sec-purpose", "prefetch"), NAVIGATES],
            [401, 403, 503, 500],
            Safe,
        ),
        row("preflight", Method::OPTIONS, PREFLIGHT, [401, 403, 503, 500], Safe),
        row(
            "gRPC-Web",
            Method::POST,
            &[("content-type", "application/grpc-web"), CORS, OURS],
            [16, 7, 14, 13],
            Denied(7),
        ),
        Client {
            jar: Jar::Forgets,
            ..row(
                "gRPC",
                Method::POST,
                &[("content-type", "application/grpc")],
                [16, 7, 14, 13],
                Denied(7),
            )
        },
    ]
}

const WEB_SOCKET: &[(&str, &str)] = &[
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];
const PREFLIGHT: &[(&str, &str)] =
    &[("origin", "https://friend.example"), ("access-control-request-method", "PUT")];
const ELSEWHERE: [(&str, &str); 2] =
    [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Denial {
    None,
    /// There is no session; or WorkOS demands that the user sign in by single sign-on.
    Unauthenticated,
    Forbidden,
    CrossOrigin,
    /// The signing keys cannot be fetched; or WorkOS refuses our API key.
    Unavailable,
    /// The guard is outside the layer.
    Misconfigured,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Refresh {
    NotDue,
    Due,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Presence {
    Required,
    Optional,
}

/// The outcome as the client sees it.
#[derive(Debug, Eq, PartialEq)]
struct Seen {
    status: u16,
    /// Whether the handler ran, and with a session or without.
    handler: Handler,
    session_cookies: usize,
    exchanges: u64,
}

#[derive(Debug, Eq, PartialEq)]
enum Handler {
    NotCalled,
    SawNobody,
    SawSession,
}

fn expected(client: &Client, denial: Denial, refresh: Refresh, presence: Presence) -> Seen {
    let denied =
        |status| Seen { status, handler: Handler::NotCalled, session_cookies: 0, exchanges: 0 };
    let renewed = usize::from(refresh == Refresh::Due);
    let admitted = Seen {
        status: 200,
        handler: Handler::SawSession,
        session_cookies: renewed,
        exchanges: renewed as u64,
    };
    let nobody = match presence {
        Presence::Required => denied(client.unauthenticated),
        Presence::Optional => Seen { handler: Handler::SawNobody, ..denied(200) },
    };
    // An expired session that is not refreshed counts as no session. The check of the origin and a guard outside the layer
    // come before that.
    let is_over = refresh == Refresh::Due && client.jar == Jar::Forgets;
    match denial {
        Denial::CrossOrigin => match client.cross_origin {
            CrossOrigin::Safe => admitted,
            CrossOrigin::Denied(status) => denied(status),
        },
        Denial::Misconfigured => denied(client.misconfigured),
        Denial::Forbidden if is_over => denied(client.unauthenticated),
        _ if is_over => nobody,
        Denial::None => admitted,
        Denial::Unauthenticated => nobody,
        Denial::Forbidden => {
            Seen { status: client.forbidden, handler: Handler::NotCalled, ..admitted }
        }
        Denial::Unavailable => denied(client.unavailable),
    }
}

fn app(authkit: &AuthKit) -> Router {
    let saw = async |session: Option<Session>| [("x-saw", session.map_or("nobody", |_| "session"))];
    let guard = Require::role("nobody has it");
    let behind = |layer: AuthKitLayer| {
        let wrong_way_round = Router::new()
            .route("/wrong", any(saw))
            .route_layer(layer.clone())
            .route_layer(guard.clone());
        Router::new()
            .route("/any", any(saw))
            .route("/guarded", any(saw).layer(guard.clone()))
            .route_layer(layer)
            .merge(wrong_way_round)
    };
    Router::new()
        .nest("/required", behind(AuthKitLayer::new(authkit)))
        .nest("/optional", behind(AuthKitLayer::optional(authkit)))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

async fn ask(
    running: &Running,
    client: &Client,
    denial: Denial,
    refresh: Refresh,
    presence: Presence,
) -> Answer {
    let session = running.emulator.session("alice@acme.test");
    let session = if refresh == Refresh::Due { session.expired() } else { session };
    let browser = match (denial, refresh) {
        (Denial::Unauthenticated, Refresh::NotDue) => Browser::new(),
        _ => running.holding(&session),
    };
    let fault = match (denial, refresh) {
        (Denial::Unauthenticated, Refresh::Due) => Some(Fault::oauth_error("sso_required")),
        (Denial::Unavailable, Refresh::Due) => Some(Fault::status(401)),
        _ => None,
    };
    if let Some(fault) = fault {
        running.emulator.fault(fault);
    }
    let layer = if presence == Presence::Required { "/required" } else { "/optional" };
    let route = match denial {
        Denial::Forbidden => "/guarded",
        Denial::Misconfigured => "/wrong",
        Denial::None | Denial::Unauthenticated | Denial::CrossOrigin | Denial::Unavailable => {
            "/any"
        }
    };
    let mut headers = client.headers.to_vec();
    if denial == Denial::CrossOrigin {
        headers.retain(|(name, _)| ELSEWHERE.iter().all(|(other, _)| other != name));
        headers.extend(ELSEWHERE);
    }
    let url = running.url(&format!("{layer}{route}?tab=1"));
    browser.send(client.method.clone(), &url, headers, Bytes::new()).await
}

fn seen(answer: &Answer, exchanges: u64) -> Seen {
    let grpc = answer.header("grpc-status");
    let handler = match answer.header("x-saw") {
        "session" => Handler::SawSession,
        "nobody" => Handler::SawNobody,
        _ => Handler::NotCalled,
    };
    Seen {
        status: grpc.parse().unwrap_or(answer.status.as_u16()),
        handler,
        session_cookies: answer.set_cookies("wos_session").len(),
        exchanges,
    }
}

/// Checks the header fields that each status needs.
fn check_protocol(name: &str, client: &Client, answer: &Answer) {
    let status = answer.status.as_u16();
    assert_eq!(answer.header("location").is_empty(), !matches!(status, 302 | 303), "{name}");
    assert_eq!(answer.header("www-authenticate").is_empty(), status != 401, "{name}");
    assert_eq!(answer.header("retry-after").is_empty(), status != 503, "{name}");
    assert_eq!(
        answer.header("hx-redirect").is_empty(),
        !(client.name == "htmx" && status == 401),
        "{name}"
    );
    assert!(answer.header("vary").to_ascii_lowercase().contains("cookie"), "{name}");
}

#[tokio::test]
async fn rd_03_to_rd_09_every_client_is_answered_in_its_own_protocol() {
    let light = running().await;
    let dark = running().await;
    dark.emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
    let mut cells = 0;

    for client in clients() {
        for denial in [
            Denial::None,
            Denial::Unauthenticated,
            Denial::Forbidden,
            Denial::CrossOrigin,
            Denial::Unavailable,
            Denial::Misconfigured,
        ] {
            for refresh in [Refresh::NotDue, Refresh::Due] {
                for presence in [Presence::Required, Presence::Optional] {
                    let name = format!("{}, {denial:?}, {refresh:?}, {presence:?}", client.name);
                    let no_keys = (denial, refresh) == (Denial::Unavailable, Refresh::NotDue);
                    let running = if no_keys { &dark } else { &light };
                    // The budget limits how many exchanges start in a second.
                    running.advance(Duration::from_secs(1));
                    let before = running.emulator.exchanges();
                    let answer = ask(running, &client, denial, refresh, presence).await;
                    light.emulator.clear_faults();
                    let exchanges = running.emulator.exchanges() - before;
                    assert_eq!(
                        seen(&answer, exchanges),
                        expected(&client, denial, refresh, presence),
                        "{name}"
                    );
                    check_protocol(&name, &client, &answer);
                    cells += 1;
                }
            }
        }
    }
    assert_eq!(cells, 15 * 6 * 2 * 2);
}
