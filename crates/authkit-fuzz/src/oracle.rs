//! The rules that must hold for every answer, whatever the input was. Each rule describes what it found broken.

use std::{collections::HashSet, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto::verify, decode};
use serde_json::Value;
use url::Url;

use crate::{
    input,
    json::readable_members,
    service::{Answer, ORIGIN, World},
    token::{CLIENT_ID, ISSUER},
    workos::SigningKey,
};

/// Checks every rule on an answer.
///
/// # Panics
///
/// If a rule is broken.
pub(crate) fn check(answer: &Answer, world: &World) {
    let mut secrets = world.secrets();
    secrets.extend(answer.admitted.iter().flat_map(|token| long_parts(token)));
    secrets.retain(|secret| !input::has_part_of(secret));
    let broken = [
        admits_whom_jsonwebtoken_would(answer.admitted.as_deref(), world.clock.unix()),
        sends_browsers_nowhere_else(&answer.headers, &answer.body),
        tells_no_secret(answer, &secrets),
        keeps_its_cookies(&answer.headers),
    ];
    if let Some(problem) = broken.into_iter().find_map(Result::err) {
        panic!("{problem}: {answer:?}");
    }
}

/// Every admitted request has a token that `jsonwebtoken` accepts at the service's time, and that names a session.
pub(crate) fn admits_whom_jsonwebtoken_would(token: Option<&str>, now: u64) -> Result<(), String> {
    let Some(token) = token else { return Ok(()) };
    let claims = match decode::<Value>(token, &OURS, &VALIDATION) {
        Ok(token) => token.claims,
        // `jsonwebtoken` also refuses a token for members that we do not read, if they have another type or cannot be read.
        Err(error) => signed_claims(token)
            .ok_or_else(|| format!("jsonwebtoken does not accept whom we admit: {error}"))?,
    };
    let seconds = |name: &str| claims[name].as_f64();
    let now = now as f64;
    if seconds("exp").is_none_or(|exp| exp + LEEWAY <= now) {
        return Err("an expired token was admitted".to_owned());
    }
    if seconds("nbf").is_some_and(|nbf| nbf.ceil() > now + LEEWAY) {
        return Err("a token was admitted before its time".to_owned());
    }
    let names = |name: &str, start: &str| {
        claims[name].as_str().is_some_and(|it| it.starts_with(start) && !it.is_empty())
    };
    if !names("sid", "session_") || !names("sub", "") {
        return Err("a token that names no session was admitted".to_owned());
    }
    let is_for_us = claims["client_id"].is_null() || claims["client_id"] == CLIENT_ID;
    if claims["iss"] != ISSUER || !is_for_us {
        return Err("a token of another issuer or client was admitted".to_owned());
    }
    Ok(())
}

/// The claims of a token whose header names our algorithm, and whose signature `jsonwebtoken` verifies.
pub(crate) fn signed_claims(token: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, payload) = signed.split_once('.')?;
    let json = |part: &str| readable_members(&URL_SAFE_NO_PAD.decode(part).ok()?);
    let is_ours = json(header)?["alg"] == "RS256"
        && verify(signature, signed.as_bytes(), &OURS, Algorithm::RS256).ok()?;
    json(payload).filter(|_| is_ours)
}

/// An answer redirects a browser only to the service's own origin or to WorkOS.
pub(crate) fn sends_browsers_nowhere_else(headers: &HeaderMap, body: &[u8]) -> Result<(), String> {
    let fields =
        [header::LOCATION.as_str(), "hx-redirect", "hx-location", "content-location", "refresh"];
    let of_fields = fields.iter().flat_map(|name| headers.get_all(*name));
    let mut places: Vec<String> =
        of_fields.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
    let body = String::from_utf8_lossy(body);
    if let Ok(Value::Object(members)) = serde_json::from_str(&body) {
        let urls = members.iter().filter(|(name, _)| name.ends_with("_url"));
        places.extend(urls.filter_map(|(_, url)| url.as_str().map(str::to_owned)));
    }
    for attribute in ["href=\"", "action=\"", "src=\""] {
        let values = body.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
        places.extend(values.map(|value| value.replace("&amp;", "&").replace("&#x27;", "'")));
    }
    let page = Url::parse(&format!("{ORIGIN}/a/page")).expect("it is a URL");
    for place in places {
        let url = page.join(&place).map_err(|_| format!("`{place}` is no URL"))?;
        let origin = url.origin().ascii_serialization();
        if origin != ORIGIN && origin != WORKOS {
            return Err(format!("a browser is sent to {origin} by `{place}`"));
        }
        if origin == WORKOS {
            leads_back_here(&url)?;
        }
        // Programs that parse URLs less well than browsers take these for the start of a host.
        let start: String = place.chars().take(2).collect();
        if start.starts_with('/') && start.ends_with(['/', '\\']) && start.len() == 2 {
            return Err(format!("`{place}` starts like a host"));
        }
    }
    Ok(())
}

