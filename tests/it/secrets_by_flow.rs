//! In every flow of every kind of caller, no secret is in a log, a span, a metric, the text of a panic or an error, an
//! answer, or Redis: neither in plain form nor in base64, hexadecimal digits or percent-encoding.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

use crate::replicas_redis::until;
use authkit_emulator::{CustomerApiKey, Emulator, Endpoint, Fault, MachineCredentials};
use authkit_redis::RedisReplicas;
use authkit_tower::{
    AuthKit, AuthKitLayer, Endpoints, Introspection, Machines, Principal, ProtectedResource,
    Require, Revocation, Session, Webhooks,
};
use axum::{
    Router,
    extract::Path,
    routing::{any, get, post},
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Method, StatusCode, header};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;
use support::{
    Browser, Encoding, Harness, Logs, Neighbour, PASSWORD, Panics, Recording, RedisServer, Secrets,
    Wire, Wiretap,
};

/// Each flow, and a text that has to be in the log afterwards, which shows that the flow has happened.
const FLOWS: &[(&str, Flow, &str)] = &[
    ("a sign-in", |world| Box::pin(world.signs_in()), "a session began"),
    ("a refresh", |world| Box::pin(world.is_refreshed()), "session refreshed"),
    ("a refresh elsewhere", |world| Box::pin(world.is_refreshed_elsewhere()), "session refreshed"),
    ("a refresh that fails", |world| Box::pin(world.is_not_refreshed()), "session not refreshed"),
    ("a refresh by a handler", |world| Box::pin(world.renews()), "session refreshed on demand"),
    ("a switch", |world| Box::pin(world.switches()), "session refreshed on demand"),
    ("a sign-out", |world| Box::pin(world.signs_out()), "signed out"),
    ("a sign-out by a handler", |world| Box::pin(world.leaves()), "signed out"),
    ("a sign-in that fails", |world| Box::pin(world.does_not_sign_in()), "a sign-in failed"),
    ("an API key", |world| Box::pin(world.calls_with_an_api_key()), "refused"),
    ("a machine", |world| Box::pin(world.calls_as_a_machine()), "refused"),
    ("an OAuth application", |world| Box::pin(world.calls_as_an_application()), "refused"),
    ("a user's program", |world| Box::pin(world.calls_with_a_bearer_token()), "refused"),
    ("a webhook", |world| Box::pin(world.is_revoked_by_a_webhook()), "revoked"),
    (
        "a guard that refuses",
        |world| Box::pin(world.is_denied()),
        "denied: the session does not meet",
    ),
    ("another site", |world| Box::pin(world.comes_from_another_site()), "denied: another site"),
    ("a handler that panics", |world| Box::pin(world.panics()), "session refused"),
];

type Flow = for<'a> fn(&'a World) -> LocalBoxFuture<'a, ()>;

#[tokio::test]
async fn pl_01_no_flow_leaves_a_secret_anywhere_in_any_encoding() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recorder = metrics::set_default_local_recorder(&recorder);
    let world = World::start(metrics).await;
    for (name, flow, told) in FLOWS {
        let before = world.logs.text().len();
        world.recording.begin(name);
        flow(&world).await;
        assert!(world.logs.text()[before..].contains(told), "{name}: no `{told}` in the log");
    }
    world.recording.running.authkit.drain(Duration::from_secs(5)).await;

    let stored = world.stored().await;
    let secrets = world.secrets();
    for kind in SOUGHT {
        assert!(secrets.has(kind), "the test has no {kind} to search for");
    }
    let everywhere = secrets.search();
    // `Set-Cookie` may have the values of cookies, which are sealed and go to their owner.
    let in_set_cookie = secrets.without("cookie").search();
    let places = [
        ("the log", world.logs.text().into_bytes()),
        ("the metrics", world.metrics.render().into_bytes()),
        ("panics", world.panics.text().into_bytes()),
        ("the wire to Redis", world.to_redis.carried()),
        ("Redis", stored),
    ];
    for (place, text) in &places {
        assert!(text.len() > 200, "{place} is too short to be searched: {}", text.len());
        for line in text.split(|byte| *byte == b'\n') {
            let found = everywhere.within(line);
            assert!(found.is_empty(), "{found:?} in {place}: {}", String::from_utf8_lossy(line));
        }
        // The search finds a secret of each kind that the test adds, in each encoding.
        for kind in SOUGHT {
            for encoding in Encoding::ALL {
                let planted = encoding.write(secrets.one(kind).unwrap());
                let text = [text.as_slice(), planted.as_bytes()].concat();
                assert!(
                    !everywhere.within(&text[text.len() - planted.len() - 9..]).is_empty(),
                    "{kind}, {encoding:?}"
                );
            }
        }
    }
    let answers = world.recording.take_answers();
    assert!(answers.len() > FLOWS.len(), "{}", answers.len());
    for (flow, answer) in answers {
        let found = everywhere.within(&answer.body);
        assert!(found.is_empty(), "{flow}: {found:?} in {}", answer.text());
        for (name, value) in &answer.headers {
            let search = if name == header::SET_COOKIE { &in_set_cookie } else { &everywhere };
            let found = search.within(value.as_bytes());
            assert!(found.is_empty(), "{flow}: {found:?} in {name}: {value:?}");
        }
    }
}

