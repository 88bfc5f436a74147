//! Lets an SDK and our core open the same cookies: unchanged ones, and ones that were changed in many ways.

use std::{collections::BTreeMap, env, fmt};

use authkit_session::{CookiePassword, SealFormat, inspect};
use serde_json::{Value, json};

use super::{
    Peer,
    sharing::{format, key, password},
};
use crate::{Chance, peers::spelling};

/// The numbers of cookies, by who opens them.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Cookies that both open, to the same session.
    pub both: usize,
    /// Cookies that neither opens.
    pub neither: usize,
    /// Cookies that one of the two opens, by the explanation in `docs/proof.md`.
    pub explained: BTreeMap<&'static str, usize>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} opened by both, {} by neither", self.both, self.neither)?;
        for (why, cookies) in &self.explained {
            write!(f, "\n  {cookies:5}  {why}")?;
        }
        Ok(())
    }
}

/// The number of cookies: `AUTHKIT_COOKIES`, or 300.
///
/// # Panics
///
/// If the variable is not a number.
pub fn number() -> usize {
    env::var("AUTHKIT_COOKIES").map_or(300, |number| number.parse().expect("it is a number"))
}

/// Lets the SDK and our core open this many cookies. `PROPTEST_RNG_SEED` chooses other ones.
///
/// # Panics
///
/// If the two disagree about a cookie without an explanation, or one of them opens a value that nobody has sealed.
pub fn compare(peer: Peer, number: usize) -> Tally {
    let mut chance = Chance::new(seed());
    let pool = Pool::new(peer);
    let cookies: Vec<_> = (0..number).map(|_| pool.cookie(&mut chance)).collect();
    let asked: Vec<_> = cookies.iter().map(|it| (it.password, it.value.as_str())).collect();

    let (mut tally, mut unexplained) = (Tally::default(), Vec::new());
    for (cookie, theirs) in cookies.iter().zip(peer.unseal_each(&asked)) {
        let ours = open(cookie);
        for opened in [&theirs, &ours].into_iter().flatten() {
            let token = opened[key(peer, "refresh_token")].as_str();
            assert!(pool.has_sealed(token), "{peer:?}: nobody sealed {opened}: {cookie}");
        }
        match (&theirs, &ours) {
            (Ok(theirs), Ok(ours)) => {
                for member in ["access_token", "refresh_token"].map(|name| key(peer, name)) {
                    assert_eq!(theirs[&member], ours[&member], "{peer:?}: {cookie}");
                }
                assert_eq!(theirs["user"]["id"], ours["user"]["id"], "{peer:?}: {cookie}");
                tally.both += 1;
            }
            (Err(_), Err(_)) => tally.neither += 1,
            (Ok(_), Err(ours)) => {
                match spelling::read_there(peer, &cookie.original, &cookie.value) {
                    Some(why) => *tally.explained.entry(why).or_default() += 1,
                    None => unexplained.push(format!("only {peer:?}: {ours}: {cookie}")),
                }
            }
            (Err(theirs), Ok(_)) => {
                match spelling::read_here(peer, &cookie.original, &cookie.value) {
                    Some(why) => *tally.explained.entry(why).or_default() += 1,
                    None => unexplained.push(format!("not {peer:?}: {theirs}: {cookie}")),
                }
            }
        }
    }
    let shown = unexplained[..unexplained.len().min(5)].join("\n");
    assert!(unexplained.is_empty(), "{} are not explained:\n{shown}", unexplained.len());
    println!("{peer:?}, {number} cookies: {tally}");
    tally
}

