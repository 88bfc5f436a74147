//! Access tokens: valid ones, and changed ones.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{
    input::Input,
    json::{self, Members, quoted},
    workos::SigningKey,
};

/// Makes an access token with times around `now`, in Unix seconds. Without choices it is valid for five minutes.
pub(crate) fn token(input: &mut Input<'_>, now: u64) -> String {
    if input.below(8) == 7 {
        return input.text();
    }
    let mut header = header();
    let mut claims = claims(now);
    if input.flag() {
        header.edit(input, HEADER);
        if input.flag() {
            let alg = input.one_of(ALGORITHMS);
            header.set("alg", quoted(alg));
        }
    }
    if input.flag() {
        claims.edit(input, CLAIMS);
        for name in ["exp", "nbf", "iat"] {
            if input.flag() {
                claims.set(name, time(input, now));
            }
        }
    }
    let mut header = URL_SAFE_NO_PAD.encode(header.text()).into_bytes();
    let mut payload = URL_SAFE_NO_PAD.encode(claims.text()).into_bytes();
    respell(input, &mut header);
    respell(input, &mut payload);
    let signed = [header, payload].join(&b'.');
    let signed = String::from_utf8_lossy(&signed).into_owned();
    let signature = match input.below(8) {
        6 => SigningKey::strangers().sign(&signed),
        7 => input.text(),
        _ => SigningKey::ours().sign(&signed),
    };
    let mut token = format!("{signed}.{signature}").into_bytes();
    respell(input, &mut token);
    if input.below(4) == 3 {
        input.mutate(&mut token);
    }
    String::from_utf8_lossy(&token).into_owned()
}

/// A token of a user who signed in at `now`.
pub(crate) fn good(now: u64) -> String {
    SigningKey::ours().token(&header().text(), &claims(now).text())
}

/// A token with edited claims.
#[cfg(test)]
pub(crate) fn with_claims(now: u64, edit: impl FnOnce(&mut Members)) -> String {
    let mut claims = claims(now);
    edit(&mut claims);
    SigningKey::ours().token(&header().text(), &claims.text())
}

fn header() -> Members {
    let kid = quoted(SigningKey::ours().kid);
    Members::new([("alg", quoted("RS256")), ("typ", quoted("JWT")), ("kid", kid)])
}

fn claims(now: u64) -> Members {
    Members::new([
        ("iss", quoted(ISSUER)),
        ("sub", quoted("user_1")),
        ("sid", quoted("session_1")),
        ("client_id", quoted(CLIENT_ID)),
        ("org_id", quoted("org_1")),
        ("role", quoted("member")),
        ("iat", now.to_string()),
        ("exp", (now + 300).to_string()),
    ])
}

/// A time near `now`, a time far from it, or a value that is not a time.
fn time(input: &mut Input<'_>, now: u64) -> String {
    match input.below(4) {
        0 => {
            let offset = input.one_of(&[0, 20, 40, 61, 300, 1_000, 86_400 * 400]);
            now.saturating_add(offset).to_string()
        }
        1 => {
            let offset = input.one_of(&[20, 40, 61, 300, 1_000, 86_400 * 400]);
            now.saturating_sub(offset).to_string()
        }
        2 => format!("{}.{}", now + 100, input.below(1_000)),
        _ => json::value(input, 1),
    }
}

/// Changes base64 in ways that some decoders ignore.
fn respell(input: &mut Input<'_>, text: &mut Vec<u8>) {
    match input.below(24) {
        16 => text.push(b'='),
        17 => text.extend(b"=="),
        18 => text.iter_mut().for_each(|byte| {
            *byte = match *byte {
                b'-' => b'+',
                b'_' => b'/',
                other => other,
            };
        }),
        // The last character of base64 may have bits that no byte uses.
        19 => {
            if let Some(last) = text.last_mut() {
                *last = last.wrapping_add(1);
            }
        }
        20 => text.push(b'.'),
        21 => text.insert(0, b' '),
        22 => text.push(b'\n'),
        23 => {
            let at = input.below(text.len() + 1);
            text.insert(at, input.one_of(b"=.%\0A \t"));
        }
        _ => {}
    }
}

pub(crate) const ISSUER: &str = "https://issuer.example";
pub(crate) const CLIENT_ID: &str = "client_fuzz";

const HEADER: &[&str] =
    &["alg", "typ", "kid", "crit", "jku", "jwk", "x5c", "x5u", "zip", "b64", "cty"];
const ALGORITHMS: &[&str] = &[
    "RS256", "none", "None", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "rs256",
    "RS256 ", "",
];
const CLAIMS: &[&str] = &[
    "exp",
    "nbf",
    "iat",
    "sub",
    "sid",
    "iss",
    "aud",
    "client_id",
    "org_id",
    "act",
    "role",
    "roles",
    "permissions",
    "entitlements",
    "feature_flags",
    "auth_time",
    "scope",
    "jti",
];