fn app(authkit: &AuthKit, emulator: &Emulator, introspection: &Introspection) -> Router {
    let whose = async |session: Session| session.user_id().to_owned();
    let renew = async |session: Session| {
        let renewed = session.refresh().await;
        tracing::info!(?renewed, "the handler was told");
        format!("{}", renewed.is_ok())
    };
    let switch = async |session: Session, Path(id): Path<String>| {
        let switched = session.switch_organization(&id).await;
        tracing::info!(?switched, "the handler was told");
        format!("{}", switched.is_ok())
    };
    let leave = async |session: Session| {
        let redirect = session.sign_out().unwrap();
        tracing::info!(?redirect, "the handler was told");
        "goodbye"
    };
    // A panic whose message has everything that a handler can hold of a session.
    let panic = async |session: Session| {
        let user = session.user().clone();
        let impersonator = session.impersonator().cloned();
        let renewed = session.refresh().await;
        let all = catch_unwind(AssertUnwindSafe(|| {
            panic!(
                "{session:#?} {user:?} {impersonator:?} {renewed:?} {:?}",
                session.access_token()
            )
        }));
        if all.is_err() { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK }
    };
    let who = async |principal: Principal| {
        tracing::info!(?principal, "asked");
        principal.subject().to_owned()
    };
    let (domain, resource) = (emulator.connect().domain(), resource(authkit, emulator));
    let programs = AuthKitLayer::new(authkit)
        .with_bearer()
        .unwrap()
        .with_api_keys()
        .with_machines(Machines::new(domain).with_introspection(introspection.clone()))
        .unwrap()
        .with_protected_resource(&resource)
        .unwrap();
    let api = Router::new()
        .route("/api", get(who))
        .route("/scoped", get(who).route_layer(Require::scope("reports:write")))
        .layer(programs);
    Router::new()
        .route("/page", any(whose))
        .route("/renew", post(renew))
        .route("/switch/{id}", post(switch))
        .route("/leave", post(leave))
        .route("/panic", get(panic))
        .route(
            "/guarded",
            get(whose)
                .post(whose)
                .route_layer(Require::role("nobody").or(Require::permission("nothing"))),
        )
        .route_layer(AuthKitLayer::new(authkit))
        .merge(api)
        .merge(Endpoints::new(authkit).with_state(|request| request.query("note")))
        .route_service("/webhooks", Webhooks::new(authkit, WEBHOOK_SECRET).unwrap())
}

fn resource(authkit: &AuthKit, emulator: &Emulator) -> ProtectedResource {
    let url = format!("{}/mcp", authkit.settings().public_origin());
    ProtectedResource::new(emulator.connect().domain(), url)
}

/// Two replicas on one Redis, and recordings of their logs, metrics, panics, answers, and traffic with Redis and WorkOS.
struct World {
    logs: Logs,
    metrics: PrometheusHandle,
    panics: Panics,
    redis: RedisServer,
    to_redis: Wire,
    to_workos: Wiretap,
    recording: Recording,
    other: Neighbour,
    api_key: CustomerApiKey,
    machine: MachineCredentials,
}

