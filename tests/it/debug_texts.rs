//! No `Debug` text and no error message holds a secret, since both end up in logs.

use std::{
    error::Error,
    fmt::Debug,
    future::ready,
    sync::{Arc, Mutex},
    time::Duration,
};

use authkit_emulator::{Emulator, Seed, SigningKey};
use authkit_session::{
    AccessToken, Authenticator, AuthorizationRequest, Config, CookiePassword, Decision,
    PkceVerifier, Policy, RefreshToken, Secret, Sending, Transport, TransportError,
    integration::{FetchDestination, Purpose},
};
use authkit_tower::{AuthKit, AuthKitLayer, Denial, Endpoints, Require, Session, SessionRejection};
use axum::{Router, body::Body, extract::FromRequestParts, routing::get};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use support::{DOCUMENT, Harness, PASSWORD, Secrets};
use tower::{Layer, Service, ServiceExt};

/// The secrets of a test, and the `Debug` and error texts to search for them.
struct Texts {
    secrets: Secrets,
    said: Vec<(&'static str, String)>,
}

impl Texts {
    fn new(emulator: &Emulator) -> Self {
        let mut secrets = Secrets::default();
        secrets.add("cookie password", PASSWORD);
        secrets.add("other password", OTHER_PASSWORD);
        secrets.add("api key", emulator.api_key());
        Self { secrets, said: Vec::new() }
    }

    fn debug(&mut self, name: &'static str, value: &impl Debug) {
        self.said.push((name, format!("{value:?}")));
        self.said.push((name, format!("{value:#?}")));
    }

    fn error(&mut self, name: &'static str, error: &dyn Error) {
        let mut cause = Some(error);
        while let Some(error) = cause {
            self.debug(name, &error);
            self.said.push((name, error.to_string()));
            cause = error.source();
        }
    }

    /// Remembers the values that `Set-Cookie` fields carry.
    fn cookies<'a>(&mut self, fields: impl IntoIterator<Item = &'a HeaderValue>) {
        for field in fields {
            let pair = field.to_str().unwrap().split(';').next().unwrap();
            self.secrets.add("cookie", pair.split_once('=').unwrap().1);
        }
    }

    /// Makes a session, adds its secrets to those to search for, and returns its cookie as a header.
    fn session(&mut self, emulator: &Emulator) -> HeaderMap {
        let session = emulator
            .session("alice@acme.test")
            .impersonated_by(IMPERSONATOR.0, Some(IMPERSONATOR.1));
        let cookie = session.cookie(PASSWORD);
        self.debug("TestSession", &session);
        self.secrets.add("access token", session.access_token());
        self.secrets.add("refresh token", session.refresh_token());
        self.secrets.add("email", "alice@acme.test");
        self.secrets.add("last name", "Ångström");
        self.secrets.add("email", IMPERSONATOR.0);
        self.secrets.add("reason", IMPERSONATOR.1);
        self.secrets.add("cookie", &cookie);
        let cookie = HeaderValue::try_from(format!("wos_session={cookie}")).unwrap();
        HeaderMap::from_iter([(header::COOKIE, cookie)])
    }

    fn check(self) {
        for (name, text) in &self.said {
            let found = self.secrets.within(text);
            assert!(found.is_empty(), "{found:?} in the text of {name}: {text}");
        }
    }
}

/// A transport that records the requests that it gets.
#[derive(Debug, Default)]
struct Recording {
    headers: Mutex<Vec<HeaderMap>>,
}

impl Transport for Recording {
    fn send(&self, request: Request<Bytes>, _: Duration) -> Sending<'_> {
        self.headers.lock().unwrap().push(request.headers().clone());
        Box::pin(ready(Err(TransportError::Lost)))
    }
}

fn config(emulator: &Emulator) -> Config {
    let other = CookiePassword::new(OTHER_PASSWORD).unwrap();
    Harness::config(emulator, "http://localhost/callback").with_other_passwords([other])
}