/// Opens this many changed cookies that the SDK sealed when they were recorded, since the SDK itself is not installed. A
/// cookie that opens must be one that was sealed, in another spelling at most, with the payload of the SDK. Returns how many
/// opened.
///
/// # Panics
///
/// If another cookie opens, or with another payload.
pub fn open_recorded(producer: &str, number: usize) -> usize {
    let mut chance = Chance::new(seed());
    let vectors: Vec<Value> =
        serde_json::from_str(include_str!("../../vectors/vectors.json")).expect("it is JSON");
    let is_good = |vector: &&Value| vector["producer"] == producer && vector["class"] == "good";
    let vectors: Vec<_> = vectors.iter().filter(is_good).collect();
    let text = |vector: &Value, name: &str| vector[name].as_str().expect("it is text").to_owned();
    let mut opened = 0;
    for _ in 0..number {
        let (vector, other) = (chance.pick(&vectors), chance.pick(&vectors));
        let (original, other_original) = (text(vector, "sealed"), text(other, "sealed"));
        let (change, made) = chance.pick(CHANGES);
        let value = made(&mut chance, &original, &other_original);
        let is_other = change == "sealed with another password";
        let password = if is_other { OTHER_PASSWORD.to_owned() } else { text(vector, "password") };
        let password = CookiePassword::new(password).expect("it is long enough");
        // A cut at the beginning can leave the other value whole.
        let sealed = [(&original, vector), (&other_original, other)]
            .into_iter()
            .find(|(sealed, _)| !is_other && spelling::is_alike(sealed, &value));
        match inspect::Inspected::open(&value, &[password]) {
            Ok(it) => {
                let Some((_, sealed)) = sealed else {
                    panic!("{producer}: {change}: {value:?} of {original:?} opens")
                };
                let payload: Value = serde_json::from_slice(it.plaintext()).expect("it is JSON");
                assert_eq!(payload, sealed["expect"]["payload"], "{producer}: {change}: {value:?}");
                opened += 1;
            }
            Err(error) => {
                assert!(value != original || is_other, "{producer}: {original:?}: {error}");
            }
        }
    }
    println!(
        "{producer}, recorded, {number} cookies: {opened} opened, {} refused",
        number - opened
    );
    opened
}

fn seed() -> u64 {
    env::var("PROPTEST_RNG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED)
}

/// A cookie value, and the sealed value from which it was made.
struct Cookie {
    change: &'static str,
    original: String,
    value: String,
    password: &'static str,
}

impl fmt::Display for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { change, original, value, password: _ } = self;
        write!(f, "{change}: {value:?} of {original:?}")
    }
}

fn open(cookie: &Cookie) -> Result<Value, String> {
    let password = CookiePassword::new(cookie.password).expect("it is long enough");
    let opened = inspect::Inspected::open(&cookie.value, &[password]);
    let opened = opened.map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(opened.plaintext()).expect("a session is JSON"))
}

/// The sealed sessions from which cookies are made: the SDK's, ours in its format, and ours in another SDK's format.
struct Pool {
    peer: Peer,
    sealed: Vec<String>,
    foreign: Vec<String>,
    tokens: Vec<String>,
}

impl Pool {
    fn new(peer: Peer) -> Self {
        let payloads: Vec<_> = (0..SESSIONS).map(|number| payload(peer, number)).collect();
        let theirs = peer.seal_all(password(peer), &payloads).into_iter();
        let mut sealed: Vec<_> = theirs.map(|it| it.expect("a peer seals")).collect();
        let current = CookiePassword::new(password(peer)).expect("it is long enough");
        let ours = |format, payload: &Value| {
            inspect::seal(format, &current, payload.to_string().as_bytes()).expect("it suits")
        };
        sealed.extend(payloads.iter().map(|payload| ours(format(peer), payload)));
        let foreign = payloads.iter().map(|payload| ours(SealFormat::Ruby, payload)).collect();
        let tokens = (0..SESSIONS).map(refresh_token).collect();
        Self { peer, sealed, foreign, tokens }
    }

    fn cookie(&self, chance: &mut Chance) -> Cookie {
        let at = chance.index(self.sealed.len());
        let (original, other) = (&self.sealed[at], &self.sealed[(at + 1) % self.sealed.len()]);
        let (change, made) = chance.pick(CHANGES);
        let mut value = made(chance, original, other);
        let mut password = password(self.peer);
        match change {
            "sealed with another password" => password = other_password(self.peer),
            "sealed by another SDK" => {
                value.clone_from(&self.foreign[chance.index(self.foreign.len())])
            }
            _ => {}
        }
        Cookie { change, original: original.clone(), value, password }
    }