impl World {
    async fn start(metrics: PrometheusHandle) -> Self {
        let (logs, panics) = (Logs::collect(), Panics::collect());
        let (redis, to_workos) = tokio::join!(RedisServer::start(), Wiretap::start());
        let to_redis = Wire::to(redis.port()).await;
        let url = format!("redis://127.0.0.1:{}", to_redis.port());
        let replicas = [0, 1].map(|_| RedisReplicas::connect(&url).unwrap());
        let [here, there] = &replicas;
        let config = |config: authkit_tower::Config| {
            config.with_base_url(to_workos.url()).with_issuers([ISSUER])
        };
        let harness =
            Harness::with(|emulator| emulator.issuer(ISSUER), |it| here.share(config(it))).await;
        to_workos.leads_to(harness.emulator.url());
        let connect = harness.emulator.connect();
        let machine = connect.add_machine("Acme Corp", ["reports:write"]);
        let api_key = connect.add_api_key("Acme Corp", ["posts:read"]);
        connect.add_resource(resource(&harness.authkit, &harness.emulator).url());
        let introspection =
            Introspection::new(machine.client_id.as_str(), machine.client_secret.as_str());
        let router = app(&harness.authkit, &harness.emulator, &introspection);
        let running = harness.serve(router);
        running.emulator.add_webhook(&running.url("/webhooks"), WEBHOOK_SECRET);
        let app = |authkit: &AuthKit| app(authkit, &running.emulator, &introspection);
        let other = running.beside(|it| there.share(config(it)), app).await;
        for replica in &replicas {
            until(replica, "Up").await;
        }
        let world = Self {
            logs,
            metrics,
            panics,
            redis,
            to_redis,
            to_workos,
            recording: Recording::of(running, [other.url("/")]),
            other,
            api_key,
            machine,
        };
        world.recording.keep("cookie password", PASSWORD);
        world.recording.keep("webhook secret", WEBHOOK_SECRET);
        world.recording.keep("API key", &world.api_key.value);
        world.recording.keep("API key", world.recording.running.emulator.api_key());
        world.recording.keep("machine's secret", &world.machine.client_secret);
        world.recording.keep("WorkOS's words", PROSE);
        world
    }

    fn secrets(&self) -> Secrets {
        let mut secrets = self.recording.secrets();
        secrets.add_all(self.to_workos.secrets());
        secrets
    }

    /// Every key and every value in Redis, as Redis holds them.
    async fn stored(&self) -> Vec<u8> {
        let keys = self.redis.keys("*").await;
        let mut stored = keys.join("\n").into_bytes();
        for key in keys.iter().map(|key| key.trim()) {
            for read in ["GET", "SMEMBERS", "HGETALL", "LRANGE", "ZRANGE", "XRANGE"] {
                let range = match read {
                    "LRANGE" | "ZRANGE" => " 0 -1",
                    "XRANGE" => " - +",
                    _ => "",
                };
                stored.extend(self.redis.ask_raw(&format!("{read} {key}{range}")).await);
            }
        }
        stored
    }

    fn alice(&self) -> Browser {
        self.recording.holding(&self.recording.running.emulator.session(ALICE))
    }

    fn expired(&self) -> Browser {
        self.recording.holding(&self.recording.running.emulator.session(ALICE).expired())
    }

    async fn signs_in(&self) {
        self.recording.keep("note", NOTE);
        let login = format!("/login?note={NOTE}&return_to=%2Fpage");
        assert_eq!(self.recording.open(&Browser::new(), &login).await, StatusCode::OK);
    }

    async fn is_refreshed(&self) {
        let browser = self.expired();
        assert_eq!(self.recording.fetch(&browser, Method::POST, "/page").await, StatusCode::OK);
        assert_eq!(self.recording.navigate(&browser, "/page").await, StatusCode::OK);
    }

    /// The other replica takes what this one has put into Redis.
    async fn is_refreshed_elsewhere(&self) {
        let (here, there) = (self.expired(), Browser::new());
        there.keep(&self.other.url("/"), "wos_session", &here.cookie("wos_session").unwrap());
        assert_eq!(self.recording.fetch(&here, Method::GET, "/page").await, StatusCode::OK);
        let answer = there.fetch(Method::GET, &self.other.url("/page"), "").await;
        assert_eq!(self.recording.note(answer), StatusCode::OK);
    }

    async fn is_not_refreshed(&self) {
        for (status, error) in
            [(400, "invalid_grant"), (403, "sso_required"), (500, "server_error")]
        {
            self.recording.running.emulator.fault(says(status, error));
            let browser = self.expired();
            self.recording.fetch(&browser, Method::GET, "/page").await;
            self.recording.navigate(&browser, "/page").await;
        }
        assert!(self.recording.running.authkit.drain(Duration::from_secs(5)).await);
    }

    async fn renews(&self) {
        assert_eq!(
            self.recording.fetch(&self.alice(), Method::POST, "/renew").await,
            StatusCode::OK
        );
        self.recording.running.emulator.fault(says(401, "invalid_client"));
        assert_eq!(
            self.recording.fetch(&self.alice(), Method::POST, "/renew").await,
            StatusCode::OK
        );
    }

