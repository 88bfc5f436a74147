//! The compact form of a signed token (RFC 7515 section 3.1): three parts, one algorithm.

use std::{borrow::Cow, time::Duration};

use base64::Engine as _;
use memchr::memchr_iter;
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    codec::BARE_URL_SAFE,
    json,
    strictness::FromJson as _,
    token::{
        TokenIdentity,
        claims::{NumericDate, named},
    },
};

/// A token taken apart; nothing in it is trusted yet.
pub(crate) struct Jwt<'a> {
    /// The signed part: header and payload as they are written.
    pub(crate) signed: &'a [u8],
    pub(crate) payload: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) kid: String,
}

/// The header's fields that decide anything. `jku`, `x5u`, `jwk` and `x5c` are ignored (RFC 8725 section 3.10).
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: String,
    crit: Option<IgnoredAny>,
}

impl<'a> Jwt<'a> {
    /// `None` unless it is a token in the compact form, signed with RS256 (RFC 8725 section 3.1) by a named key.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (first, second) = (dots.next()?, dots.next()?);
        if dots.next().is_some() {
            return None;
        }
        let (header, payload, signature) =
            (&token[..first], &token[first + 1..second], &token[second + 1..]);
        let header = BARE_URL_SAFE.decode(header).ok()?;
        let header: Header<'_> = json::object(&header)?;
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11).
        if header.alg != "RS256" || header.crit.is_some() {
            return None;
        }
        let signature = BARE_URL_SAFE.decode(signature).ok()?;
        Some(Self { signed: &token.as_bytes()[..second], payload, signature, kid: header.kid })
    }

    /// The payload as JSON; `None` if it is not text.
    pub(crate) fn payload(&self) -> Option<String> {
        decoded(self.payload)
    }
}

/// The payload of a token whose signature is not checked.
pub(crate) fn payload(token: &str) -> Option<String> {
    decoded(token.split('.').nth(1)?)
}

fn decoded(part: &str) -> Option<String> {
    String::from_utf8(BARE_URL_SAFE.decode(part).ok()?).ok()
}

/// The unverified claims of a token from a cookie that we sealed, however old: where to refresh, whom to sign out.
///
/// They may refuse a token, and never admit one. A claim of another type counts as absent, and does not affect the
/// others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unverified {
    pub(crate) sub: Option<String>,
    pub(crate) sid: Option<String>,
    pub(crate) org_id: Option<String>,
    pub(crate) iss: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) iat: Option<u64>,
    pub(crate) exp: Option<u64>,
    pub(crate) auth_time: Option<u64>,
    /// Present if somebody impersonates the user, whatever its value.
    pub(crate) act: Option<IgnoredAny>,
}

impl Unverified {
    /// The claims; empty if the token cannot be read.
    pub(crate) fn of(token: &str) -> Self {
        payload(token).and_then(|payload| Self::read(&payload)).unwrap_or_default()
    }

    fn read(payload: &str) -> Option<Self> {
        let mut says = Self::default();
        json::members(payload, |name, value| {
            let text = || String::from_json(value);
            let date = || NumericDate::from_json(value).map(NumericDate::rounded_down);
            match &*name.text() {
                "sub" => says.sub = text(),
                "sid" => says.sid = text(),
                "org_id" => says.org_id = named(text()),
                "iss" => says.iss = text(),
                "client_id" => says.client_id = text(),
                "iat" => says.iat = date(),
                "exp" => says.exp = date(),
                "auth_time" => says.auth_time = date(),
                "act" if value != "null" => says.act = Some(IgnoredAny),
                _ => {}
            }
        })?;
        Some(says)
    }

    /// Who the token belongs to, and when it was issued.
    pub(crate) fn identity(&self) -> TokenIdentity<'_> {
        TokenIdentity {
            subject: self.sub.as_deref(),
            session: self.sid.as_deref(),
            organization: self.org_id.as_deref(),
            issued_at: self.iat.unwrap_or(0),
        }
    }

    /// The lifetime of the token; zero if the token does not name it.
    pub(crate) fn lifetime(&self) -> Duration {
        let seconds = self.exp.zip(self.iat).map_or(0, |(exp, iat)| exp.saturating_sub(iat));
        Duration::from_secs(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of a payload, by the names of the claims that are there.
    fn read(payload: &str) -> Option<String> {
        let says = Unverified::read(payload)?;
        let text = |name, it: &Option<String>| it.as_ref().map(|it| format!("{name}={it} "));
        let date = |name, it: Option<u64>| it.map(|it| format!("{name}={it} "));
        let all = [
            text("sub", &says.sub),
            text("sid", &says.sid),
            text("org_id", &says.org_id),
            text("iss", &says.iss),
            text("client_id", &says.client_id),
            date("iat", says.iat),
            date("exp", says.exp),
            date("auth_time", says.auth_time),
            says.act.map(|_| "act ".to_owned()),
        ];
        Some(all.into_iter().flatten().collect())
    }

    /// RFC 7515 section 4: the header is an object.
    #[test]
    fn a_header_is_an_object_that_names_our_algorithm_and_a_key() {
        for (header, is_one) in [
            (r#"{"alg":"RS256","kid":"key_1"}"#, true),
            (" {\"kid\":\"key_1\",\"alg\":\"RS256\",\"typ\":\"JWT\"}", true),
            (r#"{"alg":"RS256","kid":"key_1","crit":["b64"]}"#, false),
            (r#"{"alg":"RS512","kid":"key_1"}"#, false),
            (r#"{"alg":"RS256"}"#, false),
            (r#"["RS256","key_1"]"#, false),
            (r#"["RS256","key_1",null]"#, false),
        ] {
            let token = format!("{}.e30.AAAA", BARE_URL_SAFE.encode(header));
            assert_eq!(Jwt::parse(&token).is_some(), is_one, "{header}");
        }
    }

    #[test]
    fn a3_one_odd_claim_spoils_no_other() {
        let all = [
            ("sub", r#""u""#, "sub=u "),
            ("sid", r#""s""#, "sid=s "),
            ("org_id", r#""o""#, "org_id=o "),
            ("iss", r#""i""#, "iss=i "),
            ("client_id", r#""c""#, "client_id=c "),
            ("iat", "1.5", "iat=1 "),
            ("exp", "2", "exp=2 "),
            ("auth_time", "3", "auth_time=3 "),
        ];
        for odd in [r#"{"a":[]}"#, "[1]", "true", "1e999", r#""\ud800""#, "null"] {
            for (name, ..) in all {
                let members = all.map(|(member, value, _)| {
                    format!(r#""{member}":{}"#, if member == name { odd } else { value })
                });
                let expected = all.map(|(member, _, told)| if member == name { "" } else { told });
                let payload = format!(r#"{{"scope":{odd},{}}}"#, members.join(","));
                assert_eq!(read(&payload).unwrap(), expected.concat(), "{name}: {odd}");
            }
        }
        assert_eq!(read("[]"), None);
    }

    #[test]
    fn a3_whatever_act_says_somebody_impersonates_the_user() {
        for act in
            [r#"{"sub":"admin@example.com"}"#, "{}", "[]", "false", "0", r#""""#, r#""null""#]
        {
            assert_eq!(read(&format!(r#"{{"act":{act}}}"#)).unwrap(), "act ", "{act}");
        }
        assert_eq!(read(r#"{"act":null}"#).unwrap(), "");
    }
}