    fn has_sealed(&self, refresh_token: Option<&str>) -> bool {
        refresh_token.is_some_and(|token| self.tokens.iter().any(|known| known == token))
    }
}

/// Sessions of many lengths, with names in any script.
fn payload(peer: Peer, number: usize) -> Value {
    let names = ["A", "Ångström", "名前", "\"quoted\" \\ and\u{7f}\u{1f600}", ""];
    let mut payload = json!({
        "user": {
            "object": "user",
            "id": format!("user_{number}"),
            "email": "a@example.com",
        },
    });
    payload["user"][key(peer, "first_name")] = json!(names[number % names.len()].repeat(number));
    payload["user"][key(peer, "email_verified")] = json!(true);
    payload["user"][key(peer, "created_at")] = json!("2026-11-23T10:00:00.000Z");
    payload["user"][key(peer, "updated_at")] = json!("2026-11-23T10:00:00.000Z");
    // The Node SDK takes the answer of the API, and changes the spelling of its keys.
    let spelt = |name: &str| if peer == Peer::Node { name.to_owned() } else { key(peer, name) };
    for name in [spelt("access_token"), key(peer, "access_token")] {
        payload[name] = json!("e30.e30.");
    }
    for name in [spelt("refresh_token"), key(peer, "refresh_token")] {
        payload[name] = json!(refresh_token(number));
    }
    payload
}

fn refresh_token(number: usize) -> String {
    format!("refresh_{number}")
}

fn other_password(peer: Peer) -> &'static str {
    match format(peer) {
        SealFormat::Rust => "7c1f0d5c2e9a48737f60b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f506",
        _ => OTHER_PASSWORD,
    }
}

const OTHER_PASSWORD: &str = "y4q1f9a0dH3dqv0m8s3QJb8w2mT5y7kR1c6n9pL0zUE=";

/// Changes a sealed value. The third argument is the sealed value of another session.
type Change = fn(&mut Chance, &str, &str) -> String;