/// WorkOS is told to send the browser back to the service's own callback, or, after a sign-out, to its own origin.
fn leads_back_here(at_workos: &Url) -> Result<(), String> {
    for (name, value) in at_workos.query_pairs() {
        let is_right = match &*name {
            "redirect_uri" => *value == *format!("{ORIGIN}/callback"),
            "return_to" => value.starts_with(&format!("{ORIGIN}/")),
            "code_challenge_method" => value == "S256",
            "client_id" => value == CLIENT_ID,
            _ => true,
        };
        if !is_right {
            return Err(format!("WorkOS is told {name}={value}"));
        }
    }
    Ok(())
}

/// Every cookie is for this host alone, over TLS alone, not for scripts, and is set once; no shared cache keeps an answer
/// that sets a session.
pub(crate) fn keeps_its_cookies(headers: &HeaderMap) -> Result<(), String> {
    let mut seen = HashSet::new();
    let is_private = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .any(|value| ["no-store", "private"].iter().any(|it| has(value.as_bytes(), it.as_bytes())));
    for field in headers.get_all(header::SET_COOKIE) {
        let field = field.to_str().map_err(|_| "a cookie that is no text".to_owned())?;
        let mut parts = field.split("; ");
        let pair = parts.next().unwrap_or_default();
        let name = pair.split('=').next().unwrap_or_default();
        let attributes: Vec<_> = parts.collect();
        let has_all = ["HttpOnly", "SameSite=Lax", "Secure", "Path=/"]
            .iter()
            .all(|it| attributes.contains(it));
        let has_others = attributes.iter().any(|it| it.starts_with("Domain"));
        if !has_all || has_others || pair.len() > MOST_OF_A_COOKIE || !seen.insert(name) {
            return Err(format!("an open cookie, or one twice: {name} {attributes:?}, {seen:?}"));
        }
        if name.starts_with("wos_session") && !is_private {
            return Err("a cache may keep an answer that sets a session".to_owned());
        }
    }
    Ok(())
}

/// An answer contains no secret.
pub(crate) fn tells_no_secret(answer: &Answer, secrets: &[String]) -> Result<(), String> {
    let values = answer.headers.values().map(|value| value.as_bytes());
    for text in values.chain([&*answer.body]) {
        let found = secrets.iter().find(|secret| has(text, secret.as_bytes()));
        if let Some(secret) = found {
            return Err(format!("the answer tells the secret {secret}"));
        }
    }
    Ok(())
}

/// The parts of a token that are secret: the ends of its payload and its signature. Its header and the start of its payload
/// are the same in every token.
pub(crate) fn long_parts(token: &str) -> Vec<String> {
    let parts = token.split('.').skip(1).filter(|part| URL_SAFE_NO_PAD.decode(part).is_ok());
    let pieces = parts.filter_map(|part| part.get(part.len().checked_sub(PIECE)?..));
    pieces.map(str::to_owned).collect()
}

/// Whether the text contains the part. After the first byte, it compares without branches on single bytes: libFuzzer would
/// learn the part from such branches, and write it into its inputs.
fn has(text: &[u8], part: &[u8]) -> bool {
    let differ = |window: &[u8]| window.iter().zip(part).fold(0, |all, (a, b)| all | (a ^ b));
    text.windows(part.len().max(1)).any(|it| it.first() == part.first() && differ(it) == 0)
}

/// The only key that WorkOS publishes.
static OURS: LazyLock<DecodingKey> = LazyLock::new(|| {
    let (n, e) = SigningKey::ours().components();
    DecodingKey::from_rsa_components(&n, &e).expect("it is a key")
});

/// Does not check times, since `jsonwebtoken` would compare them with the machine's clock and not the service's.
static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
});