#[tokio::test]
async fn pl_01_settings_and_secrets() {
    let emulator = Emulator::start().await;
    let mut texts = Texts::new(&emulator);
    texts.debug("Emulator", &emulator);
    texts.debug("EmulatorBuilder", &Emulator::builder().api_key(emulator.api_key()));
    texts.debug("Seed", &Seed::default());
    texts.debug("SigningKey", &SigningKey::generate("key_1"));

    let config = config(&emulator);
    texts.debug("Config", &config);
    texts.debug("CookiePassword", &CookiePassword::new(PASSWORD).unwrap());
    texts.debug("Secret", &Secret::new(PASSWORD));
    let authenticator = Authenticator::new(config.clone()).unwrap();
    texts.debug("Authenticator", &authenticator);
    texts.debug("Settings", authenticator.settings());
    texts.debug("Client", authenticator.client());
    let recording = Arc::new(Recording::default());
    let authenticator =
        Authenticator::new(config.with_transport(Arc::clone(&recording) as Arc<dyn Transport>))
            .unwrap();
    texts.error("Error", &authenticator.client().revoke("session_1").await.unwrap_err());
    texts.debug("a request's headers", &recording.headers.lock().unwrap()[0]);

    let verifier = PkceVerifier::generate();
    texts.secrets.add("verifier", verifier.expose());
    texts.debug("PkceVerifier", &verifier);
    let words = [
        ("state", "a-state-of-this-test"),
        ("email", "login-hint@acme.test"),
        ("token", "an-invitation-token"),
    ];
    for (kind, word) in words {
        texts.secrets.add(kind, word);
    }
    let request = AuthorizationRequest::new(words[0].1, verifier.challenge())
        .with_login_hint(words[1].1)
        .with_invitation_token(words[2].1);
    texts.debug("AuthorizationRequest", &request);
    texts.debug("AccessToken", &AccessToken::new(PASSWORD));
    texts.debug("RefreshToken", &RefreshToken::new(PASSWORD));

    let wrong = Config::from_vars(|name| match name {
        "WORKOS_CLIENT_ID" => None,
        _ => Some(PASSWORD.to_owned()),
    });
    texts.error("ConfigError", &wrong.unwrap_err());
    let short = Config::from_vars(|_| Some(emulator.api_key().to_owned()));
    texts.error("ConfigError", &short.unwrap_err());
    texts.check();
}

