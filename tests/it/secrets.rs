//! No token, sealed value, code, verifier, password or email address is in a log, or in an answer to anybody but its owner.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault, seal};
use authkit_tower::{
    AuthKit, AuthKitLayer, Endpoints, HookDecision, NewSession, Principal, Require, Session,
};
use axum::{
    Router,
    extract::Path,
    routing::{any, get, post},
};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::json;
use support::{Browser, Harness, Logs, PASSWORD, Recording, Secrets, Wiretap};
use url::Url;

fn app(authkit: &AuthKit) -> Router {
    let whose = async |session: Session| session.user_id().to_owned();
    let perhaps = async |session: Option<Session>| {
        session.map(|session| session.user_id().to_owned()).unwrap_or_default()
    };
    let optional =
        Router::new().route("/optional", any(perhaps)).route_layer(AuthKitLayer::optional(authkit));
    let program = async |principal: Principal| principal.subject().to_owned();
    let bearer = AuthKitLayer::new(authkit).with_bearer().unwrap();
    let api = Router::new().route("/api", any(program)).route_layer(bearer);
    let renew = async |session: Session| format!("{:?}", session.refresh().await.map(drop));
    let switch = async |session: Session, Path(id): Path<String>| {
        format!("{:?}", session.switch_organization(&id).await)
    };
    let leave = async |session: Session| session.sign_out().unwrap();
    let endpoints = Endpoints::new(authkit)
        .with_state(|request| request.query("note"))
        .with_sign_in_hook(|new: NewSession| async move {
            tracing::info!(?new, "the application was asked");
            HookDecision::Keep
        })
        .edit_sign_in_responses(|outcome, _| tracing::info!(?outcome, "the application looked on"));
    Router::new()
        .route("/page", any(whose))
        .route("/renew", post(renew))
        .route("/switch/{id}", post(switch))
        .route("/leave", post(leave))
        .route("/guarded", get(whose).route_layer(Require::role("nobody")))
        .route_layer(AuthKitLayer::new(authkit))
        .route("/unlayered", any(whose))
        .merge(optional)
        .merge(api)
        .merge(endpoints)
}

/// A service, a recording of its traffic with WorkOS, and a recording of its answers.
struct Watched {
    recording: Recording,
    wire: Wiretap,
}

impl Watched {
    async fn start() -> Self {
        let wire = Wiretap::start().await;
        let harness = Harness::with(
            |emulator| emulator.issuer(ISSUER),
            |config| config.with_base_url(wire.url()).with_issuers([ISSUER]),
        )
        .await;
        wire.leads_to(harness.emulator.url());
        let app = app(&harness.authkit);
        let recording = Recording::of(harness.serve(app), []);
        recording.keep("cookie password", PASSWORD);
        recording.keep("upstream's words", UPSTREAM);
        Self { recording, wire }
    }

    fn expired(&self) -> Browser {
        self.recording.holding(&self.recording.running.emulator.session("bob@acme.test").expired())
    }