/// The service's default, in seconds.
const LEEWAY: f64 = 5.0;
/// Bytes of the name and the value that every browser keeps.
const MOST_OF_A_COOKIE: usize = 4_096;
const WORKOS: &str = "https://api.workos.com";
/// Long enough not to be there by chance.
const PIECE: usize = 40;

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;
    use crate::{json::Members, service::NOW, token};

    fn answer(headers: &[(&'static str, &str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        Answer {
            status: StatusCode::OK,
            headers: headers.collect(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            admitted: None,
            reached: false,
        }
    }

    #[test]
    fn the_rule_on_tokens_fires() {
        let judge = |token: &str, now| admits_whom_jsonwebtoken_would(Some(token), now).is_ok();
        let good = token::good(NOW);
        assert!(judge(&good, NOW));
        assert!(judge(&good, NOW + 304));
        assert!(!judge(&good, NOW + 305), "expired");
        let forged = {
            let (signed, _) = good.rsplit_once('.').unwrap();
            format!("{signed}.{}", SigningKey::strangers().sign(signed))
        };
        assert!(!judge(&forged, NOW), "signed by somebody else");
        let claims = [
            ("nbf", (NOW + 6).to_string()),
            ("sid", "\"app_consent_1\"".to_owned()),
            ("sub", "\"\"".to_owned()),
            ("exp", "null".to_owned()),
            ("iss", "\"https://another.example\"".to_owned()),
            ("iss", "null".to_owned()),
            ("client_id", "\"client_another\"".to_owned()),
        ];
        for (name, value) in claims {
            let odd = token::with_claims(NOW, |claims| claims.set(name, value));
            assert!(!judge(&odd, NOW), "{name}");
        }
        assert!(admits_whom_jsonwebtoken_would(None, NOW).is_ok(), "nobody was admitted");
        let unreadable = |claims: &mut Members| claims.set("ours_not", "1e400".to_owned());
        assert!(judge(&token::with_claims(NOW, unreadable), NOW), "a member that nobody reads");
    }

    #[test]
    fn the_rule_on_places_fires() {
        let judge = |headers: &[(&'static str, &str)], body: &str| {
            let answer = answer(headers, body);
            sends_browsers_nowhere_else(&answer.headers, &answer.body).is_ok()
        };
        for good in [
            "/",
            "/login?return_to=%2F%2Fevil.example",
            "https://api.workos.com/user_management/authorize?redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback&code_challenge_method=S256",
            "https://api.workos.com/user_management/sessions/logout?return_to=https%3A%2F%2Fapp.example.com%2F",
            "https://app.example.com/a",
            "?a=/b",
        ] {
            assert!(judge(&[("location", good)], ""), "{good}");
            assert!(judge(&[], &format!("<a href=\"{good}\">")), "{good}");
        }
        for bad in [
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "https://evil.example/",
            "http://app.example.com/",
            "https://app.example.com@evil.example",
            "https://app.example.com.evil.example",
            "javascript:alert(1)",
            "///evil.example",
            "/\t/evil.example",
            "https://api.workos.com/user_management/authorize?redirect_uri=https%3A%2F%2Fevil.example%2Fcallback",
            "https://api.workos.com/user_management/authorize?code_challenge_method=plain",
            "https://api.workos.com/user_management/authorize?client_id=another",
            "https://api.workos.com/user_management/sessions/logout?return_to=https%3A%2F%2Fapp.example.com.evil.example%2F",
        ] {
            assert!(!judge(&[("location", bad)], ""), "{bad}");
            assert!(!judge(&[("hx-redirect", bad)], ""), "{bad}");
            assert!(!judge(&[], &format!("<form action=\"{bad}\">")), "{bad}");
            let problem = serde_json::json!({ "login_url": bad }).to_string();
            assert!(!judge(&[], &problem), "{bad}");
        }
    }

    #[test]
    fn the_rule_on_cookies_fires() {
        let set = "wos_session=a; HttpOnly; SameSite=Lax; Secure; Path=/";
        let judge = |fields: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            keeps_its_cookies(&headers).is_ok()
        };
        let private = ("cache-control", "private, no-cache");
        assert!(judge(&[("set-cookie", &format!("{set}; Max-Age=60")), private]));
        assert!(judge(&[("set-cookie", "a=b; HttpOnly; SameSite=Lax; Secure; Path=/")]));
        assert!(!judge(&[("set-cookie", set)]), "a cache may keep it");
        assert!(!judge(&[("set-cookie", set), ("set-cookie", set), private]), "twice");
        for without in ["; HttpOnly", "; SameSite=Lax", "; Secure", "; Path=/"] {
            assert!(!judge(&[("set-cookie", &set.replace(without, "")), private]), "{without}");
        }
        assert!(!judge(&[("set-cookie", &format!("{set}; Domain=example.com")), private]));
        let long = set.replace("=a;", &format!("={};", "a".repeat(4_085)));
        assert!(!judge(&[("set-cookie", &long), private]), "too long for a browser");
    }

    #[test]
    fn the_rule_on_secrets_fires() {
        let world = World::new();
        let good = token::good(NOW);
        let secrets = world.secrets();
        assert!(tells_no_secret(&answer(&[("location", "/")], "inside"), &secrets).is_ok());
        let middle = &good[good.len() - 60..];
        let planted = [
            crate::service::password(),
            crate::service::api_key(),
            crate::service::email(),
            crate::service::refresh_token(),
            crate::service::upstream(),
            middle,
            &good,
        ];
        for secret in planted {
            let told = [
                answer(&[("x-note", &format!("a{secret}b"))], ""),
                answer(&[], &format!("a{secret}b")),
            ];
            for answer in told {
                assert!(tells_no_secret(&answer, &secrets).is_err(), "{secret}");
            }
        }
    }
}
