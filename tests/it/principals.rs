//! Every kind of credential, over real sockets: admitted, denied, expired, revoked, while WorkOS is down, in a flood of
//! garbage, and presented as another kind.

use std::time::{Duration, Instant, SystemTime};

use authkit_emulator::{Endpoint, Fault, seal};
use authkit_tower::{
    ApiKey, AuthKit, AuthKitLayer, Bearer, Config, Introspection, Machine, Machines, OAuthClient,
    Principal, ProtectedResource, Require, ResourceMetadata, Revocation, Session, Webhooks,
};
use axum::{Router, body::Body, response::Response, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use support::{Harness, Logs, PASSWORD, Running};
use tokio::time::{sleep, timeout};

use crate::principal_details;

const BOB: &str = "bob@acme.test";
pub(crate) const ALICE: &str = "alice@acme.test";
pub(crate) const ALICE_ID: &str = "user_01ALICE000000000000000000";
pub(crate) const ACME: &str = "org_01ACME0000000000000000000";
/// How old WorkOS's answer about a key may be at `/young`.
pub(crate) const YOUNG: Duration = Duration::from_secs(30);
const SECRET: &str = "whsec_of_all_these_tests";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Bearer,
    ApiKey,
    Machine,
    Client,
}

pub(crate) const KINDS: [Kind; 4] = [Kind::Bearer, Kind::ApiKey, Kind::Machine, Kind::Client];

/// A service that accepts every kind of credential, and one credential of each kind.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) logs: Logs,
    pub(crate) session_id: String,
    bearer: String,
    pub(crate) api_key: authkit_emulator::CustomerApiKey,
    pub(crate) machine: authkit_emulator::MachineCredentials,
    machine_token: String,
    client: String,
}

/// The resource of the service: its tokens are those of the emulator's AuthKit domain.
pub(crate) fn resource(
    authkit: &AuthKit,
    emulator: &authkit_emulator::Emulator,
) -> ProtectedResource {
    let url = format!("{}/mcp", authkit.settings().public_origin());
    ProtectedResource::new(emulator.connect().domain(), url)
}

fn app(
    authkit: &AuthKit,
    emulator: &authkit_emulator::Emulator,
    introspection: &Introspection,
) -> Router {
    let domain = emulator.connect().domain();
    let resource = resource(authkit, emulator);
    let layer = || AuthKitLayer::new(authkit);
    let who = || {
        get(async |principal: Principal| {
            tracing::info!(?principal, "asked");
            principal.subject().to_owned()
        })
    };
    let every = layer()
        .with_bearer()
        .unwrap()
        .with_api_keys()
        .with_machines(domain.as_str())
        .unwrap()
        .with_protected_resource(&resource)
        .unwrap();
    let all = Router::new()
        .route("/who", who())
        .route("/session", get(async |_: Session| "a session"))
        .route("/bearer", get(async |it: Bearer| it.user_id().to_owned()))
        .route("/key", get(async |it: ApiKey| it.organization_id().to_owned()))
        .route("/machine", get(async |it: Machine| it.client_id().to_owned()))
        .route("/client", get(async |it: OAuthClient| it.user_id().to_owned()))
        .route("/permission", who().route_layer(Require::permission("posts:read")))
        .route("/scope", who().route_layer(Require::scope("reports:write")))
        .route("/organization", who().route_layer(Require::organization(ACME)))
        .route("/role", who().route_layer(Require::role("admin")))
        .route("/entitlement", who().route_layer(Require::entitlement("sso")))
        .route("/recent", who().route_layer(Require::recent_sign_in(Duration::from_secs(300))))
        .route("/itself", who().route_layer(Require::not_impersonated()))
        .route("/that", who().route_layer(Require::that_principal(is_key)))
        .route("/details", principal_details::route())
        .route("/ticks", get(async |it: Principal| ticks(it.expired())))
        .route("/bearer/ticks", get(async |it: Bearer| ticks(it.expired())))
        .route("/key/ticks", get(async |it: ApiKey| ticks(it.expired())))
        .route("/machine/ticks", get(async |it: Machine| ticks(it.expired())))
        .route("/client/ticks", get(async |it: OAuthClient| ticks(it.expired())))
        .layer(every.clone());
    let only = Router::new()
        .route("/only/bearer", who().layer(layer().with_bearer().unwrap()))
        .route("/only/key", who().layer(layer().with_api_keys()))
        .route("/only/machine", who().layer(layer().with_machines(domain.as_str()).unwrap()))
        .route("/only/client", who().layer(layer().with_protected_resource(&resource).unwrap()))
        .route("/young", who().layer(layer().with_api_keys().with_max_token_age(YOUNG)))
        .route("/only/session", who().layer(layer()))
        .route("/nobody", who().layer(layer().without_sessions()))
        .route("/programs", who().layer(layer().without_sessions().with_api_keys()));
    let asked = Machines::new(domain).with_introspection(introspection.clone());
    let asked = layer()
        .with_machines(asked)
        .unwrap()
        .with_protected_resource(resource.clone().with_introspection(introspection.clone()))
        .unwrap();
    let metadata: Router = ResourceMetadata::new(&resource).unwrap().into();
    let scoped = layer()
        .without_sessions()
        .with_protected_resource(resource.with_required_scopes(["openid", "reports:write"]))
        .unwrap();
    all.merge(only)
        .route("/logged", principal_details::logged(who().layer(every)))
        .merge(metadata)
        .route("/introspected", who().layer(asked))
        .route("/scoped", who().layer(scoped))
        .route_service("/webhooks", Webhooks::new(authkit, SECRET).unwrap())
}