const CHANGES: &[(&str, Change)] = &[
    ("nothing", |_, value, _| value.to_owned()),
    ("sealed with another password", |_, value, _| value.to_owned()),
    ("sealed by another SDK", |_, value, _| value.to_owned()),
    ("one byte is another", |chance, value, _| {
        let byte = char::from(b' ' + chance.below(95) as u8);
        with_char(value, chance.index(value.len()), byte)
    }),
    ("one byte is another of base64", |chance, value, _| {
        let byte = chance.pick(BASE64);
        with_char(value, chance.index(value.len()), char::from(byte))
    }),
    ("one bit is another", |chance, value, _| {
        let at = chance.index(value.len());
        let byte = value.as_bytes()[at] ^ (1 << chance.below(7));
        with_char(value, at, char::from(byte))
    }),
    ("the last character that counts is another", |chance, value, _| {
        let end = value.trim_end_matches("~2").trim_end_matches('=').len();
        with_char(value, end - 1, char::from(chance.pick(BASE64)))
    }),
    ("cut off at the end", |chance, value, _| {
        let length = if chance.below(2) == 0 { 8 } else { value.len() };
        value[..value.len() - 1 - chance.index(length)].to_owned()
    }),
    ("cut off at the beginning", |chance, value, _| {
        let length = if chance.below(2) == 0 { 8 } else { value.len() };
        value[1 + chance.index(length)..].to_owned()
    }),
    ("a part is missing", |chance, value, _| {
        let start = chance.index(value.len());
        let end = start + chance.index(value.len() - start).min(16);
        value[..start].to_owned() + &value[end..]
    }),
    ("two parts have changed places", |chance, value, _| {
        let mut parts = parts(value);
        let (one, two) = (chance.index(parts.len()), chance.index(parts.len()));
        parts.swap(one, two);
        parts.concat()
    }),
    ("a part is another session's", |chance, value, other| {
        let (mut parts, theirs) = (parts(value), parts(other));
        let at = chance.index(parts.len().min(theirs.len()));
        parts[at].clone_from(&theirs[at]);
        parts.concat()
    }),
    ("half of it is another session's", |chance, value, other| {
        let at = chance.index(value.len().min(other.len()));
        value[..at].to_owned() + &other[at..]
    }),
    ("the URL-safe alphabet", |_, value, _| value.replace('+', "-").replace('/', "_")),
    ("the standard alphabet", |_, value, _| value.replace('-', "+").replace('_', "/")),
    ("more padding", |chance, value, _| value.to_owned() + &"====="[chance.index(4)..]),
    ("no padding", |_, value, _| value.trim_end_matches('=').to_owned()),
    ("padding in another place", |chance, value, _| with(value, chance.index(value.len()), "=")),
    ("something at the end", |chance, value, _| value.to_owned() + chance.pick(GARBAGE)),
    ("something in front", |chance, value, _| chance.pick(GARBAGE).to_owned() + value),
    ("something inside", |chance, value, _| {
        with(value, chance.index(value.len()), chance.pick(GARBAGE))
    }),
    ("a line ends after 60 characters", |_, value, _| {
        let lines = value.as_bytes().chunks(60).map(String::from_utf8_lossy);
        lines.collect::<Vec<_>>().join("\n")
    }),
    ("percent-encoded", |_, value, _| {
        let escaped = value.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
        escaped.replace('*', "%2A").replace('~', "%7E")
    }),
    ("spaces for plus", |_, value, _| value.replace('+', " ")),
    ("quoted", |_, value, _| format!("\"{value}\"")),
    ("in capitals", |_, value, _| value.to_uppercase()),
    ("twice", |_, value, _| value.repeat(2)),
    ("another version", |chance, value, _| {
        let versions = ["Fe26.1*", "Fe26.2**", "fe26.2*", "Fe26.2*2*", "Fe26.2*x*"];
        match value.strip_prefix("Fe26.2*1*") {
            Some(rest) => format!("{}{rest}", chance.pick(&versions)),
            None => with_char(value, chance.index(2), char::from(chance.pick(BASE64))),
        }
    }),
    ("another suffix", |chance, value, _| {
        let suffixes =
            ["", "~", "~1", "~3", "~9", "~02", "~2.5", "~+2", "~ 2", "~2x", "~two", "~2~2"];
        value.trim_end_matches("~2").to_owned() + chance.pick(&suffixes)
    }),
    ("it ends of itself", |chance, value, _| {
        let times = ["*1795392000000*", "*9999999999999*", "*0*", "*x*", "*-1*"];
        value.replacen("**", chance.pick(&times), 1)
    }),
    ("nothing is left", |_, _, _| String::new()),
];

const GARBAGE: &[&str] = &[
    "A", "AA", "AAA", "AAAA", "=", "==", "~", "~2", "~1", "*", "**", " ", "\n", "\r\n", "\t", "\0",
    "%", "%3D", "%0A", ";", ",", "\"", "'", "!", ".", "-", "_", "+", "/", "\u{e9}", "\u{2028}",
];

const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=";

/// The parts of an iron seal, each with its `*`; for other formats, pieces of whole bytes.
fn parts(value: &str) -> Vec<String> {
    if value.contains('*') {
        return value.split_inclusive('*').map(str::to_owned).collect();
    }
    let pieces = value.as_bytes().chunks(16).map(String::from_utf8_lossy);
    pieces.map(Into::into).collect()
}

fn with_char(value: &str, at: usize, character: char) -> String {
    format!("{}{character}{}", &value[..at], &value[at + 1..])
}

fn with(value: &str, at: usize, inside: &str) -> String {
    format!("{}{inside}{}", &value[..at], &value[at..])
}

const SESSIONS: usize = 24;
const SEED: u64 = 20_270_128;