    async fn switches(&self) {
        let to = "/switch/org_01GLOBEX00000000000000000";
        assert_eq!(self.recording.fetch(&self.alice(), Method::POST, to).await, StatusCode::OK);
        self.recording.running.emulator.fault(says(403, "sso_required"));
        assert_eq!(self.recording.fetch(&self.alice(), Method::POST, to).await, StatusCode::OK);
    }

    async fn signs_out(&self) {
        let browser = self.alice();
        assert_eq!(self.recording.fetch(&browser, Method::GET, "/page").await, StatusCode::OK);
        let replay = Browser::new();
        replay.keep(
            &self.recording.running.url("/"),
            "wos_session",
            &browser.cookie("wos_session").unwrap(),
        );
        self.recording.running.emulator.fault(says(500, "server_error").on(Endpoint::Revoke));
        let answer = browser.submit(&self.recording.running.url("/logout"), &[]).await;
        assert_eq!(self.recording.note(answer), StatusCode::SEE_OTHER);
        assert_eq!(
            self.recording.fetch(&replay, Method::GET, "/page").await,
            StatusCode::UNAUTHORIZED
        );
        let user = Revocation::user("user_of_nobody", self.recording.running.emulator.now());
        // On a busy machine Redis may be too slow: then this fails, and the notice goes out later.
        let _ = self.recording.running.authkit.revoke(user).await;
    }

    async fn leaves(&self) {
        assert_eq!(
            self.recording.fetch(&self.alice(), Method::POST, "/leave").await,
            StatusCode::OK
        );
    }

    async fn does_not_sign_in(&self) {
        let browser = Browser::new();
        let stolen = "a-code-that-belongs-to-somebody-else";
        self.recording.keep("code", stolen);
        self.recording
            .navigate(&browser, &format!("/callback?code={stolen}&state=nobody-has-sealed-it"))
            .await;
        self.recording
            .navigate(&browser, &format!("/callback?error=access_denied&error_description={PROSE}"))
            .await;
        let login = browser.navigate(&self.recording.running.url("/login")).await;
        let target = browser.target(&login);
        self.recording.note(login);
        let state = target.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let wrong = format!("/callback?code={stolen}&state={state}");
        assert_eq!(self.recording.navigate(&browser, &wrong).await, StatusCode::BAD_REQUEST);
    }