    async fn no_session_is_verified_without_keys(&self) {
        self.recording.running.emulator.fault(Fault::status(500).body(UPSTREAM).on(Endpoint::Jwks));
        let browser =
            self.recording.holding(&self.recording.running.emulator.session("alice@acme.test"));
        assert_eq!(
            self.recording.fetch(&browser, Method::GET, "/page").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        self.recording.running.advance(Duration::from_secs(60));
    }

    async fn nobody_is_signed_in(&self) {
        for garbage in [None, Some("a-garbage-cookie-of-somebody-who-tries")] {
            let browser = Browser::new();
            if let Some(garbage) = garbage {
                browser.keep(&self.recording.running.url("/"), "wos_session", garbage);
                self.recording.keep("cookie", garbage);
            }
            assert_eq!(self.recording.navigate(&browser, "/page").await, StatusCode::FOUND);
            assert_eq!(
                self.recording.fetch(&browser, Method::GET, "/page").await,
                StatusCode::UNAUTHORIZED
            );
            assert_eq!(
                self.recording.fetch(&browser, Method::GET, "/optional").await,
                StatusCode::OK
            );
            assert_eq!(
                self.recording.fetch(&browser, Method::GET, "/unlayered").await,
                StatusCode::INTERNAL_SERVER_ERROR
            );
        }
    }

    /// Returns the browser of the user, whose session was refreshed.
    async fn somebody_signs_in_and_stays(&self) -> Browser {
        let browser = Browser::new();
        assert_eq!(self.recording.open(&browser, "/page").await, StatusCode::OK);
        self.recording.running.advance(Duration::from_secs(400));
        assert_eq!(self.recording.fetch(&browser, Method::GET, "/page").await, StatusCode::OK);
        assert_eq!(self.recording.running.emulator.exchanges(), 1);
        assert_eq!(self.recording.navigate(&browser, "/guarded").await, StatusCode::FORBIDDEN);
        let url = self.recording.running.url("/page");
        let from_afar = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
        let answer = browser.send(Method::POST, &url, from_afar, Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        self.recording.note(answer);
        browser
    }

    async fn sessions_are_not_what_they_should_be(&self) {
        let emulator = &self.recording.running.emulator;
        let session =
            emulator.session("bob@acme.test").impersonated_by(IMPERSONATOR.0, Some(IMPERSONATOR.1));
        self.recording.keep("email", IMPERSONATOR.0);
        self.recording.keep("reason", IMPERSONATOR.1);
        assert_eq!(
            self.recording.fetch(&self.recording.holding(&session), Method::GET, "/page").await,
            StatusCode::OK
        );

        let third_party = emulator.session("bob@acme.test").claim("sid", "app_consent_1");
        assert_eq!(
            self.recording.fetch(&self.recording.holding(&third_party), Method::GET, "/page").await,
            StatusCode::UNAUTHORIZED
        );

        let mut payload = emulator.session("bob@acme.test").payload();
        payload["user"]["id"] = json!("user_somebody_else");
        let browser = Browser::new();
        browser.keep(&self.recording.running.url("/"), "wos_session", &seal(&payload, PASSWORD));
        assert_eq!(
            self.recording.fetch(&browser, Method::GET, "/page").await,
            StatusCode::UNAUTHORIZED
        );
    }

    async fn programs_bring_tokens(&self) {
        let emulator = &self.recording.running.emulator;
        let good = emulator.session("alice@acme.test");
        let old = emulator.session("alice@acme.test").expired();
        let tokens = [
            (good.access_token(), StatusCode::OK),
            (old.access_token(), StatusCode::UNAUTHORIZED),
            ("a-bearer-token-of-somebody-who-tries", StatusCode::UNAUTHORIZED),
        ];
        for (token, status) in tokens {
            let answered = self.recording.call("access_token", token, "/api").await;
            assert_eq!(answered, status, "{token}");
        }
    }

    async fn refreshes_fail(&self) {
        let says = |status, error: &str| {
            let body = json!({ "error": error, "code": error, "error_description": UPSTREAM, "message": UPSTREAM });
            Fault::status(status).header("content-type", "application/json").body(body.to_string())
        };
        let unverified = json!({
            "access_token": "not.a.token.that.anybody.can.verify", "refresh_token": "not-a-refresh-token-either",
            "user": { "id": UPSTREAM },
        });
        let once = [
            says(400, "invalid_grant"),
            says(403, "sso_required"),
            says(400, "organization_not_found"),
            says(401, "invalid_client"),
            says(418, "something_new"),
            Fault::html(),
            Fault::status(200).body(format!("<p>{UPSTREAM}")),
            Fault::status(200)
                .header("content-type", "application/json")
                .body(unverified.to_string()),
            Fault::truncated(),
            Fault::reset_after(),
            Fault::clock_ahead(Duration::from_secs(7200)),
        ];
        for fault in once {
            self.recording.running.emulator.fault(fault);
            let browser = self.expired();
            self.recording.fetch(&browser, Method::GET, "/page").await;
            self.recording.navigate(&browser, "/page").await;
            self.recording.fetch(&browser, Method::GET, "/optional").await;
            self.recording.running.advance(Duration::from_secs(61));
            self.recording.navigate(&browser, "/page").await;
        }
        self.recording.running.emulator.fault(says(500, "server_error").until_cleared());
        let browser = self.expired();
        assert_eq!(
            self.recording.fetch(&browser, Method::GET, "/page").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        self.recording.running.emulator.clear_faults();
        // After a minute the service has given the exchange up, and asks WorkOS again.
        self.recording.running.advance(Duration::from_secs(60));
        assert!(self.recording.running.authkit.drain(Duration::from_secs(30)).await);
    }

    async fn sign_ins_fail(&self) {
        let browser = Browser::new();
        let stolen = "a-code-that-belongs-to-somebody-else";
        self.recording.keep("code", stolen);
        for path in [
            format!("/callback?code={stolen}&state=a-state-that-nobody-has-sealed"),
            format!("/callback?code={stolen}&code={stolen}"),
            format!("/callback?error=access_denied&error_description={UPSTREAM}"),
            format!("/callback?code={stolen}"),
        ] {
            self.recording.navigate(&browser, &path).await;
        }

        // The emulator's refusal repeats the code.
        let login = browser.navigate(&self.recording.running.url("/login")).await;
        let state = parameter(&browser.target(&login), "state");
        self.recording.note(login);
        let wrong = format!("/callback?code={stolen}&state={state}");
        assert_eq!(self.recording.navigate(&browser, &wrong).await, StatusCode::BAD_REQUEST);

        self.recording.running.emulator.fault(Fault::status(503).body(UPSTREAM));
        assert_eq!(
            self.recording.open(&Browser::new(), "/page").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    async fn handlers_exchange_and_end_sessions(&self) {
        let browser = Browser::new();
        self.recording.keep("note", NOTE);
        let login = format!("/login?note={NOTE}&return_to=%2Fpage");
        assert_eq!(self.recording.open(&browser, &login).await, StatusCode::OK);
        let post = async |path: &str| {
            let answer = browser.fetch(Method::POST, &self.recording.running.url(path), "").await;
            let text = answer.text();
            self.recording.note(answer);
            self.recording.running.advance(Duration::from_secs(2));
            text
        };
        assert_eq!(post("/renew").await, "Ok(())");
        assert!(post("/switch/org_01GLOBEX00000000000000000").await.starts_with("Ok(Session("));
        let sso = json!({ "error": "sso_required", "error_description": UPSTREAM });
        let sso =
            Fault::status(403).header("content-type", "application/json").body(sso.to_string());
        self.recording.running.emulator.fault(sso);
        assert!(post("/switch/org_01ACME0000000000000000000").await.starts_with("Ok(SignIn("));
        self.recording.running.emulator.fault(Fault::error(401, "invalid_client"));
        assert!(post("/renew").await.contains("Misconfigured"));
        assert!(!post("/leave").await.contains("rror"));
        assert!(self.recording.running.authkit.drain(Duration::from_secs(5)).await);
    }

    async fn signs_out(&self, browser: &Browser) {
        let replay = Browser::new();
        replay.keep(
            &self.recording.running.url("/"),
            "wos_session",
            &browser.cookie("wos_session").unwrap(),
        );
        self.recording
            .running
            .emulator
            .fault(Fault::status(500).body(UPSTREAM).on(Endpoint::Revoke));
        let answer = browser.submit(&self.recording.running.url("/logout"), &[]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        self.recording.note(answer);
        assert!(self.recording.running.authkit.drain(Duration::from_secs(5)).await);
        assert_eq!(
            self.recording.fetch(&replay, Method::GET, "/page").await,
            StatusCode::UNAUTHORIZED
        );
    }

    fn secrets(&self) -> Secrets {
        let mut secrets = self.recording.secrets();
        secrets.add_all(self.wire.secrets());
        secrets
    }
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).expect("it is there").1.into_owned()
}

#[tokio::test]
async fn pl_01_ch_04_no_secret_is_logged_or_answered() {
    let logs = Logs::collect();
    let watched = Watched::start().await;
    watched.no_session_is_verified_without_keys().await;
    watched.nobody_is_signed_in().await;
    let browser = watched.somebody_signs_in_and_stays().await;
    watched.handlers_exchange_and_end_sessions().await;
    watched.sessions_are_not_what_they_should_be().await;
    watched.programs_bring_tokens().await;
    watched.refreshes_fail().await;
    watched.sign_ins_fail().await;
    watched.signs_out(&browser).await;

    let secrets = watched.secrets();
    for kind in SOUGHT {
        assert!(secrets.has(kind), "the test has no {kind} to search for");
    }
    let logs = logs.text();
    for told in TOLD {
        assert!(logs.contains(told), "no `{told}` in the log: {logs}");
    }
    for line in logs.lines() {
        assert!(secrets.within(line).is_empty(), "{:?} in the log: {line}", secrets.within(line));
    }

    let in_the_open = secrets.without("cookie");
    for (_, answer) in watched.recording.take_answers() {
        let asked = format!("{} {:?}", answer.url, answer.headers);
        assert!(secrets.within(&answer.text()).is_empty(), "{asked}: {}", answer.text());
        for (name, value) in &answer.headers {
            assert!(
                TO_BE_SEEN.contains(&name.as_str()),
                "{asked}: {name} is no header for clients"
            );
            let value = value.to_str().unwrap();
            let sought = if name == header::SET_COOKIE { &in_the_open } else { &secrets };
            assert!(
                sought.within(value).is_empty(),
                "{asked}: {:?} in {name}",
                sought.within(value)
            );
        }
    }
}

/// The secrets to search for.
const SOUGHT: [&str; 11] = [
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
    "upstream's words",
];

/// The headers that an answer may have: none says who the user is or what happened to the session.
const TO_BE_SEEN: [&str; 14] = [
    "cache-control",
    "clear-site-data",
    "content-length",
    "content-security-policy",
    "content-type",
    "date",
    "location",
    "referrer-policy",
    "retry-after",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];

/// Texts that have to be in the log, which show that the flows have happened and were logged.
const TOLD: [&str; 15] = [
    "session refused",
    "session refreshed",
    "session not refreshed",
    "signing keys cannot be fetched",
    "WorkOS refused our API key",
    "WorkOS rejected a refresh",
    "denied: the session does not meet a guard's condition",
    "denied: another site sent the request",
    "a sign-in failed: its code was not exchanged for a session",
    "signed out",
    "a session began",
    "session refreshed on demand",
    "a sign-in failed",
    "the application was asked",
    "the application looked on",
];

const ISSUER: &str = "https://issuer.of.this.test";
const IMPERSONATOR: (&str, &str) = ("support@acme.test", "ticket 4711 about a private matter");
const NOTE: &str = "a-note-that-only-the-application-reads";
/// Text in answers of WorkOS, or of a proxy in its place, which must reach no log and no client.
const UPSTREAM: &str = "words-of-upstream-that-are-for-nobody-here";
