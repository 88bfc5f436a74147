use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// An id in WorkOS's format: `prefix_` and a ULID, so that ids of later objects sort later.
pub(crate) fn object_id(prefix: &str, now: SystemTime) -> String {
    format!("{prefix}_{}", ulid(now))
}

/// 48 bits of milliseconds and 80 random bits in Crockford's base 32 (26 characters).
pub(crate) fn ulid(now: SystemTime) -> String {
    const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    let milliseconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let random =
        random_bytes::<10>().iter().fold(0_u128, |value, byte| value << 8 | u128::from(*byte));
    let value = milliseconds << 80 | random;
    (0..26)
        .rev()
        .map(|position| char::from(ALPHABET[(value >> (5 * position) & 31) as usize]))
        .collect()
}

/// A bearer secret of 256 bits, in an alphabet that survives forms, JSON and cookies.
pub(crate) fn secret_token() -> String {
    URL_SAFE_NO_PAD.encode(random_bytes::<32>())
}

pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn later_ids_sort_later() {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let (first, second) =
            (object_id("user", now), object_id("user", now + Duration::from_millis(1)));
        assert!(first < second);
        assert_eq!(first.len(), "user_".len() + 26);
    }

    #[test]
    fn ids_of_one_instant_differ() {
        let now = SystemTime::now();
        assert_ne!(ulid(now), ulid(now));
    }

    #[test]
    fn the_time_is_the_ulid_specifications() {
        // The time part of the example in the ULID specification.
        assert!(
            ulid(UNIX_EPOCH + Duration::from_millis(1_469_918_176_385)).starts_with("01ARYZ6S41")
        );
    }
}