fn is_key(principal: &Principal) -> bool {
    matches!(principal, Principal::ApiKey(_))
}

/// A response whose body goes on until `end` completes.
fn ticks(end: impl Future<Output = ()> + Send + 'static) -> Response {
    let ticks = stream::unfold((), async |()| {
        sleep(Duration::from_millis(50)).await;
        Some((Ok::<_, std::io::Error>(Bytes::from("tick\n")), ()))
    });
    Response::new(Body::from_stream(ticks.take_until(end)))
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|config| config).await
    }

    /// Starts a service with other settings.
    pub(crate) async fn with(config: impl FnOnce(Config) -> Config) -> Self {
        let logs = Logs::collect();
        let issuer = "https://issuer.example.com";
        let harness = Harness::with(
            |emulator| emulator.issuer(issuer),
            |settings| config(settings.with_issuers([issuer])),
        )
        .await;
        let connect = harness.emulator.connect();
        let machine = connect.add_machine("Acme Corp", ["reports:write"]);
        let introspection =
            Introspection::new(machine.client_id.as_str(), machine.client_secret.as_str());
        let resource = resource(&harness.authkit, &harness.emulator);
        connect.add_resource(resource.url());
        let session = harness.emulator.session(ALICE);
        let world = (
            session.session_id().to_owned(),
            session.access_token().to_owned(),
            connect.add_api_key("Acme Corp", ["posts:read"]),
            connect.machine_token(&machine.client_id),
            connect.client_token(ALICE, resource.url(), ["openid", "posts:read"]),
        );
        let app = app(&harness.authkit, &harness.emulator, &introspection);
        let running = harness.serve(app);
        let (session_id, bearer, api_key, machine_token, client) = world;
        Self { running, logs, session_id, bearer, api_key, machine, machine_token, client }
    }

    pub(crate) fn credential(&self, kind: Kind) -> &str {
        match kind {
            Kind::Bearer => &self.bearer,
            Kind::ApiKey => &self.api_key.value,
            Kind::Machine => &self.machine_token,
            Kind::Client => &self.client,
        }
    }

    pub(crate) fn subject(&self, kind: Kind) -> &str {
        match kind {
            Kind::Bearer | Kind::Client => ALICE_ID,
            Kind::ApiKey => ACME,
            Kind::Machine => &self.machine.client_id,
        }
    }

    /// A token with the claims of this kind, an unknown key id and a made-up signature.
    fn by_unknown_key(&self, kind: Kind, number: u32) -> String {
        let encode = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let token = self.credential(kind);
        let claims = token.split('.').nth(1).unwrap();
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": format!("made_up_{number}") });
        format!("{}.{claims}.{}", encode(header), "A".repeat(342))
    }

    pub(crate) async fn get(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let mut request = CLIENT.with(|client| client.get(self.running.url(path)));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Reply { status, headers, text: answer.text().await.unwrap() }
    }

    pub(crate) async fn ask(&self, path: &str, credential: &str) -> Reply {
        self.get(path, &[("authorization", &format!("Bearer {credential}"))]).await
    }

    /// Asserts that no part of a caller's credential is in the log of the service or the emulator.
    pub(crate) fn keeps_secrets(&self) {
        let log = self.logs.text();
        assert!(
            log.contains("asked") || log.contains("refused"),
            "the log has the requests: {log}"
        );
        let secrets = KINDS.map(|kind| self.credential(kind).to_owned());
        let signatures = secrets.iter().flat_map(|secret| secret.split('.'));
        for secret in signatures.filter(|part| part.len() > 20 && !part.starts_with("eyJhbGci")) {
            assert!(!log.contains(secret), "a part of a credential is in the log");
        }
        assert!(!log.contains(&self.machine.client_secret));
    }
}

