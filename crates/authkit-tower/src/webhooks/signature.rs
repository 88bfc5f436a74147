//! Verifies that WorkOS sent a webhook: an HMAC over the time of sending and the raw body.
//!
//! ```text
//! WorkOS-Signature: t=<milliseconds since 1970>, v1=<hex( HMAC-SHA256( secret, t · "." · body ))>
//! ```
//!
//! As in the SDKs: `common/crypto/signature-provider.ts` of workos-node, `webhook_verification.go` of workos-go. The
//! emulator of the npm package `workos` writes seconds.

use std::{sync::Arc, time::Duration};

use authkit_session::{
    ConfigError, ConfigProblem, Secret, Setting,
    integration::{MacContext, MacKey},
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Webhooks;

/// The secrets that may have signed an endpoint's webhooks: one, and more during a rotation.
#[derive(Clone)]
pub(super) struct WebhookSecrets(Arc<[MacKey]>);

/// Why a delivery does not count as WorkOS's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum SignatureError {
    /// There is no signature, or it does not have the form above.
    Malformed,
    /// Its time is too far in the past or in the future.
    Stale,
    /// The secret, the body or the time is not the signed one.
    Wrong,
}

impl WebhookSecrets {
    pub(super) fn new(secret: &Secret) -> Result<Self, ConfigError> {
        Ok(Self([key(secret)?].into()))
    }

    pub(super) fn and(&self, others: &[Secret]) -> Result<Self, ConfigError> {
        let Self(known) = self;
        let keys = known.iter().cloned().map(Ok).chain(others.iter().map(key));
        Ok(Self(keys.collect::<Result<_, _>>()?))
    }

    /// Starts to check the body of the signature.
    pub(super) fn check(&self, signature: &WebhookSignature<'_>) -> SignatureCheck {
        let Self(keys) = self;
        let mut check = SignatureCheck {
            tag: signature.tag,
            contexts: keys.iter().map(MacKey::begin).collect(),
        };
        check.update(signature.time.as_bytes());
        check.update(b".");
        check
    }
}

fn key(secret: &Secret) -> Result<MacKey, ConfigError> {
    let secret = secret.expose();
    // WorkOS's secrets are letters and digits. What is not seen, such as a byte order mark, comes along with pasting.
    let is_wrapped = |end: char| !end.is_ascii_graphic() || matches!(end, '"' | '\'' | '`');
    if secret.len() < Webhooks::MIN_SECRET_LEN
        || secret.starts_with(is_wrapped)
        || secret.ends_with(is_wrapped)
    {
        let found = if secret.is_empty() {
            "is empty"
        } else if secret.len() < Webhooks::MIN_SECRET_LEN {
            "has fewer than 16 bytes"
        } else {
            "has white space, quotes or characters that are not seen around it"
        };
        let wants = "write the signing secret that the WorkOS dashboard shows for the endpoint";
        return Err(ConfigProblem::invalid(Setting::WebhookSecret, found, wants).into());
    }
    Ok(MacKey::new(secret.as_bytes()))
}

/// The signature in the head of a delivery.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct WebhookSignature<'a> {
    /// As it is written, since that text was signed.
    time: &'a str,
    tag: [u8; 32],
}

impl<'a> WebhookSignature<'a> {
    /// Checks what does not need the body: the form, and the age at `now`, which is the time since 1970.
    pub(super) fn read(headers: &'a HeaderMap, now: Duration) -> Result<Self, SignatureError> {
        let mut fields = headers.get_all(SIGNATURE).into_iter();
        let (Some(field), None) = (fields.next(), fields.next()) else {
            return Err(SignatureError::Malformed);
        };
        let signature = Self::parse(field).ok_or(SignatureError::Malformed)?;
        let made = match signature.time.parse().map_err(|_| SignatureError::Malformed)? {
            seconds @ ..FIRST_MILLIS => Duration::from_secs(seconds),
            millis => Duration::from_millis(millis),
        };
        if made.abs_diff(now) > Duration::from_secs(TOLERANCE) {
            return Err(SignatureError::Stale);
        }
        Ok(signature)
    }

    fn parse(header: &'a HeaderValue) -> Option<Self> {
        let (mut time, mut tag) = (None, None);
        for part in header.to_str().ok()?.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let known = match name {
                "t" => &mut time,
                "v1" => &mut tag,
                // A scheme that this version does not know.
                _ => continue,
            };
            if known.replace(value).is_some() {
                return None;
            }
        }
        let time = time.filter(|time| time.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Self { time, tag: unhex(tag?)? })
    }
}

/// A signature whose body arrives piece by piece.
pub(super) struct SignatureCheck {
    tag: [u8; 32],
    contexts: Vec<MacContext>,
}

impl SignatureCheck {
    pub(super) fn update(&mut self, part: &[u8]) {
        for context in &mut self.contexts {
            context.update(part);
        }
    }

    /// Says whether one of the secrets signed the parts, comparing in constant time.
    pub(super) fn finish(self) -> Result<(), SignatureError> {
        let Self { tag, contexts } = self;
        if contexts.into_iter().any(|context| context.is_tagged(&tag)) {
            Ok(())
        } else {
            Err(SignatureError::Wrong)
        }
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(bytes)
}

const SIGNATURE: HeaderName = HeaderName::from_static("workos-signature");
/// The least number that counts milliseconds: a moment in 1973; as seconds it would be in the year 5138.
const FIRST_MILLIS: u64 = 100_000_000_000;
/// How many seconds a signature's time may differ from ours, as in the SDKs.
pub(super) const TOLERANCE: u64 = 180;

#[cfg(test)]
mod tests {
    use aws_lc_rs::hmac;

    use super::*;