    async fn calls_with_an_api_key(&self) {
        assert_eq!(
            self.recording.call("credential", &self.api_key.value, "/api").await,
            StatusCode::OK
        );
        let made_up = "sk_live_0123456789abcdefghijklmnopqrstuvwxyzABCDEF";
        assert_eq!(
            self.recording.call("credential", made_up, "/api").await,
            StatusCode::UNAUTHORIZED
        );
        let own = self.recording.running.emulator.api_key().to_owned();
        assert_eq!(self.recording.call("credential", &own, "/api").await, StatusCode::UNAUTHORIZED);
        self.recording
            .running
            .emulator
            .fault(says(503, "server_error").on(Endpoint::ApiKeyValidation));
        let unknown = "sk_live_zyxwvutsrqponmlkjihgfedcba9876543210FEDCBA";
        assert_eq!(
            self.recording.call("credential", unknown, "/api").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(
            self.recording.call("credential", &self.api_key.value, "/scoped").await,
            StatusCode::FORBIDDEN
        );
    }

    async fn calls_as_a_machine(&self) {
        let token =
            self.recording.running.emulator.connect().machine_token(&self.machine.client_id);
        assert_eq!(self.recording.call("credential", &token, "/scoped").await, StatusCode::OK);
        self.recording.running.emulator.connect().revoke_token(&token);
        let (signed, _) = token.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", "a".repeat(342));
        assert_eq!(
            self.recording.call("credential", &forged, "/api").await,
            StatusCode::UNAUTHORIZED
        );
    }

    async fn calls_as_an_application(&self) {
        let resource = resource(&self.recording.running.authkit, &self.recording.running.emulator);
        let connect = self.recording.running.emulator.connect();
        let token = connect.client_token(ALICE, resource.url(), ["openid", "posts:read"]);
        assert_eq!(self.recording.call("credential", &token, "/api").await, StatusCode::OK);
        assert_eq!(
            self.recording.call("credential", &token, "/scoped").await,
            StatusCode::FORBIDDEN
        );
        let elsewhere = connect.client_token(ALICE, resource.url(), ["openid"]).replace('.', "..");
        assert_eq!(
            self.recording.call("credential", &elsewhere, "/api").await,
            StatusCode::UNAUTHORIZED
        );
    }

    async fn calls_with_a_bearer_token(&self) {
        let (good, old) = (
            self.recording.running.emulator.session(ALICE),
            self.recording.running.emulator.session(ALICE).expired(),
        );
        assert_eq!(
            self.recording.call("credential", good.access_token(), "/api").await,
            StatusCode::OK
        );
        assert_eq!(
            self.recording.call("credential", old.access_token(), "/api").await,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            self.recording.call("credential", "a-token-of-somebody-who-tries", "/api").await,
            StatusCode::UNAUTHORIZED
        );
    }

    async fn is_revoked_by_a_webhook(&self) {
        let session = self.recording.running.emulator.session(ALICE);
        let browser = self.recording.holding(&session);
        assert_eq!(self.recording.fetch(&browser, Method::GET, "/page").await, StatusCode::OK);
        // A webhook that WorkOS did not sign.
        let forged = json!({ "event": "user.deleted", "data": { "id": "user_1", "email": ALICE }, "note": PROSE });
        let signature = format!("t=1795392000000, v1={}", "0".repeat(64));
        let fields = [("workos-signature", signature.as_str())];
        let answer = Browser::new()
            .send(
                Method::POST,
                &self.recording.running.url("/webhooks"),
                fields,
                forged.to_string().into(),
            )
            .await;
        assert!(self.recording.note(answer).is_client_error());

        assert!(self.recording.running.emulator.revoke(session.session_id()));
        support::until("the webhook ends the session", async || {
            self.recording.fetch(&browser, Method::GET, "/page").await == StatusCode::UNAUTHORIZED
        })
        .await;
    }

    async fn is_denied(&self) {
        let session = self
            .recording
            .running
            .emulator
            .session(ALICE)
            .impersonated_by(IMPERSONATOR.0, Some(IMPERSONATOR.1));
        self.recording.keep("email", IMPERSONATOR.0);
        self.recording.keep("reason", IMPERSONATOR.1);
        let browser = self.recording.holding(&session);
        assert_eq!(self.recording.navigate(&browser, "/guarded").await, StatusCode::FORBIDDEN);
        assert_eq!(
            self.recording.fetch(&browser, Method::POST, "/guarded").await,
            StatusCode::FORBIDDEN
        );
        let url = self.recording.running.url("/guarded");
        for fields in [[("hx-request", "true")], [("content-type", "application/grpc")]] {
            self.recording.note(browser.send(Method::GET, &url, fields, Bytes::new()).await);
        }
    }

    async fn comes_from_another_site(&self) {
        let fields = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        let url = self.recording.running.url("/page");
        let answer = self.alice().send(Method::POST, &url, fields, Bytes::new()).await;
        assert_eq!(self.recording.note(answer), StatusCode::FORBIDDEN);
    }

    async fn panics(&self) {
        assert_eq!(
            self.recording.fetch(&self.alice(), Method::GET, "/panic").await,
            StatusCode::INTERNAL_SERVER_ERROR
        );
        assert!(self.panics.text().contains("VerifiedSession"), "{}", self.panics.text());
        let garbage = Browser::new();
        garbage.keep(
            &self.recording.running.url("/"),
            "wos_session",
            "a-garbage-cookie-of-somebody-who-tries",
        );
        self.recording.keep("cookie", "a-garbage-cookie-of-somebody-who-tries");
        assert_eq!(
            self.recording.fetch(&garbage, Method::GET, "/page").await,
            StatusCode::UNAUTHORIZED
        );
    }
}

/// An error of WorkOS, with a text that must reach no log and no client.
fn says(status: u16, error: &str) -> Fault {
    let body =
        json!({ "error": error, "code": error, "error_description": PROSE, "message": PROSE });
    Fault::status(status).header("content-type", "application/json").body(body.to_string())
}

/// The kinds of secrets that the flows have to produce.
const SOUGHT: [&str; 14] = [
    "access_token",
    "refresh_token",
    "code",
    "code_verifier",
    "client_secret",
    "email",
    "reason",
    "note",
    "cookie",
    "cookie password",
    "webhook secret",
    "API key",
    "machine's secret",
    "credential",
];

const ALICE: &str = "alice@acme.test";
const ISSUER: &str = "https://issuer.of.this.test";
const WEBHOOK_SECRET: &str = "whsec_of_all_these_flows";
const IMPERSONATOR: (&str, &str) = ("support@acme.test", "ticket 4711 about a private matter");
const NOTE: &str = "a-note-that-only-the-application-reads";
const PROSE: &str = "words-of-WorkOS-that-are-for-nobody-here";
