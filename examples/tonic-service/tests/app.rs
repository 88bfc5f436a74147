//! A real server and a real client.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use authkit_emulator::{Emulator, Endpoint, Fault};
use authkit_tower::{AuthKit, Config, CookiePassword};
use tokio::{net::TcpListener, time::timeout};
use tonic::{
    Code, Request, Status,
    client::Grpc,
    codegen::http::uri::PathAndQuery,
    transport::{Channel, Endpoint as Address, Server, server::TcpIncoming},
};
use tonic_prost::ProstCodec;
use tonic_service::{
    app,
    proto::{
        CountdownRequest, Entry, Identity, LatestRequest, Tick, WhoAmIRequest,
        account_client::AccountClient, audit_client::AuditClient,
    },
};

const PASSWORD: &str = "a-cookie-password-of-32-characters";
const ALICE: &str = "alice@acme.test";

struct Site {
    emulator: Emulator,
    channel: Channel,
}

/// What a client brings: a metadata key and its value.
type Metadata = Option<(&'static str, String)>;

impl Site {
    async fn start() -> Self {
        let emulator = Emulator::start().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let config = Config::new(
            emulator.client_id(),
            emulator.api_key(),
            format!("{url}/callback"),
            CookiePassword::new(PASSWORD).unwrap(),
        );
        let config = config.with_base_url(emulator.url()).with_issuers([emulator.issuer()]);
        let routes = app(&AuthKit::new(config).unwrap()).unwrap();
        let server = Server::builder().add_routes(routes);
        tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
        let channel = Address::from_shared(url).unwrap().connect().await.unwrap();
        Self { emulator, channel }
    }

    fn bearer(&self, email: &str) -> Metadata {
        bearer(self.emulator.session(email).access_token())
    }

    async fn who_am_i(&self, metadata: Metadata) -> Result<Identity, Status> {
        let mut client = AccountClient::new(self.channel.clone());
        client.who_am_i(bringing(metadata, WhoAmIRequest {})).await.map(tonic::Response::into_inner)
    }

    async fn latest(&self, metadata: Metadata) -> Result<Entry, Status> {
        let mut client = AuditClient::new(self.channel.clone());
        client.latest(bringing(metadata, LatestRequest {})).await.map(tonic::Response::into_inner)
    }

    /// Every tick, and what ended them.
    async fn countdown(&self, metadata: Metadata) -> (Vec<Tick>, Status) {
        let mut client = AccountClient::new(self.channel.clone());
        let mut ticks = match client.countdown(bringing(metadata, CountdownRequest {})).await {
            Ok(response) => response.into_inner(),
            Err(status) => return (Vec::new(), status),
        };
        let mut seen = Vec::new();
        loop {
            match timeout(Duration::from_secs(20), ticks.message()).await.expect("it ends") {
                Ok(tick) => seen.push(tick.expect("it ends with a status")),
                Err(status) => return (seen, status),
            }
        }
    }
}

fn bearer(token: &str) -> Metadata {
    Some(("authorization", format!("Bearer {token}")))
}

fn cookie(value: &str) -> Metadata {
    Some(("cookie", format!("theme=dark; wos_session={value}")))
}

fn bringing<T>(metadata: Metadata, message: T) -> Request<T> {
    let mut request = Request::new(message);
    if let Some((name, value)) = metadata {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_token_or_a_cookie_opens_the_service() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE);

    let by_token = site.who_am_i(bearer(session.access_token())).await.unwrap();
    let by_cookie = site.who_am_i(cookie(&session.cookie(PASSWORD))).await.unwrap();

    assert_eq!(by_token.user_id, session.claims()["sub"].as_str().unwrap());
    assert_eq!(by_token.organization_id.as_deref(), Some("org_01ACME0000000000000000000"));
    assert_eq!(by_token.email, None, "a token says no more than ids");
    assert_eq!(by_cookie, Identity { email: Some(ALICE.to_owned()), ..by_token });
}

#[tokio::test]
async fn rd_08_whoever_has_none_gets_status_16() {
    let site = Site::start().await;
    let session = || site.emulator.session(ALICE);
    let good = session().access_token().to_owned();
    let cases = [
        ("nothing", None),
        ("garbage", bearer("x")),
        ("another scheme", Some(("authorization", "Basic eDp5".to_owned()))),
        ("an expired token", bearer(session().expired().access_token())),
        ("another kind of token", bearer(session().claim("sid", "app_consent_1").access_token())),
        ("another issuer's", bearer(session().claim("iss", "https://evil.example").access_token())),
        ("a forged token", bearer(&format!("{}AAAA", &good[..good.len() - 4]))),
        ("a garbage cookie", cookie("garbage")),
        ("an expired cookie", cookie(&session().expired().cookie(PASSWORD))),
    ];

    for (name, metadata) in cases {
        let status = site.who_am_i(metadata.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{name}: {status:?}");
        let (ticks, status) = site.countdown(metadata).await;
        assert_eq!((ticks.len(), status.code()), (0, Code::Unauthenticated), "{name}");
    }
    assert_eq!(
        site.emulator.calls(Endpoint::Authenticate),
        0,
        "nothing keeps what a refresh would bring"
    );
}

#[tokio::test]
async fn rd_08_without_the_permission_it_is_status_7() {
    let site = Site::start().await;

    assert!(site.latest(site.bearer(ALICE)).await.unwrap().text.ends_with("read the log"));
    let status = site.latest(site.bearer("bob@acme.test")).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(site.latest(None).await.unwrap_err().code(), Code::Unauthenticated);
    assert!(site.who_am_i(site.bearer("bob@acme.test")).await.is_ok());
}

#[tokio::test]
async fn rd_08_an_outage_is_status_14() {
    let site = Site::start().await;
    site.emulator.fault(Fault::status(503).on(Endpoint::Jwks).until_cleared());
    let session = site.emulator.session(ALICE);

    for metadata in [bearer(session.access_token()), cookie(&session.cookie(PASSWORD))] {
        let status = site.who_am_i(metadata).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_token() {
    let site = Site::start().await;
    let session = site.emulator.session(ALICE).lifetime(Duration::from_secs(3));

    let (by_token, by_cookie) = tokio::join!(
        site.countdown(bearer(session.access_token())),
        site.countdown(cookie(&session.cookie(PASSWORD))),
    );

    for (ticks, status) in [by_token, by_cookie] {
        assert!(!ticks.is_empty() && ticks.iter().all(|tick| tick.seconds_left <= 3), "{ticks:?}");
        assert_eq!(
            (status.code(), status.message()),
            (Code::Unauthenticated, "the token has expired")
        );
    }
}

#[tokio::test]
async fn the_layer_is_around_its_service_alone() {
    let site = Site::start().await;
    let mut other = Grpc::new(site.channel.clone());
    other.ready().await.unwrap();
    let path = PathAndQuery::from_static("/account.v1.Other/Anything");
    let codec = ProstCodec::<WhoAmIRequest, Identity>::default();

    let status = other.unary(Request::new(WhoAmIRequest {}), path, codec).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