thread_local! {
    static CLIENT: reqwest::Client = reqwest::Client::new();
}

pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Reply {
    pub(crate) fn challenge(&self) -> &str {
        self.headers.get(header::WWW_AUTHENTICATE).map_or("", |field| field.to_str().unwrap())
    }
}

#[tokio::test]
async fn every_kind_is_admitted_and_no_kind_passes_for_another() {
    let world = World::start().await;
    let rows: [(&str, [u16; 4]); 14] = [
        // In the order of `KINDS`: a bearer token, an API key, a machine, an OAuth client.
        ("/who", [200, 200, 200, 200]),
        ("/session", [403, 403, 403, 403]),
        ("/bearer", [200, 403, 403, 403]),
        ("/key", [403, 200, 403, 403]),
        ("/machine", [403, 403, 200, 403]),
        ("/client", [403, 403, 403, 200]),
        ("/permission", [200, 200, 403, 403]),
        ("/scope", [403, 403, 200, 403]),
        ("/organization", [200, 200, 200, 200]),
        ("/role", [200, 403, 403, 403]),
        ("/entitlement", [200, 403, 403, 403]),
        ("/recent", [200, 403, 403, 403]),
        ("/itself", [200, 200, 200, 200]),
        ("/that", [403, 200, 403, 403]),
    ];
    for (path, expected) in rows {
        for (kind, status) in KINDS.into_iter().zip(expected) {
            let reply = world.ask(path, world.credential(kind)).await;
            assert_eq!(reply.status.as_u16(), status, "{kind:?} at {path}: {}", reply.text);
            if path == "/who" {
                assert_eq!(reply.text, world.subject(kind), "{kind:?}");
            }
            if status == 403 {
                assert!(reply.challenge().contains("error=\"insufficient_scope\""), "{path}");
            }
            assert!(!reply.headers.contains_key(header::SET_COOKIE), "{kind:?} at {path}");
            assert_eq!(reply.headers[header::CACHE_CONTROL], "private, no-store");
        }
    }
    let lacking = world.ask("/scope", &world.client).await;
    assert!(lacking.challenge().contains("scope=\"reports:write\""), "{}", lacking.challenge());
    world.keeps_secrets();
}