#[tokio::test]
async fn pl_01_sessions_and_decisions() {
    let emulator = Emulator::start().await;
    let mut texts = Texts::new(&emulator);
    let authenticator = Authenticator::new(config(&emulator)).unwrap();
    let headers = texts.session(&emulator);

    let Decision::Wait(waiting) = authenticator.authenticate(&headers, &Policy::default()) else {
        panic!("the keys are not fetched yet");
    };
    texts.debug("Waiting", &waiting);
    let admission = waiting.await.unwrap();
    let session = Arc::clone(admission.session());
    texts.debug("Admission", &admission);
    texts.debug("VerifiedSession", &session);
    texts.debug("User", session.user());
    texts.debug("Impersonator", session.impersonator().unwrap());
    texts.debug("AccessToken", session.access_token());
    texts.error("Error", &session.claims::<Vec<String>>().unwrap_err());
    texts.debug("Decision", &authenticator.authenticate(&headers, &Policy::default()));

    let policy = Policy::default().with_max_token_age(Duration::ZERO);
    let Decision::Wait(waiting) = authenticator.authenticate(&headers, &policy) else {
        panic!("the policy demands a refresh");
    };
    let renewed = waiting.await.unwrap();
    let set_cookies = renewed.set_cookie_headers();
    assert_eq!(set_cookies.len(), 1);
    texts.cookies(&set_cookies);
    texts.debug("Admission", &renewed);
    texts.debug("Admission::set_cookie_headers", &set_cookies);

    let answer = emulator.session("bob@acme.test").payload();
    texts.secrets.add("access token", answer["access_token"].as_str().unwrap());
    texts.secrets.add("refresh token", answer["refresh_token"].as_str().unwrap());
    let signed_in =
        authenticator.start_session(answer.to_string().as_bytes(), &headers).await.unwrap();
    texts.cookies(&signed_in.set_cookies);
    texts.debug("SignedIn", &signed_in);
    texts.debug("SignedOut", &authenticator.sign_out(&headers));
    let Decision::Refuse(refusal) = authenticator.authenticate(&headers, &Policy::default()) else {
        panic!("the session has ended");
    };
    texts.debug("Refusal", &refusal);
    texts.debug(
        "Refusal::set_cookie_headers",
        &refusal.set_cookie_headers(FetchDestination::Document),
    );

    let sealed = authenticator.seal_for(Purpose::SignIn, b"test", PASSWORD.as_bytes()).unwrap();
    let cookie =
        authenticator.settings().cookies().short_lived("flow", &sealed, Duration::from_secs(600));
    texts.secrets.add("cookie", sealed);
    texts.debug("CookieRules::short_lived", &cookie);
    let nonsense =
        format!(r#"{{"access_token": "{PASSWORD}", "refresh_token": "{PASSWORD}", "user": {{}}}}"#);
    texts.error(
        "Error",
        &authenticator.start_session(nonsense.as_bytes(), &headers).await.unwrap_err(),
    );
    texts.check();
}

#[tokio::test]
async fn pl_01_layers_answers_and_rejections() {
    let emulator = Emulator::start().await;
    let mut texts = Texts::new(&emulator);
    let authkit = AuthKit::new(config(&emulator)).unwrap();
    let layer = AuthKitLayer::new(&authkit)
        .edit_denials(|_, _| {})
        .with_trusted_origins(["https://friend.example"])
        .unwrap();
    texts.debug("AuthKit", &authkit);
    texts.debug("AuthKitLayer", &layer);
    texts.debug("Endpoints", &Endpoints::new(&authkit));
    texts.debug("Require", &Require::role("admin").or(Require::that(|_| true)));

    let headers = texts.session(&emulator);
    let request_to = |path: &str| {
        let mut request = Request::get(path).body(Body::empty()).unwrap();
        request.headers_mut().extend(headers.clone());
        request
    };
    let router =
        Router::new().route("/", get(async |session: Session| format!("{session:?} {session:#?}")));
    let mut service = layer.layer(router);
    texts.debug("AuthKitService", &service);
    let waiting =
        ServiceExt::<Request<Body>>::ready(&mut service).await.unwrap().call(request_to("/"));
    texts.debug("ResponseFuture", &waiting);
    let (head, body) = waiting.await.unwrap().into_parts();
    assert_eq!(head.status, StatusCode::OK);
    let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
    texts.said.push(("Session", String::from_utf8(body.to_vec()).unwrap()));

    let refresh =
        AuthKitLayer::new(&authkit).with_max_token_age(Duration::ZERO).layer(Router::new());
    let response = refresh.oneshot(request_to("/")).await.unwrap();
    let set_cookies = response.headers().get_all(header::SET_COOKIE);
    assert_eq!(set_cookies.iter().count(), 1);
    texts.cookies(set_cookies);
    texts.debug("Response", &response);

    let mut login = Request::get("/login").body(Body::empty()).unwrap();
    for (name, value) in DOCUMENT {
        login.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let endpoints: Router = Endpoints::new(&authkit).into();
    let response = endpoints.oneshot(login).await.unwrap();
    let set_cookies = response.headers().get_all(header::SET_COOKIE);
    assert_eq!(set_cookies.iter().count(), 1);
    texts.cookies(set_cookies);
    texts.debug("Response", response.headers());

    let denied = layer
        .layer(Router::new())
        .oneshot(Request::get("/").body(Body::empty()).unwrap())
        .await
        .unwrap();
    texts.debug("Denial", denied.extensions().get::<Denial>().unwrap());
    let mut parts = request_to("/").into_parts().0;
    let rejection: SessionRejection =
        Session::from_request_parts(&mut parts, &()).await.unwrap_err();
    texts.error("SessionRejection", &rejection);
    texts.check();
}

const OTHER_PASSWORD: &str = "another-cookie-password-of-this-test";
const IMPERSONATOR: (&str, &str) = ("support@acme.test", "ticket 4711 about a private matter");
