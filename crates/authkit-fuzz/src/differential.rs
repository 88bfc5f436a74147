//! Compares our verdict on tokens with that of `jsonwebtoken`, in a careful configuration. A table lists the properties of
//! a token that explain a disagreement; a disagreement that no row explains is an error.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use authkit_session::{BearerTokens, Clock, Decision, Policy};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserializer as _, de};
use serde_json::{Value, value::RawValue};

use crate::{
    driver::Random,
    input::Input,
    service::{World, run},
    token::{self, CLIENT_ID, ISSUER},
    workos::SigningKey,
};

/// The numbers of tokens by verdict.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Tokens that both accept.
    pub accepted: u64,
    /// Tokens that both refuse.
    pub refused: u64,
    /// Tokens that only one of the two accepts, by explanation.
    pub explained: BTreeMap<&'static str, u64>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { accepted, refused, explained } = self;
        writeln!(f, "{accepted} accepted by both, {refused} refused by both")?;
        for (why, tokens) in explained {
            writeln!(f, "{tokens} {why}")?;
        }
        Ok(())
    }
}

/// Makes this many tokens, and compares the two verdicts on each.
///
/// # Errors
///
/// A token about which the two disagree without an explanation in the table.
pub fn compare(tokens: u64, seed: u64) -> Result<Tally, String> {
    // `jsonwebtoken` can only read the machine's clock.
    let clock = Clock::system();
    let world = World::with(|config| config.with_clock(clock.clone()));
    let ours = world.replica().bearer_tokens().map_err(|error| error.to_string())?;
    run(async {
        if let Decision::Wait(keys) =
            ours.authenticate(&token::good(clock.unix()), &Policy::default())
        {
            keys.await.map(drop).map_err(|refusal| refusal.reason().to_string())?;
        }
        let (mut random, mut tally) = (Random::new(seed), Tally::default());
        for _ in 0..tokens {
            let length = 16 + (random.number() % 240) as usize;
            let bytes = random.bytes(length);
            let now = clock.unix();
            let token = token::token(&mut Input::new(&bytes), now);
            match (judge(&ours, &token), theirs(&token)) {
                (Ok(()), Ok(())) => tally.accepted += 1,
                (Err(_), Err(_)) => tally.refused += 1,
                (ours, theirs) => {
                    let why = explain(&token, &ours, now).ok_or_else(|| {
                        format!("ours: {ours:?}, theirs: {theirs:?}: {token}\n{:?}", read(&token))
                    })?;
                    *tally.explained.entry(why).or_default() += 1;
                }
            }
        }
        Ok(tally)
    })
}

fn judge(ours: &BearerTokens, token: &str) -> Result<(), &'static str> {
    match ours.authenticate(token, &Policy::default()) {
        Decision::Admit(_) => Ok(()),
        Decision::Wait(_) => Err("unknown_key"),
        Decision::Refuse(refusal) => Err(refusal.reason().as_str()),
    }
}

fn theirs(token: &str) -> Result<(), String> {
    let header = decode_header(token).map_err(|error| error.to_string())?;
    if header.kid.as_deref() != Some(SigningKey::ours().kid) {
        return Err("no such key".to_owned());
    }
    decode::<Value>(token, &KEY, &VALIDATION).map(drop).map_err(|error| error.to_string())
}

