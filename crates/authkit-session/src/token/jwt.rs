//! The compact form of a signed token (RFC 7515 section 3.1): three parts, one algorithm.

use std::{borrow::Cow, time::Duration};

use base64::Engine as _;
use memchr::memchr_iter;
use serde::{Deserialize, de::IgnoredAny};

use crate::{codec::BARE_URL_SAFE, token::TokenIdentity};

/// A token taken apart; nothing in it is to be trusted yet.
pub(crate) struct Jwt<'a> {
    /// What is signed: header and payload as they stand.
    pub(crate) signed: &'a [u8],
    pub(crate) payload: &'a str,
    pub(crate) signature: Vec<u8>,
    pub(crate) kid: String,
}

/// The header's fields that decide anything. `jku`, `x5u`, `jwk` and `x5c` are not looked at (RFC 8725 section 3.10).
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    kid: String,
    crit: Option<IgnoredAny>,
}

impl<'a> Jwt<'a> {
    /// `None` for what is not a token in the compact form, signed with RS256 (RFC 8725 section 3.1) by a named key.
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let mut dots = memchr_iter(b'.', token.as_bytes());
        let (first, second) = (dots.next()?, dots.next()?);
        if dots.next().is_some() {
            return None;
        }
        let (header, payload, signature) =
            (&token[..first], &token[first + 1..second], &token[second + 1..]);
        let header = BARE_URL_SAFE.decode(header).ok()?;
        let header: Header<'_> = serde_json::from_slice(&header).ok()?;
        // No extension is understood here, so none may be critical (RFC 7515 section 4.1.11).
        if header.alg != "RS256" || header.crit.is_some() {
            return None;
        }
        let signature = BARE_URL_SAFE.decode(signature).ok()?;
        Some(Self { signed: &token.as_bytes()[..second], payload, signature, kid: header.kid })
    }

    /// The payload's claims; `None` where they do not have the types they must have.
    pub(crate) fn claims<T: for<'de> Deserialize<'de>>(&self) -> Option<T> {
        parse(&BARE_URL_SAFE.decode(self.payload).ok()?)
    }
}

/// Reads JSON whose UTF-8 is checked once, not string by string.
pub(crate) fn parse<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(json).ok()?).ok()
}

/// The payload of a token whose signature is not looked at.
pub(crate) fn payload(token: &str) -> Option<Vec<u8>> {
    BARE_URL_SAFE.decode(token.split('.').nth(1)?).ok()
}

/// What is read from the token of a cookie that we sealed ourselves, however old: where to refresh, whom to sign out.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Unverified {
    #[serde(default)]
    pub(crate) sub: Option<String>,
    #[serde(default)]
    pub(crate) sid: Option<String>,
    #[serde(default)]
    pub(crate) org_id: Option<String>,
    #[serde(default)]
    pub(crate) iat: Option<u64>,
    #[serde(default)]
    pub(crate) exp: Option<u64>,
    /// There when somebody impersonates the user.
    #[serde(default)]
    pub(crate) act: Option<IgnoredAny>,
}

impl Unverified {
    /// Nothing where the token cannot be read.
    pub(crate) fn of(token: &str) -> Self {
        payload(token).and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default()
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

    /// How long the token lives; nothing where it does not say.
    pub(crate) fn lifetime(&self) -> Duration {
        let seconds = self.exp.zip(self.iat).map_or(0, |(exp, iat)| exp.saturating_sub(iat));
        Duration::from_secs(seconds)
    }
}
