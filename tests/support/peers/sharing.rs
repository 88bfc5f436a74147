//! Shares one session between a service of ours and a neighbour with an official SDK.
//!
//! The official emulator issues the tokens, so that our code is not on both sides of the test.

use std::time::Duration;

use authkit_session::{
    Admission, Authenticator, Config, CookiePassword, Decision, Policy, SealFormat,
};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{OfficialEmulator, Peer};

/// Seals a session in the SDK's format, and lets the SDK open it.
///
/// # Panics
///
/// If the SDK does not open it, or finds another content.
pub async fn ours_opens_there(peer: Peer) {
    ours_opens_there_as(peer, format(peer)).await;
}

/// Seals a session in a format that the SDK reads too, and has the SDK open it.
///
/// # Panics
///
/// As [`ours_opens_there`].
pub async fn ours_opens_there_as(peer: Peer, format: SealFormat) {
    let emulator = OfficialEmulator::start();
    let service = service(&emulator, peer, format);
    let answer = emulator.sign_in().await;

    let body = answer.to_string();
    let signed_in = service.start_session(body.as_bytes(), &HeaderMap::new()).await;
    let sealed = the_session(&signed_in.expect("the session begins").set_cookies);

    let opened = peer.unseal(password(peer), &sealed);
    assert_same(peer, &opened.unwrap_or_else(|error| panic!("{peer:?}: {error}")), &answer);
}

/// Lets the SDK seal a session, and opens it.
///
/// # Panics
///
/// If the session is not admitted, or another user is.
pub async fn theirs_opens_here(peer: Peer) {
    let emulator = OfficialEmulator::start();
    let service = service(&emulator, peer, SealFormat::default());
    let answer = emulator.sign_in().await;

    let admission = open(&service, &sealed_there(peer, &answer), Policy::default()).await;
    let session = admission.session();
    assert_eq!(session.user_id(), answer["user"]["id"], "{peer:?}");
    assert_eq!(session.user().email.as_deref(), Some(OfficialEmulator::USER.0), "{peer:?}");
    assert_eq!(
        session.user().last_name.as_deref(),
        answer["user"]["last_name"].as_str(),
        "{peer:?}"
    );
    assert_eq!(session.access_token().expose(), answer["access_token"], "{peer:?}");
    assert!(admission.set_cookie_headers().is_empty(), "{peer:?}: nothing has changed");
}

/// Refreshes a session that the SDK sealed, in a service that itself writes another format.
///
/// # Panics
///
/// If the SDK does not find the new tokens in the new cookie.
pub async fn theirs_stays_theirs(peer: Peer) {
    let emulator = OfficialEmulator::start();
    let service = service(&emulator, peer, SealFormat::default());
    assert_ne!(format(peer), SealFormat::default(), "{peer:?}");
    let old = emulator.sign_in().await;

    let policy = Policy::default().with_max_token_age(Duration::ZERO);
    let admission = open(&service, &sealed_there(peer, &old), policy).await;
    let sealed = the_session(&admission.set_cookie_headers());
    let opened = peer.unseal(password(peer), &sealed);
    let opened = opened.unwrap_or_else(|error| panic!("{peer:?}: {error}"));

    let new = admission.session().access_token().expose();
    assert_ne!(new, old["access_token"], "{peer:?} sees a refresh");
    let refresh_token = &opened[key(peer, "refresh_token")];
    assert!(refresh_token.is_string() && *refresh_token != old["refresh_token"], "{peer:?}");
    assert_eq!(opened[key(peer, "access_token")], new, "{peer:?}");
    assert_eq!(opened["user"]["id"], old["user"]["id"], "{peer:?}");
}

fn service(emulator: &OfficialEmulator, peer: Peer, format: SealFormat) -> Authenticator {
    let password = CookiePassword::new(password(peer)).expect("the password is long enough");
    let callback = "http://127.0.0.1:3000/callback";
    let config = Config::new("client_peer", OfficialEmulator::API_KEY, callback, password)
        .with_base_url(emulator.base_url())
        .with_seal_format(format);
    Authenticator::new(config).expect("the configuration is good")
}

async fn open(service: &Authenticator, sealed: &str, policy: Policy) -> Admission {
    let mut headers = HeaderMap::new();
    let cookie = HeaderValue::try_from(format!("wos_session={sealed}"));
    headers.insert(header::COOKIE, cookie.expect("a sealed session fits a header"));
    match service.authenticate(&headers, &policy) {
        Decision::Admit(admission) => admission,
        Decision::Wait(waiting) => {
            waiting.await.unwrap_or_else(|refusal| panic!("refused: {refusal:?}"))
        }
        Decision::Refuse(refusal) => panic!("refused: {refusal:?}"),
    }
}

/// The payload that the SDK seals after a sign-in: the emulator's answer in the SDK's spelling.
fn sealed_there(peer: Peer, answer: &Value) -> String {
    let mut payload = json!({});
    for name in ["access_token", "refresh_token"] {
        payload[key(peer, name)] = answer[name].clone();
    }
    for (name, value) in answer["user"].as_object().expect("the answer has a user") {
        payload["user"][key(peer, name)] = value.clone();
    }
    peer.seal(password(peer), &payload).unwrap_or_else(|error| panic!("{peer:?}: {error}"))
}

/// The value of the one session cookie.
fn the_session(set_cookies: &[HeaderValue]) -> String {
    let [cookie] = set_cookies else { panic!("one cookie expected: {}", set_cookies.len()) };
    let cookie = cookie.to_str().expect("a cookie is ASCII");
    let (name, rest) = cookie.split_once('=').expect("a cookie has a name");
    assert_eq!(name, "wos_session");
    rest.split(';').next().unwrap_or(rest).to_owned()
}

fn assert_same(peer: Peer, opened: &Value, answer: &Value) {
    for name in ["access_token", "refresh_token"] {
        assert_eq!(opened[key(peer, name)], answer[name], "{peer:?}: {name}");
    }
    for name in ["id", "email", "first_name", "last_name", "email_verified"] {
        assert_eq!(opened["user"][key(peer, name)], answer["user"][name], "{peer:?}: {name}");
    }
}

pub(super) fn format(peer: Peer) -> SealFormat {
    match peer {
        Peer::Node | Peer::AuthkitSession | Peer::IronSession => SealFormat::Node,
        Peer::Python | Peer::PythonGuide => SealFormat::Python,
        Peer::Rust => SealFormat::Rust,
    }
}

/// A password that the SDK accepts; every service accepts it too.
pub(super) fn password(peer: Peer) -> &'static str {
    match format(peer) {
        SealFormat::Rust => "6b1f0d5c2e9a48737f60b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f506",
        _ => "x4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=",
    }
}

/// `snake_case`, as the SDK spells it.
pub(super) fn key(peer: Peer, name: &str) -> String {
    match format(peer) {
        SealFormat::Node => {
            let (first, words) = name.split_once('_').unwrap_or((name, ""));
            let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
            let words = words.split('_').filter(|word| !word.is_empty()).map(capital);
            first.to_owned() + words.collect::<String>().as_str()
        }
        _ => name.to_owned(),
    }
}
