//! Watches a whole run of the tests for secrets, if `AUTHKIT_WATCH` names a file for the report. `cargo xtask deep secrets`
//! reads it.
//!
//! What the tests log at TRACE, the labels of their metrics, their panics, the answers that browsers receive, and the
//! commands that Redis receives are searched as they come. Few of these texts are known beforehand, so that the search is
//! for what looks like a secret: see [`Suspicion`].

use std::{
    env, fs,
    io::{self, Write as _},
    panic,
    path::PathBuf,
    sync::{
        LazyLock, Once,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use http::{HeaderMap, header};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tracing::Level;
use tracing_subscriber::fmt::{MakeWriter, format::FmtSpan};

use crate::{
    harness::PASSWORD,
    search::{Search, percent_decoded},
};

/// Where a text was found, in the words of the report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Place {
    /// A line of the log, or an event of a span.
    Log,
    /// The labels of a metric.
    Metric,
    /// The text of a panic.
    Panic,
    /// A header field or the body of an answer.
    Answer,
    /// A command that Redis received.
    Redis,
}

impl Place {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Log, Self::Metric, Self::Panic, Self::Answer, Self::Redis];

    /// The word in the report.
    pub fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Metric => "metric",
            Self::Panic => "panic",
            Self::Answer => "answer",
            Self::Redis => "redis",
        }
    }

    fn searched(self) -> &'static AtomicU64 {
        static SEARCHED: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];
        &SEARCHED[self as usize]
    }
}

/// Whether a report is wanted.
pub(crate) fn is_wanted() -> bool {
    REPORT.is_some()
}

/// Begins to watch, if that is wanted.
pub fn begin() {
    static BEGUN: Once = Once::new();
    if is_wanted() {
        BEGUN.call_once(|| {
            let subscriber = tracing_subscriber::fmt()
                .with_max_level(Level::TRACE)
                .with_span_events(FmtSpan::FULL)
                .with_ansi(false)
                .with_writer(Page)
                .finish();
            // A process that logs by itself, or counts, is not watched in that.
            let _ = tracing::subscriber::set_global_default(subscriber);
            let _ = metrics::set_global_recorder(Labels);
            let others = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                watch(Place::Panic, panic.to_string().as_bytes());
                others(panic);
            }));
            plant();
        });
    }
}

/// Puts the cookie password where it must not be, so that whoever reads the report sees that the search finds it.
fn plant() {
    let planted = format!("planted: {PASSWORD}");
    tracing::trace!("{planted}");
    metrics::counter!("planted", "secret" => planted.clone()).absolute(1);
    watch_answer(&HeaderMap::new(), Some(planted.as_bytes()));
}

/// Searches a text, if that is wanted.
pub fn watch(place: Place, text: &[u8]) {
    let Some(report) = &*REPORT else { return };
    if let Some(suspicion) = Suspicion::of(place, text) {
        append(report, &format!("found {} {suspicion:?} {}", place.word(), text.escape_ascii()));
    }
    // The tests end in many threads, so that the count is told as it grows.
    let searched = place.searched().fetch_add(1, Ordering::Relaxed) + 1;
    if searched.is_multiple_of(A_FEW) {
        append(report, &format!("searched {} {A_FEW}", place.word()));
    }
}

/// Searches a line of the log, if that is wanted. The client that steers browsers for the tests logs what they show.
pub(crate) fn watch_line(line: &[u8]) {
    let of_browsers = b"thirtyfour::";
    if !line.windows(of_browsers.len()).any(|part| part == of_browsers) {
        watch(Place::Log, line);
    }
}

/// Searches an answer of a service, if that is wanted. The bodies of answers in the 200s are the applications' own.
pub(crate) fn watch_answer(headers: &HeaderMap, body: Option<&[u8]>) {
    if !is_wanted() {
        return;
    }
    for (name, value) in headers {
        // Sealed values go to their owner in the first, and to WorkOS in the second; the third has the hash of a style.
        let has_its_own = [header::SET_COOKIE, header::LOCATION, header::CONTENT_SECURITY_POLICY];
        if !has_its_own.contains(name) {
            let field = [name.as_str().as_bytes(), b": ", value.as_bytes()].concat();
            watch(Place::Answer, &field);
        }
    }
    if let Some(body) = body {
        watch(Place::Answer, body);
    }
}

/// Searches every command that a Redis server receives from now on, if that is wanted.
pub(crate) fn watch_redis(port: u16, options: &[String]) {
    if !is_wanted() {
        return;
    }
    let password = options.iter().skip_while(|option| *option != "--requirepass").nth(1);
    let log_in = password.map_or(String::new(), |password| format!("AUTH {password}\r\n"));
    thread::spawn(move || -> io::Result<()> {
        let mut server = std::net::TcpStream::connect(("127.0.0.1", port))?;
        server.write_all(format!("{log_in}MONITOR\r\n").as_bytes())?;
        for line in io::BufRead::split(io::BufReader::new(server), b'\n') {
            watch(Place::Redis, &line?);
        }
        Ok(())
    });
}

/// Why a text may hold a secret.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Suspicion {
    /// It holds a word that all secrets of a kind hold, or that is one.
    Known(&'static str),
    /// It holds a run of characters that a random number, or something encrypted, is written in.
    Random(String),
}

