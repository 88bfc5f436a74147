//! Who sent it: an HMAC over the time of sending and the body as it came.
//!
//! ```text
//! WorkOS-Signature: t=<milliseconds since 1970>, v1=<hex( HMAC-SHA256( secret, t · "." · body ))>
//! ```
//!
//! As in the SDKs: `common/crypto/signature-provider.ts` of workos-node, `webhook_verification.go` of workos-go. The
//! emulator of the npm package `workos` writes seconds.

use std::time::Duration;

use authkit_session::Secret;
use aws_lc_rs::{constant_time, hmac};
use http::{HeaderName, HeaderValue};

/// The key that an endpoint's webhooks are signed with.
pub(super) struct SigningKey(hmac::Key);

/// Why a delivery is not taken for WorkOS's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unsigned {
    /// No signature, or not of the form above.
    Malformed,
    /// Another secret, another body, another time.
    Wrong,
    /// Made by WorkOS, but too long ago, or ahead of our clock.
    Stale,
}

impl SigningKey {
    pub(super) fn new(secret: &Secret) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes()))
    }

    /// Checks the signature first, in constant time, then its age at `now`, counted from 1970.
    pub(super) fn verify(
        &self,
        header: Option<&HeaderValue>,
        body: &[u8],
        now: Duration,
    ) -> Result<(), Unsigned> {
        let Signature { time, tag } =
            header.and_then(Signature::parse).ok_or(Unsigned::Malformed)?;
        let mut context = hmac::Context::with_key(&self.0);
        for part in [time.as_bytes(), b".", body] {
            context.update(part);
        }
        constant_time::verify_slices_are_equal(context.sign().as_ref(), &tag)
            .map_err(|_| Unsigned::Wrong)?;
        let made = match time.parse().map_err(|_| Unsigned::Malformed)? {
            seconds @ ..FIRST_MILLIS => Duration::from_secs(seconds),
            millis => Duration::from_millis(millis),
        };
        if made.abs_diff(now) > TOLERANCE {
            return Err(Unsigned::Stale);
        }
        Ok(())
    }
}

struct Signature<'a> {
    /// As it stands, since that is what was signed.
    time: &'a str,
    tag: [u8; 32],
}

impl<'a> Signature<'a> {
    fn parse(header: &'a HeaderValue) -> Option<Self> {
        let (mut time, mut tag) = (None, None);
        for part in header.to_str().ok()?.split(',') {
            let (name, value) = part.trim().split_once('=')?;
            let known = match name {
                "t" => &mut time,
                "v1" => &mut tag,
                // Another scheme, beside the one that we know.
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

pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("workos-signature");
/// The least number that counts milliseconds: some day in 1973, which in seconds would be one in 5138.
const FIRST_MILLIS: u64 = 100_000_000_000;
/// As the SDKs have it.
const TOLERANCE: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf '%s' '1800000000000.{"event":"x"}' | openssl dgst -sha256 -hmac whsec_1`
    const TAG: &str = "e3a13add4560f15ca76e9d00e41d619022e4ce82869554bd445f41050f886b86";

    /// Name, header, body, time, verdict.
    type Case<'a> = (&'a str, &'a str, &'a [u8], Duration, Result<(), Unsigned>);

    #[test]
    fn only_what_workos_signed_of_late_is_taken() {
        let good = format!("t=1800000000000, v1={TAG}");
        let now = Duration::from_secs(1_800_000_000);
        let body = br#"{"event":"x"}"#;
        let cases: [Case<'_>; 18] = [
            ("as it was sent", &good, body, now, Ok(())),
            ("no space", &good.replace(' ', ""), body, now, Ok(())),
            ("capitals", &good.replace(TAG, &TAG.to_uppercase()), body, now, Ok(())),
            ("the other way round", &format!("v1={TAG},t=1800000000000"), body, now, Ok(())),
            ("another scheme beside it", &format!("{good}, v2=00"), body, now, Ok(())),
            ("as late as it may be", &good, body, now + TOLERANCE, Ok(())),
            ("late", &good, body, now + TOLERANCE + MS, Err(Unsigned::Stale)),
            ("as early as it may be", &good, body, now - TOLERANCE, Ok(())),
            ("early", &good, body, now - TOLERANCE - MS, Err(Unsigned::Stale)),
            ("another body", &good, b"{}", now, Err(Unsigned::Wrong)),
            ("another time", &good.replace("t=1", "t=2"), body, now, Err(Unsigned::Wrong)),
            ("another tag", &good.replace(&TAG[..2], "00"), body, now, Err(Unsigned::Wrong)),
            ("a short tag", &good[..good.len() - 2], body, now, Err(Unsigned::Malformed)),
            ("no tag", "t=1800000000000", body, now, Err(Unsigned::Malformed)),
            ("no time", &format!("v1={TAG}"), body, now, Err(Unsigned::Malformed)),
            ("two tags", &format!("{good}, v1={TAG}"), body, now, Err(Unsigned::Malformed)),
            ("a time of letters", &good.replace("t=1", "t=x"), body, now, Err(Unsigned::Malformed)),
            ("nothing", "", body, now, Err(Unsigned::Malformed)),
        ];
        let key = SigningKey::new(&Secret::new("whsec_1"));
        for (name, header, body, now, expected) in cases {
            let header = HeaderValue::from_str(header).unwrap();
            assert_eq!(key.verify(Some(&header), body, now), expected, "{name}");
        }
        assert_eq!(key.verify(None, body, now), Err(Unsigned::Malformed), "no header");
        let other = SigningKey::new(&Secret::new("whsec_2"));
        let header = HeaderValue::from_str(&good).unwrap();
        assert_eq!(other.verify(Some(&header), body, now), Err(Unsigned::Wrong), "another secret");
    }

    #[test]
    fn a_time_in_seconds_is_told_from_one_in_milliseconds() {
        let key = SigningKey::new(&Secret::new("whsec_1"));
        let now = Duration::from_secs(1_800_000_000);
        for (time, expected) in [
            ("1800000000", Ok(())),
            ("1800000181", Err(Unsigned::Stale)),
            ("1799999819999", Err(Unsigned::Stale)),
        ] {
            let tag = hmac::sign(&key.0, format!("{time}.body").as_bytes());
            let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let header = HeaderValue::from_str(&format!("t={time},v1={tag}")).unwrap();
            assert_eq!(key.verify(Some(&header), b"body", now), expected, "{time}");
        }
    }

    #[test]
    fn a_time_beyond_every_clock_is_stale_or_malformed_but_no_panic() {
        let key = SigningKey::new(&Secret::new("whsec_1"));
        for time in ["99999999999999999999999", "18446744073709551615", ""] {
            let tag = hmac::sign(&key.0, format!("{time}.body").as_bytes());
            let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let header = HeaderValue::from_str(&format!("t={time}, v1={tag}")).unwrap();
            assert!(key.verify(Some(&header), b"body", Duration::ZERO).is_err(), "{time}");
        }
    }

    const MS: Duration = Duration::from_millis(1);
}