/// The explanation of a disagreement about a token; `None` if there is none in the table.
fn explain(token: &str, ours: &Result<(), &'static str>, now: u64) -> Option<&'static str> {
    let (header, claims) = read(token)?;
    let member = |name: &str| header.iter().any(|(known, _)| known == name);
    let twice = |name: &str| claims.iter().filter(|(known, _)| known == name).count() > 1;
    let claim = |name: &str| claims.iter().rev().find(|(known, _)| known == name).map(|(_, it)| it);
    let text = |name: &str| claim(name).and_then(Value::as_str);
    // At the edge of what the leeway allows, in the second before or after.
    let is_now = |time: f64| (time - now as f64).abs() <= LEEWAY + 2.0;
    match ours {
        Ok(()) => {
            let odd = |(name, value): &(String, Value)| match name.as_str() {
                "alg" | "kid" => false,
                "jwk" | "x5c" => !value.is_null(),
                _ => !value.is_string() && !value.is_null(),
            };
            let has_fraction = ["exp", "nbf"].into_iter().filter_map(claim).any(|time| {
                time.as_f64().is_some_and(|seconds| seconds.fract() != 0.0 && is_now(seconds))
            });
            let is_twice = header
                .iter()
                .filter(|(name, _)| !["alg", "kid", "crit"].contains(&name.as_str()))
                .any(|(name, _)| header.iter().filter(|(other, _)| other == name).count() > 1);
            if header.iter().any(odd) || is_twice {
                Some("accepted here: a member of the header that nothing here reads is odd")
            } else if claim("nbf").is_some_and(Value::is_null) {
                Some("accepted here: a token is not valid before null, which says nothing here")
            } else if claims
                .iter()
                .any(|(name, value)| *value == unreadable() && !DECIDE.contains(&name.as_str()))
            {
                Some("accepted here: what nothing here reads is no value of serde_json")
            } else if twice("aud") {
                Some("accepted here: the audience, which nothing here reads, is there twice")
            } else if has_fraction {
                Some("accepted here: a time has a fraction")
            } else {
                None
            }
        }
        Err("bad_signature") if member("crit") => {
            Some("refused here: an extension is critical (RFC 7515 section 4.1.11)")
        }
        Err("not_ours") => {
            let is_session = text("sid").is_some_and(|sid| sid.starts_with("session_"));
            let is_client = claim("client_id").is_none_or(|it| it.is_null() || it == CLIENT_ID);
            let is_user = text("sub").is_some_and(|sub| !sub.is_empty());
            if !is_session {
                Some("refused here: not the token of a session")
            } else if !is_client {
                Some("refused here: the token of another client")
            } else if !is_user {
                Some("refused here: no user")
            } else {
                None
            }
        }
        Err("expired") => {
            let exp = claim("exp").and_then(Value::as_f64)?;
            (exp.floor() + 6.0 >= now as f64)
                .then_some("refused here: within the second that it expires in")
        }
        Err("clock") => {
            let nbf = claim("nbf").and_then(Value::as_f64)?;
            (nbf.fract() > 0.0 && is_now(nbf))
                .then_some("refused here: not valid before a fraction of a second")
        }
        Err(reason) => {
            let name = reason.strip_prefix("invalid_")?;
            let is_text = claim(name).is_none_or(|it| it.is_string() || it.is_null());
            let is_date = claim(name).is_none_or(|it| {
                it.is_null()
                    || it
                        .as_f64()
                        .is_some_and(|date| (0.0..=9_007_199_254_740_991.0).contains(&date))
            });
            let is_typed = match name {
                "exp" | "nbf" | "iat" => is_date,
                "act" => claim(name).is_none_or(Value::is_null),
                _ => is_text,
            };
            if twice(name) {
                Some("refused here: a claim that decides is there twice")
            } else if !is_typed {
                Some("refused here: a claim that decides is of another type")
            } else {
                None
            }
        }
    }
}

type Object = Vec<(String, Value)>;

/// Header and claims, with members that occur twice.
fn read(token: &str) -> Option<(Object, Object)> {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let object = |json: Vec<u8>| {
        serde_json::Deserializer::from_slice(&json).deserialize_map(MembersVisitor).ok()
    };
    Some((object(parts.next()??)?, object(parts.next()??)?))
}

/// Stands for a value that is valid JSON by its grammar, and that `serde_json` cannot represent: a number out of range,
/// half a surrogate pair.
fn unreadable() -> Value {
    Value::from(["unreadable"].as_slice())
}

struct MembersVisitor;

impl<'de> de::Visitor<'de> for MembersVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut members = Vec::new();
        while let Some((name, json)) = map.next_entry::<String, &RawValue>()? {
            members.push((name, serde_json::from_str(json.get()).unwrap_or_else(|_| unreadable())));
        }
        Ok(members)
    }
}

/// The claims that decide whether a session's token is accepted.
const DECIDE: [&str; 7] = ["exp", "nbf", "iss", "sub", "sid", "client_id", "act"];
/// The service's default, in seconds.
const LEEWAY: f64 = 5.0;

static KEY: LazyLock<DecodingKey> = LazyLock::new(|| {
    let (n, e) = SigningKey::ours().components();
    DecodingKey::from_rsa_components(&n, &e).expect("it is a key")
});

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.leeway = 5;
    validation.validate_nbf = true;
    validation.validate_aud = false;
    validation.set_issuer(&[ISSUER]);
    validation.set_required_spec_claims(&["exp", "iss", "sub"]);
    validation
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disagreement_that_nothing_explains_is_told() {
        let good = token::good(1_800_000_000);
        assert_eq!(explain(&good, &Ok(()), 1_800_000_000), None);
        for reason in ["bad_signature", "not_ours", "expired", "clock", "invalid_exp", "no_keys"] {
            assert_eq!(explain(&good, &Err(reason), 1_800_001_000), None, "{reason}");
        }
        let other =
            token::with_claims(1_800_000_000, |claims| claims.set("sid", "\"x\"".to_owned()));
        assert!(explain(&other, &Err("not_ours"), 1_800_000_000).is_some());
    }
}