#[tokio::test]
async fn where_one_kind_is_switched_on_every_other_is_refused() {
    let world = World::start().await;
    let paths = ["/only/bearer", "/only/key", "/only/machine", "/only/client"];
    let cookie = world.running.emulator.session(ALICE).cookie(PASSWORD);
    let cookie = format!("wos_session={cookie}");
    for (own, path) in KINDS.into_iter().zip(paths) {
        for kind in KINDS {
            let bearer = format!("Bearer {}", world.credential(kind));
            // A good session cookie beside it changes nothing.
            for fields in [
                &[("authorization", bearer.as_str())][..],
                &[("authorization", bearer.as_str()), ("cookie", cookie.as_str())],
            ] {
                let reply = world.get(path, fields).await;
                let expected = if kind == own { 200 } else { 401 };
                assert_eq!(reply.status.as_u16(), expected, "{kind:?} at {path}");
                if kind == own {
                    assert_eq!(reply.text, world.subject(kind));
                } else {
                    assert!(reply.challenge().contains("error=\"invalid_token\""), "{path}");
                }
            }
        }
        let by_cookie = world.get(path, &[("cookie", &cookie)]).await;
        assert_eq!(by_cookie.text, ALICE_ID, "{path}: the layer accepts sessions too");
    }
    assert_eq!(world.running.emulator.calls(Endpoint::ApiKeyValidation), 1, "one key, one call");
    world.keeps_secrets();
}