impl Suspicion {
    /// The suspicion against a text. Redis may hold what is encrypted and hashed.
    pub fn of(place: Place, text: &[u8]) -> Option<Self> {
        if let Some((kind, _)) = KNOWN.within(text).first() {
            return Some(Self::Known(kind));
        }
        match place {
            Place::Log | Place::Metric | Place::Panic | Place::Answer => {
                let text = percent_decoded(text);
                let text = String::from_utf8_lossy(&text);
                let run = text.split(|c: char| !is_of_run(c)).find(|run| is_random(run))?;
                Some(Self::Random(run.to_owned()))
            }
            Place::Redis => None,
        }
    }
}

fn is_of_run(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '_')
}

/// Refresh tokens and verifiers have 43 characters; hashes, tokens, sealed values and API keys have more. A code is a ULID,
/// as an id is behind its prefix.
fn is_random(run: &str) -> bool {
    let count = |of: fn(&u8) -> bool| run.bytes().filter(of).count();
    let is_mixed = count(u8::is_ascii_uppercase) >= 3
        && count(u8::is_ascii_lowercase) >= 3
        && count(u8::is_ascii_digit) >= 1;
    let is_hex = run.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_ulid = run.len() == 26
        && run.starts_with('0')
        && run.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    is_ulid || run.len() >= 40 && (is_mixed || is_hex)
}

/// The file of the report, if there is to be one.
static REPORT: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| env::var_os("AUTHKIT_WATCH").map(PathBuf::from));

/// What every token is begun with, what is the same in all tests, and the addresses of the emulator's users.
static KNOWN: LazyLock<Search> = LazyLock::new(|| {
    let known = [
        ("eyJhbGciOiJSUzI1NiIs", "token"),
        (PASSWORD, "cookie password"),
        ("alice@acme.test", "email"),
        ("bob@acme.test", "email"),
        ("carol@example.test", "email"),
        ("dave@acme.test", "email"),
        ("support@acme.test", "email"),
    ];
    Search::new(known.map(|(word, kind)| (word.as_bytes(), kind)))
});

fn append(report: &PathBuf, line: &str) {
    let file = fs::File::options().create(true).append(true).open(report);
    let written = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    written.expect("the report can be written");
}

/// A log that is searched and not kept.
#[derive(Clone, Copy, Debug)]
struct Page;

impl io::Write for Page {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        watch_line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Page {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        *self
    }
}

/// A recorder that searches labels and counts nothing.
#[derive(Debug)]
struct Labels;

impl Labels {
    fn search(key: &Key) {
        let labels = key.labels().flat_map(|label| [label.key(), "=", label.value(), " "]);
        let text: String = [key.name(), " "].into_iter().chain(labels).collect();
        watch(Place::Metric, text.as_bytes());
    }
}

impl Recorder for Labels {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Self::search(key);
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Self::search(key);
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Self::search(key);
        Histogram::noop()
    }
}

/// How many searches have one line of the report.
const A_FEW: u64 = 20;

#[cfg(test)]
mod tests {
    use authkit_emulator::Emulator;

    use super::*;
    use crate::search::Encoding;

    #[tokio::test]
    async fn every_secret_of_a_session_is_suspicious_in_every_encoding() {
        let emulator = Emulator::start().await;
        let session = emulator.session("alice@acme.test");
        let machine = emulator.connect().add_machine("Acme Corp", ["reports:write"]);
        let secrets = [
            ("access token", session.access_token().to_owned()),
            ("refresh token", session.refresh_token().to_owned()),
            ("sealed session", session.cookie(PASSWORD)),
            ("code", emulator.authorization_code("alice@acme.test")),
            ("machine's secret", machine.client_secret),
            ("machine's token", emulator.connect().machine_token(&machine.client_id)),
            ("verifier", authkit_session::PkceVerifier::generate().expose().to_owned()),
            ("cookie password", PASSWORD.to_owned()),
            ("email", "alice@acme.test".to_owned()),
        ];
        for (kind, secret) in &secrets {
            for encoding in Encoding::ALL {
                let line = format!("INFO authkit_tower: it is {} today", encoding.write(secret));
                for place in Place::ALL {
                    let suspicion = Suspicion::of(place, line.as_bytes());
                    let is_known = ["access token", "machine's token", "cookie password", "email"];
                    let is_sought = place != Place::Redis || is_known.contains(kind);
                    assert_eq!(suspicion.is_some(), is_sought, "{kind} {encoding:?} {place:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_log_says_is_not_suspicious() {
        for line in [
            "2026-11-28T17:27:40.000001Z  INFO authkit_session::refresh: session refreshed user=1f3a9c0b7d2e4a68",
            "DEBUG hyper_util::client::legacy::connect::http: connecting to 127.0.0.1:43211",
            "user_01JZ0000000000000000000000 and session_01KB5W2ZJ8Q6R4T3V7X9Y1N2M5 are ids",
            "GET /user_management/authorize?redirect_uri=http%3A%2F%2Flocalhost%3A32825%2Fcallback&response_type=code",
            "crates/authkit-session/src/refresh_state/lineage/tests/memory.rs:12:9 is_a_place",
        ] {
            assert_eq!(Suspicion::of(Place::Log, line.as_bytes()), None, "{line}");
        }
    }
}
