//! Shares sessions of every kind with an SDK: with and without an organization, impersonated, with names in any script.

use authkit_emulator::{Emulator, Seed};
use authkit_tower::{AuthKit, AuthKitLayer, Clock, Config, CookiePassword, Endpoints, Session};
use axum::{Json, Router, routing::get};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Peer,
    sharing::{format, key, password},
};
use crate::Browser;

const APP: &str = "http://localhost:3000";

/// Seals sessions in the SDK's format, and lets the SDK authenticate them: it verifies their tokens with WorkOS's keys.
///
/// # Panics
///
/// If the SDK refuses one, or takes it for another user's.
pub async fn ours_is_good_there(peer: Peer) {
    let shared = Shared::new(peer).await;
    let mut sealed = Vec::new();
    for email in EMAILS {
        let answer = shared.workos.session(email).payload().to_string();
        let started = shared.ours.start_session(answer.as_bytes(), &http::HeaderMap::new()).await;
        let browser = Browser::new();
        browser.receive_all(APP, &started.expect("the session begins").set_cookies);
        sealed.push(browser.cookie("wos_session").expect("it is not too large"));
    }
    let sealed: Vec<_> = sealed.iter().map(String::as_str).collect();

    let judged = peer.authenticate_all(&shared.workos, password(peer), &sealed);
    for (email, judged) in EMAILS.iter().zip(judged) {
        let judged = judged.unwrap_or_else(|error| panic!("{peer:?}, {email}: {error}"));
        let session = shared.workos.session(email);
        let (payload, claims) = (session.payload(), session.claims());
        let expected = json!({
            "email": email, "first_name": payload["user"]["first_name"],
            "organization_id": claims["org_id"], "impersonator": payload["impersonator"]["email"],
        });
        assert_eq!(judged, expected, "{peer:?}");
    }
}

/// Lets the SDK seal sessions, refreshes them here, and lets the SDK open the refreshed ones.
///
/// # Panics
///
/// If anything but the tokens has changed, or the session is another one.
pub async fn theirs_survives_here(peer: Peer) {
    let shared = Shared::new(peer).await;
    let payloads = EMAILS.map(|email| shared.payload_there(email));
    let before = peer.seal_all(password(peer), &payloads).into_iter();
    let before = before.map(|sealed| sealed.unwrap_or_else(|error| panic!("{peer:?}: {error}")));
    let before: Vec<_> = before.collect();
    let mut after = Vec::new();
    for (email, sealed) in EMAILS.iter().zip(&before) {
        let browser = Browser::new();
        browser.keep(APP, "wos_session", sealed);
        let page = browser.visit(&shared.app, &format!("{APP}/me")).await;
        assert_eq!(page.status, StatusCode::OK, "{peer:?}, {email}: {}", page.text());
        assert_eq!(page.json(), shared.known(email), "{peer:?}");
        assert_eq!(page.set_cookies("wos_session").len(), 1, "{peer:?}, {email}: refreshed");
        after.push(browser.cookie("wos_session").expect("it is as large as before"));
    }

    let all: Vec<_> = before.iter().chain(&after).map(String::as_str).collect();
    let mut opened = peer.unseal_all(password(peer), &all);
    let after = opened.split_off(before.len());
    for ((email, before), after) in EMAILS.iter().zip(opened).zip(after) {
        let mut before = before.unwrap_or_else(|error| panic!("{peer:?}, {email}: {error}"));
        let after = after.unwrap_or_else(|error| panic!("{peer:?}, {email}: {error}"));
        for token in ["access_token", "refresh_token"].map(|name| key(peer, name)) {
            assert!(after[&token].is_string(), "{peer:?}, {email}: {token}");
            assert_ne!(before[&token], after[&token], "{peer:?}, {email}: {token}");
            before[&token] = after[&token].clone();
        }
        assert_eq!(after, before, "{peer:?}, {email}: nothing else has changed");
    }
}

/// WorkOS, and a service of ours with the neighbour's password and format.
struct Shared {
    peer: Peer,
    workos: Emulator,
    ours: AuthKit,
    app: Router,
}

impl Shared {
    async fn new(peer: Peer) -> Self {
        // The SDKs verify by the machine's clock.
        let workos = Emulator::builder().seed(seed()).start().await;
        let workos = workos.expect("loopback has a free port");
        let secret = CookiePassword::new(password(peer)).expect("the password is long enough");
        let callback = format!("{APP}/callback");
        let config = Config::new(workos.client_id(), workos.api_key(), callback, secret)
            .with_base_url(workos.url())
            .with_clock(Clock::system())
            .with_seal_format(format(peer));
        let ours = AuthKit::new(config).expect("the configuration is good");
        let app = Router::new()
            .route("/me", get(me))
            .route_layer(AuthKitLayer::new(&ours))
            .merge(Endpoints::new(&ours));
        Self { peer, workos, ours, app }
    }

    /// The payload that the SDK would seal for an expired session, in its own spelling, with additional unknown fields.
    fn payload_there(&self, email: &str) -> Value {
        let session = self.workos.session(email).expired();
        let payload = session.payload();
        let mut there = json!({ "theme": { "first_name": [1, 2.5, null], "ß": "\u{1f980}" } });
        if let Some(organization) = session.claims().get("org_id") {
            there[key(self.peer, "organization_id")] = organization.clone();
        }
        for (name, value) in payload.as_object().expect("a session is an object") {
            there[key(self.peer, name)] = value.clone();
        }
        there["user"] = json!({});
        for (name, value) in payload["user"].as_object().expect("a user is an object") {
            there["user"][key(self.peer, name)] = value.clone();
        }
        there
    }

    /// The session of a user in a handler.
    fn known(&self, email: &str) -> Value {
        let session = self.workos.session(email);
        let payload = session.payload();
        json!({
            "email": email, "first_name": payload["user"]["first_name"],
            "last_name": payload["user"]["last_name"], "metadata": payload["user"]["metadata"],
            "organization_id": session.claims()["org_id"], "impersonator": payload["impersonator"],
        })
    }
}

async fn me(session: Session) -> Json<Value> {
    let user = session.user();
    let impersonator = session.impersonator();
    Json(json!({
        "email": user.email, "first_name": user.first_name, "last_name": user.last_name,
        "metadata": user.metadata, "organization_id": session.organization_id(),
        "impersonator": impersonator.map(|it| json!({ "email": it.email, "reason": it.reason })),
    }))
}

const EMAILS: [&str; 4] =
    ["member@acme.test", "nobody@acme.test", "watched@acme.test", "script@acme.test"];

fn seed() -> Seed {
    let seed = json!({
        "users": [
            { "email": EMAILS[0], "first_name": "Mem", "last_name": "Ber", "external_id": "m-1" },
            { "email": EMAILS[1] },
            {
                "email": EMAILS[2], "first_name": "Watched",
                "impersonator": { "email": "support@acme.test", "reason": "a ticket: „#1“" },
            },
            {
                "email": EMAILS[3], "first_name": "Zo\u{eb} \"\u{3a9}\" \u{1f980}",
                "last_name": "\u{674e}\n\u{2028}\\u0041", "metadata": { "first_name": "\u{e9}\u{0}", "a_b": "c" },
            },
        ],
        "organizations": [
            { "name": "Acme \u{20ac}", "memberships": [{ "email": EMAILS[0], "role": "admin" }] },
        ],
    });
    seed.to_string().parse().expect("the seed is in the emulator's format")
}