#[tokio::test]
async fn every_confusion_of_credentials_is_refused() {
    let world = World::start().await;
    let emulator = &world.running.emulator;
    let now = emulator.now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let (domain, client_id) = (emulator.connect().domain(), emulator.client_id().to_owned());
    let resource = format!("{}/mcp", world.running.authkit.settings().public_origin());
    let mint = |claims: Value| {
        let mut all = json!({ "iat": now, "exp": now + 300, "jti": "1" });
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        emulator.mint(&all)
    };
    let machine = |more: Value| {
        let mut claims =
            json!({ "iss": domain, "aud": client_id, "sub": "client_1", "client_id": "client_1" });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mint(claims)
    };
    let client = |more: Value| {
        let mut claims = json!({
            "iss": domain, "aud": resource, "sub": ALICE_ID, "sid": "app_consent_1", "client_id": "client_1",
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        mint(claims)
    };
    let none = json!({});
    let cases = [
        ("a machine, as it should be", machine(none.clone()), 200),
        ("a machine of older claims", machine(json!({ "client_id": null })), 200),
        ("a machine of another application", machine(json!({ "client_id": "client_2" })), 401),
        ("a machine of another environment", machine(json!({ "aud": "client_other" })), 401),
        ("a machine for a resource", machine(json!({ "aud": resource })), 401),
        ("a machine for nobody", machine(json!({ "aud": null })), 401),
        ("a machine with a session", machine(json!({ "sid": "session_1" })), 401),
        ("a machine with a consent", machine(json!({ "sid": "app_consent_1" })), 401),
        ("a machine of another domain", machine(json!({ "iss": "https://x.authkit.app" })), 401),
        ("a machine of the session issuer", machine(json!({ "iss": emulator.issuer() })), 401),
        ("a machine of no issuer", machine(json!({ "iss": null })), 401),
        ("a machine before its time", machine(json!({ "nbf": now + 300 })), 503),
        ("a machine with a slash", machine(json!({ "iss": format!("{domain}/") })), 401),
        ("a client, as it should be", client(none.clone()), 200),
        ("a client without a consent", client(json!({ "sid": null })), 200),
        ("a client by its metadata", client(json!({ "client_id": "https://a.test/c.json" })), 200),
        (
            "a client of several resources",
            client(json!({ "aud": ["https://x.test", resource] })),
            200,
        ),
        ("a client of another resource", client(json!({ "aud": "https://x.test/mcp" })), 401),
        ("a client of the environment", client(json!({ "aud": client_id })), 401),
        ("a client's ID token", client(json!({ "aud": "client_1" })), 401),
        ("a client with a session", client(json!({ "sid": "session_1" })), 401),
        ("a client of the session issuer", client(json!({ "iss": emulator.issuer() })), 401),
        ("a client with an odd sid", client(json!({ "sid": 7 })), 401),
        ("a client with an odd audience", client(json!({ "aud": 7 })), 401),
        ("a client that never ends", client(json!({ "exp": null })), 401),
        (
            "a session of the domain",
            mint(
                json!({ "iss": domain, "sub": ALICE_ID, "sid": world.session_id, "client_id": client_id }),
            ),
            401,
        ),
        (
            "a session for the resource",
            mint(
                json!({ "iss": emulator.issuer(), "aud": resource, "sub": ALICE_ID, "sid": "app_consent_1" }),
            ),
            401,
        ),
        ("a signature cut off", format!("{}.", world.client.rsplit_once('.').unwrap().0), 401),
        (
            "another's signature",
            {
                let body = world.client.rsplit_once('.').unwrap().0;
                format!("{body}.{}", world.machine_token.rsplit_once('.').unwrap().1)
            },
            401,
        ),
        ("our own API key", emulator.api_key().to_owned(), 401),
        ("an API key that is too short", "sk_test".to_owned(), 401),
        ("an API key with a dot", "sk_test_aaaaaaaa.b.c".to_owned(), 401),
        ("an API key in quotes", format!("\"{}\"", world.api_key.value), 401),
        ("half an API key", world.api_key.value[..30].to_owned(), 401),
        ("nothing", String::new(), 401),
        ("garbage", "garbage".to_owned(), 401),
    ];
    for (name, credential, status) in cases {
        let reply = world.ask("/who", &credential).await;
        assert_eq!(reply.status.as_u16(), status, "{name}: {}", reply.text);
        assert!(credential.len() < 20 || !reply.text.contains(&credential), "{name}");
    }
    assert!(
        world.logs.text().contains("may have leaked"),
        "a log line tells the operator that our own key may have leaked"
    );
    assert!(!world.logs.text().contains(emulator.api_key()));

    // A Connect token in a sealed session is no session.
    for token in [&world.client, &world.machine_token] {
        let user = json!({ "object": "user", "id": ALICE_ID, "email": ALICE });
        let payload = json!({ "access_token": token, "refresh_token": "r", "user": user });
        let cookie = format!("wos_session={}", seal(&payload, PASSWORD));
        let reply = world.get("/only/session", &[("cookie", &cookie)]).await;
        assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    }
    world.keeps_secrets();
}

#[tokio::test]
async fn the_authorization_field_decides_alone() {
    let world = World::start().await;
    let cookie = world.running.emulator.session(ALICE).cookie(PASSWORD);
    let cookie = ("cookie", format!("wos_session={cookie}"));
    let good = format!("Bearer {}", world.api_key.value);
    let cookie = (cookie.0, cookie.1.as_str());
    type Fields<'a> = &'a [(&'a str, &'a str)];
    let cases: [(&str, Fields<'_>, u16); 8] = [
        ("/who", &[cookie], 200),
        ("/who", &[cookie, ("authorization", "Basic YTpi")], 401),
        ("/who", &[cookie, ("authorization", "Bearer garbage")], 401),
        ("/who", &[cookie, ("authorization", &good), ("authorization", &good)], 400),
        ("/who", &[cookie, ("authorization", "Basic YTpi"), ("authorization", &good)], 400),
        ("/only/session", &[cookie, ("authorization", "Basic YTpi")], 200),
        ("/programs", &[cookie], 401),
        ("/nobody", &[cookie, ("authorization", &good)], 401),
    ];
    for (path, fields, status) in cases {
        let reply = world.get(path, fields).await;
        let names: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!(reply.status.as_u16(), status, "{path} {names:?}");
        if status == 400 {
            assert!(reply.challenge().contains("error=\"invalid_request\""), "{path}");
        }
        assert!(!reply.headers.contains_key(header::LOCATION), "no program is sent to a page");
    }
    let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    assert_eq!(world.get("/programs", &page).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.ask("/programs", &world.api_key.value).await.text, ACME);
}

#[tokio::test]
async fn every_kind_and_its_stream_end_when_it_expires() {
    for kind in KINDS {
        let world = World::start().await;
        if kind == Kind::ApiKey {
            let connect = world.running.emulator.connect();
            connect.expire_api_key(&world.api_key.id, Duration::from_secs(40));
        }
        let ask = async || world.ask("/who", world.credential(kind)).await.status.as_u16();
        assert_eq!(ask().await, 200, "{kind:?}");
        let open = async |path| {
            let request = CLIENT.with(|client| client.get(world.running.url(path)));
            let stream = request.bearer_auth(world.credential(kind)).send().await.unwrap();
            let mut stream = stream.error_for_status().unwrap();
            let first = stream.chunk().await.unwrap().expect("the stream goes on");
            assert!(first.starts_with(b"tick\n"), "{kind:?} at {path}: {first:?}");
            stream
        };
        let own = match kind {
            Kind::Bearer => "/bearer/ticks",
            Kind::ApiKey => "/key/ticks",
            Kind::Machine => "/machine/ticks",
            Kind::Client => "/client/ticks",
        };
        let (mut one, mut two) = tokio::join!(open("/ticks"), open(own));
        // Not yet: the clock runs on, and the machine may be busy.
        let before = if kind == Kind::ApiKey { 25 } else { 285 };
        world.running.advance(Duration::from_secs(before));
        for stream in [&mut one, &mut two] {
            // A stream looks at the clock once a second.
            let began = Instant::now();
            while began.elapsed() < Duration::from_millis(1_200) {
                let next = timeout(Duration::from_secs(10), stream.chunk()).await;
                let next = next.expect("it ticks").unwrap();
                assert!(next.is_some(), "{kind:?}: it ends too early");
            }
        }
        assert_eq!(ask().await, 200, "{kind:?}: before it expires");
        world.running.advance(Duration::from_secs(if kind == Kind::ApiKey { 16 } else { 21 }));
        for stream in [one, two] {
            let rest = timeout(Duration::from_secs(10), stream.bytes()).await;
            rest.expect("the stream ends").unwrap();
        }
        assert_eq!(ask().await, 401, "{kind:?}");
        world.keeps_secrets();
    }
}

#[tokio::test]
async fn every_kind_ends_at_once_when_it_is_revoked() {
    for kind in KINDS {
        let world = World::start().await;
        let emulator = &world.running.emulator;
        emulator.add_webhook(&world.running.url("/webhooks"), SECRET);
        let ask = async || world.ask("/who", world.credential(kind)).await.status.as_u16();
        assert_eq!(ask().await, 200, "{kind:?}");
        // Another user's session in no organization, and two credentials of another organization.
        let machine = emulator.connect().add_machine("Globex", ["reports:write"]);
        let others = [
            emulator.session(BOB).without_organization().access_token().to_owned(),
            emulator.connect().add_api_key("Globex", ["posts:read"]).value,
            emulator.connect().machine_token(&machine.client_id),
        ];
        let others_go_on = async |when: &str| {
            for other in &others {
                let reply = world.ask("/who", other).await;
                assert_eq!(reply.status, 200, "{kind:?}: another credential, {when}");
            }
        };
        others_go_on("before").await;
        let ticks = tokio::spawn({
            let request = CLIENT.with(|client| client.get(world.running.url("/ticks")));
            let answer = request.bearer_auth(world.credential(kind)).send().await.unwrap();
            answer.bytes()
        });
        match kind {
            Kind::Bearer => assert!(emulator.revoke(&world.session_id)),
            Kind::ApiKey => emulator.connect().revoke_api_key(&world.api_key.id),
            Kind::Client => emulator.remove_user(ALICE),
            // No webhook names a machine. A change of its organization refuses the tokens issued before it.
            Kind::Machine => {
                let now = emulator.now();
                let revocation = Revocation::organization(ACME, now + Duration::from_secs(1));
                world.running.authkit.revoke(revocation).await.unwrap();
            }
        }
        support::until("the revocation ends it before it expires", async || ask().await == 401)
            .await;
        timeout(Duration::from_secs(5), ticks)
            .await
            .expect("a stream that began before ends too")
            .unwrap()
            .unwrap();
        others_go_on("after").await;
        world.keeps_secrets();
    }
}

#[tokio::test]
async fn workos_is_asked_again_about_an_api_key_that_was_changed() {
    let world = World::start().await;
    let connect = world.running.emulator.connect();
    world.running.emulator.add_webhook(&world.running.url("/webhooks"), SECRET);
    let ask = async || world.ask("/permission", &world.api_key.value).await.status.as_u16();
    assert_eq!(ask().await, 200);
    world.running.advance(Duration::from_secs(2));
    connect.set_api_key_permissions(&world.api_key.id, ["posts:write"]);
    let is_denied = async || ask().await == 403;
    support::until("the webhook makes the service ask WorkOS again", is_denied).await;
    world.running.advance(Duration::from_secs(2));
    let calls = world.running.emulator.calls(Endpoint::ApiKeyValidation);
    for _ in 0..5 {
        assert_eq!(ask().await, 403);
    }
    assert!(world.running.emulator.calls(Endpoint::ApiKeyValidation) <= calls + 1);
}

#[tokio::test]
async fn introspection_shows_what_was_revoked() {
    for kind in [Kind::Machine, Kind::Client] {
        let world = World::start().await;
        let emulator = &world.running.emulator;
        let credential = world.credential(kind);
        let ask = async || world.ask("/introspected", credential).await.status.as_u16();
        for _ in 0..5 {
            assert_eq!(ask().await, 200, "{kind:?}");
        }
        assert_eq!(
            emulator.calls(Endpoint::Introspection),
            1,
            "{kind:?}: the answer is remembered"
        );
        emulator.connect().revoke_token(credential);
        assert_eq!(ask().await, 200, "{kind:?}: the answer counts for a minute");
        world.running.advance(Duration::from_secs(61));
        let calls = emulator.calls(Endpoint::Introspection);
        for _ in 0..3 {
            assert_eq!(ask().await, 401, "{kind:?}");
        }
        assert_eq!(
            emulator.calls(Endpoint::Introspection),
            calls + 1,
            "{kind:?}: the refusal is remembered too"
        );
        assert_eq!(
            world.ask("/who", credential).await.status,
            200,
            "a route without introspection cannot know"
        );
        world.running.advance(Duration::from_secs(11));
        emulator.fault(Fault::status(503).on(Endpoint::Introspection).until_cleared());
        assert_eq!(ask().await, 503, "{kind:?}: WorkOS cannot be asked");
        world.keeps_secrets();
    }
}

#[tokio::test]
async fn while_workos_is_away_known_credentials_go_on_and_others_are_503() {
    let away = [Endpoint::ApiKeyValidation, Endpoint::ConnectJwks, Endpoint::Jwks];
    for kind in KINDS {
        // Credentials that were accepted before.
        let world = World::start().await;
        let emulator = &world.running.emulator;
        assert_eq!(world.ask("/who", world.credential(kind)).await.status, 200);
        for endpoint in away {
            emulator.fault(Fault::status(503).on(endpoint).until_cleared());
        }
        world.running.advance(Duration::from_secs(59));
        assert_eq!(world.ask("/who", world.credential(kind)).await.status, 200, "{kind:?}");
        if kind == Kind::ApiKey {
            world.running.advance(Duration::from_secs(2));
            let reply = world.ask("/who", &world.api_key.value).await;
            assert_eq!(reply.status, 503, "the remembered answer is too old");
        }
        // Unknown credentials.
        let world = World::start().await;
        for endpoint in away {
            world.running.emulator.fault(Fault::status(503).on(endpoint).until_cleared());
        }
        let reply = world.ask("/who", world.credential(kind)).await;
        assert_eq!(reply.status, 503, "{kind:?}");
        assert!(reply.headers.contains_key(header::RETRY_AFTER), "{kind:?}");
        world.running.emulator.clear_faults();
        world.running.advance(Duration::from_secs(3));
        assert_eq!(world.ask("/who", world.credential(kind)).await.status, 200, "{kind:?}");
        world.keeps_secrets();
    }
}

#[tokio::test]
async fn a_refusal_of_our_own_key_is_a_503_and_an_error_for_the_operator() {
    // After an answer about our own key, the service asks again within 3 seconds. It remembers an answer that may be about the
    // caller's key for longer.
    for (status, seconds) in [(401, 3), (403, 3), (422, 11)] {
        let world = World::start().await;
        world.running.emulator.fault(Fault::status(status).on(Endpoint::ApiKeyValidation));
        let reply = world.ask("/who", &world.api_key.value).await;
        assert_eq!(reply.status, 503, "{status}");
        let log = world.logs.text();
        let words = "WorkOS refuses our own API key, or our question about a customer's";
        let told = log.lines().filter(|line| line.contains("ERROR") && line.contains(words));
        assert_eq!(told.count(), 1, "{status}: one line for the operator: {log}");
        world.running.advance(Duration::from_secs(seconds));
        assert_eq!(world.ask("/who", &world.api_key.value).await.status, 200, "{status}");
    }
}

#[tokio::test]
async fn a_flood_of_garbage_makes_at_most_ten_calls_and_leaves_the_others_alone() {
    let world = World::start().await;
    for kind in KINDS {
        assert_eq!(world.ask("/who", world.credential(kind)).await.status, 200);
    }
    let emulator = &world.running.emulator;
    emulator.reset_calls();
    let header = world.machine_token.split('.').next().unwrap();
    let began = Instant::now();
    let asked = stream::iter(0..10_000)
        .map(|n| {
            // Every hundredth request brings a good credential.
            let good = (n % 100 == 0).then(|| KINDS[n as usize / 100 % KINDS.len()]);
            let garbage = match n % 8 {
                0..=2 => format!("sk_test_made_up_{n}"),
                3 => world.by_unknown_key(Kind::Bearer, n),
                4 => world.by_unknown_key(Kind::Machine, n),
                5 => world.by_unknown_key(Kind::Client, n),
                6 => format!("{header}.{n}.{n}"),
                _ => format!("garbage {n}"),
            };
            let credential = good.map_or(garbage, |kind| world.credential(kind).to_owned());
            let world = &world;
            async move { (n % 8, good, world.ask("/who", &credential).await) }
        })
        .buffer_unordered(64);
    let replies: Vec<_> = asked.collect().await;
    for (of, good, Reply { status, text, .. }) in replies {
        if let Some(kind) = good {
            assert_eq!((status.as_u16(), text.as_str()), (200, world.subject(kind)), "{kind:?}");
            continue;
        }
        let expected: &[u16] = if of <= 5 { &[401, 503] } else { &[401] };
        assert!(expected.contains(&status.as_u16()), "{of}: {status}");
    }
    let calls = emulator.calls(Endpoint::ApiKeyValidation);
    // On a slow machine the flood takes longer, and time allows more: a call in 15 seconds, and keys in 30.
    let seconds = began.elapsed().as_secs();
    assert!(calls <= 8 + seconds / 15, "{calls} calls about keys in {seconds} s");
    let calls = [Endpoint::ConnectJwks, Endpoint::Jwks].map(|keys| emulator.calls(keys));
    assert!(calls.iter().all(|calls| *calls <= 1 + seconds / 30), "{calls:?} calls for keys");
    for kind in KINDS {
        assert_eq!(world.ask("/who", world.credential(kind)).await.status, 200, "{kind:?}");
    }
    world.running.advance(Duration::from_secs(61));
    assert_eq!(
        world.ask("/who", &world.api_key.value).await.status,
        200,
        "the service still asks about a known key"
    );
}