    /// `printf '%s' '1800000000000.{"event":"x"}' | openssl dgst -sha256 -hmac whsec_0123456789`
    const TAG: &str = "ad1d955fa563c6b152ce6e21861db95fe9e07cbd0a4a6f80e7d87d1f42ea3908";
    const SECRET: &str = "whsec_0123456789";
    const OTHER: &str = "whsec_9876543210";

    fn secrets(secret: &str, others: &[&str]) -> WebhookSecrets {
        let others: Vec<_> = others.iter().map(|other| Secret::new(*other)).collect();
        WebhookSecrets::new(&Secret::new(secret)).unwrap().and(&others).unwrap()
    }

    fn verify(
        secrets: &WebhookSecrets,
        header: &str,
        body: &[u8],
        now: Duration,
    ) -> Result<(), SignatureError> {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, HeaderValue::from_str(header).unwrap());
        let mut check = secrets.check(&WebhookSignature::read(&headers, now)?);
        body.chunks(3).for_each(|part| check.update(part));
        check.finish()
    }

    fn sign(time: &str, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={time}, v1={tag}")
    }

    /// Name, header, body, time, verdict.
    type Case<'a> = (&'a str, &'a str, &'a [u8], Duration, Result<(), SignatureError>);

    #[test]
    fn only_what_workos_signed_of_late_is_taken() {
        let good = format!("t=1800000000000, v1={TAG}");
        let (now, tolerance) = (Duration::from_secs(1_800_000_000), Duration::from_secs(TOLERANCE));
        let body = br#"{"event":"x"}"#;
        let (malformed, stale) = (Err(SignatureError::Malformed), Err(SignatureError::Stale));
        let cases: [Case<'_>; 19] = [
            ("as it was sent", &good, body, now, Ok(())),
            ("no space", &good.replace(' ', ""), body, now, Ok(())),
            ("capitals", &good.replace(TAG, &TAG.to_uppercase()), body, now, Ok(())),
            ("the other way round", &format!("v1={TAG},t=1800000000000"), body, now, Ok(())),
            ("another scheme beside it", &format!("{good}, v2=00"), body, now, Ok(())),
            ("as late as it may be", &good, body, now + tolerance, Ok(())),
            ("late", &good, body, now + tolerance + MS, stale),
            ("as early as it may be", &good, body, now - tolerance, Ok(())),
            ("early", &good, body, now - tolerance - MS, stale),
            ("another body", &good, b"{}", now, Err(SignatureError::Wrong)),
            ("another time", &good.replace("000,", "001,"), body, now, Err(SignatureError::Wrong)),
            ("a time of old", &good.replace("t=1", "t=0"), body, now, stale),
            ("another tag", &good.replace(&TAG[..2], "00"), body, now, Err(SignatureError::Wrong)),
            ("a short tag", &good[..good.len() - 2], body, now, malformed),
            ("no tag", "t=1800000000000", body, now, malformed),
            ("no time", &format!("v1={TAG}"), body, now, malformed),
            ("two tags", &format!("{good}, v1={TAG}"), body, now, malformed),
            ("a time of letters", &good.replace("t=1", "t=x"), body, now, malformed),
            ("nothing", "", body, now, malformed),
        ];
        for (name, header, body, now, expected) in cases {
            assert_eq!(verify(&secrets(SECRET, &[]), header, body, now), expected, "{name}");
        }
        let wrong = Err(SignatureError::Wrong);
        assert_eq!(verify(&secrets(OTHER, &[]), &good, body, now), wrong, "another secret");
    }

    #[test]
    fn f10_the_head_needs_one_signature() {
        let good = HeaderValue::from_str(&format!("t=1800000000000, v1={TAG}")).unwrap();
        let now = Duration::from_secs(1_800_000_000);
        for (fields, is_read) in [(0, false), (1, true), (2, false)] {
            let mut headers = HeaderMap::new();
            for _ in 0..fields {
                headers.append(SIGNATURE, good.clone());
            }
            assert_eq!(WebhookSignature::read(&headers, now).is_ok(), is_read, "{fields}");
        }
    }

    #[test]
    fn d8_while_a_secret_is_rolled_either_one_signs() {
        let now = Duration::from_secs(1_800_000_000);
        let cases = [
            ("the only one", secrets(SECRET, &[]), Ok(())),
            ("the first", secrets(SECRET, &[OTHER]), Ok(())),
            ("the other", secrets(OTHER, &[SECRET]), Ok(())),
            ("one of many", secrets(OTHER, &["whsec_abcdefghij", SECRET, OTHER]), Ok(())),
            ("none", secrets(OTHER, &["whsec_abcdefghij"]), Err(SignatureError::Wrong)),
        ];
        for (name, secrets, expected) in cases {
            let header = sign("1800000000000", "body");
            assert_eq!(verify(&secrets, &header, b"body", now), expected, "{name}");
        }
    }

    #[test]
    fn a_time_in_seconds_is_told_from_one_in_milliseconds() {
        let now = Duration::from_secs(1_800_000_000);
        for (time, expected) in [
            ("1800000000", Ok(())),
            ("1800000181", Err(SignatureError::Stale)),
            ("1799999819999", Err(SignatureError::Stale)),
        ] {
            let header = sign(time, "body");
            assert_eq!(verify(&secrets(SECRET, &[]), &header, b"body", now), expected, "{time}");
        }
    }

    #[test]
    fn a_time_beyond_every_clock_is_stale_or_malformed_but_no_panic() {
        for time in ["99999999999999999999999", "18446744073709551615", ""] {
            let verdict =
                verify(&secrets(SECRET, &[]), &sign(time, "body"), b"body", Duration::ZERO);
            assert!(verdict.is_err(), "{time}");
        }
    }

    const MS: Duration = Duration::from_millis(1);
}
