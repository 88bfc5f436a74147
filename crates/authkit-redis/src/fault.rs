//! The faults of Redis, and what they mean.
//!
//! 1. No answer, a broken connection or an answer that is not Redis's: Redis is unavailable.
//! 2. An error reply that says the server cannot serve now (a failover, no memory, loading): Redis is unavailable.
//! 3. Every other error reply concerns the command: Redis is available, and refuses that command.
//! 4. An error reply may repeat the request. Only its words before the first quotation mark are logged.

use std::{borrow::Cow, fmt, io};

use redis::{ErrorKind, Pipeline, RedisError, ServerError};

/// Why there is no connection.
#[derive(Debug)]
pub(crate) enum ConnectionFault {
    /// Redis cannot be reached.
    Unreachable(io::Error),
    /// The application gave no credentials.
    NoCredentials(String),
    /// Redis refuses the connection, or cannot serve now.
    Refused(ErrorReply),
    /// No answer in time.
    Silent,
    Closed,
    /// The answer is not one that Redis gives.
    Garbled(String),
    /// The sentinels know of no server that serves.
    NoServer,
}

/// Why commands failed, or may have failed.
#[derive(Debug)]
pub(crate) enum CommandFailure {
    /// Redis is unavailable; the connection has logged it.
    Gone,
    /// Redis refuses a command.
    Refused(ErrorReply),
    /// Redis refused such a command a moment ago.
    SwitchedOff,
}

/// An error reply, without the text that it repeats.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ErrorReply {
    /// The refused command, as far as known.
    pub(crate) command: String,
    /// The reply's first word.
    pub(crate) code: String,
    text: String,
}

/// What an error concerns.
pub(crate) enum About {
    Connection(ConnectionFault),
    Command(ErrorReply),
}

impl About {
    /// Tells what came of running `commands`.
    pub(crate) fn error(error: RedisError, commands: &Pipeline) -> Self {
        let fault = ConnectionFault::of(error, |index| {
            let name = commands.cmd_iter().nth(index).and_then(|command| {
                let redis::Arg::Simple(name) = command.args_iter().next()? else { return None };
                Some(String::from_utf8_lossy(name).into_owned())
            });
            name.unwrap_or_default()
        });
        match fault {
            ConnectionFault::Refused(reply) if !reply.is_about_the_server() => Self::Command(reply),
            fault => Self::Connection(fault),
        }
    }
}

impl ConnectionFault {
    /// Classifies the result of a command that makes or keeps a connection.
    pub(crate) fn of_command(error: RedisError, command: &str) -> Self {
        Self::of(error, |_| command.to_owned())
    }

    fn of(error: RedisError, command: impl FnOnce(usize) -> String) -> Self {
        let text = printable(&error.to_string());
        if error.is_timeout() {
            return Self::Silent;
        }
        if error.is_connection_dropped() {
            return Self::Closed;
        }
        if error.is_io_error() {
            return Self::Unreachable(io::Error::other(text));
        }
        let kind = error.kind();
        if let Some((index, error)) =
            error.into_server_errors().as_deref().and_then(|all| all.first())
        {
            return Self::Refused(ErrorReply::new(command(*index), error));
        }
        match kind {
            // `redis` reports some refusals in its own words, without the reply.
            ErrorKind::Server(_)
            | ErrorKind::AuthenticationFailed
            | ErrorKind::RESP3NotSupported => {
                Self::Refused(ErrorReply { command: command(0), code: "ERR".into(), text })
            }
            _ => Self::Garbled(text),
        }
    }

    /// The kind of the fault for the log: a new kind is logged at once.
    pub(crate) fn kind(&self) -> Cow<'_, str> {
        match self {
            // A server that stops closes its connections and refuses new ones: both are one kind.
            Self::Closed => GONE.into(),
            Self::Unreachable(error) => match error.kind() {
                io::ErrorKind::ConnectionRefused
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => GONE.into(),
                kind => kind.to_string().into(),
            },
            Self::NoCredentials(_) => "no credentials".into(),
            Self::Refused(reply) => Cow::Borrowed(&reply.code),
            Self::Silent => "silent".into(),
            Self::Garbled(_) => "garbled".into(),
            Self::NoServer => "no server".into(),
        }
    }
}

impl ErrorReply {
    fn new(command: String, error: &ServerError) -> Self {
        let text = error.details().map(printable).unwrap_or_default();
        Self { command, code: printable(error.code()), text }
    }

    #[cfg(test)]
    pub(crate) fn moved(text: &str) -> Self {
        Self { command: "SET".into(), code: "MOVED".into(), text: text.into() }
    }

    /// Whether the server cannot serve any command now.
    fn is_about_the_server(&self) -> bool {
        ABOUT_THE_SERVER.contains(&self.code.as_str())
    }

    /// Whether a cluster node does not have the slot, or is handing it over.
    pub(crate) fn is_about_the_slot(&self) -> bool {
        ABOUT_THE_SLOT.contains(&self.code.as_str())
    }

    /// Whether the fault may pass in a moment: a server is starting, or another one takes over.
    pub(crate) fn is_transient(&self) -> bool {
        TRANSIENT.contains(&self.code.as_str()) || self.is_about_the_slot()
    }

    /// The host, which may be empty, and the port of the node that has the slot.
    pub(crate) fn owner_of_slot(&self) -> Option<(&str, u16)> {
        let (host, port) = self.text.split_once(' ')?.1.rsplit_once(':')?;
        (self.code == "MOVED").then_some((host, port.parse().ok()?))
    }

    /// Advice for the operator about such a reply.
    pub(crate) fn hint(&self) -> Option<&'static str> {
        match self.code.as_str() {
            "MOVED" | "ASK" | "CROSSSLOT" => Some(
                "this is one node of a cluster, which serves a part of the keys: write redis+cluster://",
            ),
            "NOPERM" => {
                Some("the documentation of authkit-redis lists the commands, keys and channels")
            }
            "WRONGTYPE" => Some("something else has written to this key"),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(error) => error.fmt(f),
            Self::NoCredentials(error) => write!(f, "no credentials: {error}"),
            Self::Refused(reply) => reply.fmt(f),
            Self::Silent => f.write_str("no answer in time"),
            Self::Closed => f.write_str("the connection was closed"),
            Self::Garbled(text) => write!(f, "not an answer of Redis: {text}"),
            Self::NoServer => f.write_str("the sentinels know no service of this name"),
        }
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.text)
    }
}

/// The start of a text from outside, without quoted parts.
fn printable(text: &str) -> String {
    let words = text.split(['\'', '"', '`']).next().unwrap_or_default();
    let printable = words.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(160);
    printable.collect::<String>().trim_end().to_owned()
}

const GONE: &str = "gone";
const ABOUT_THE_SERVER: &[&str] = &[
    "READONLY",
    "LOADING",
    "OOM",
    "MISCONF",
    "MASTERDOWN",
    "NOREPLICAS",
    "CLUSTERDOWN",
    "BUSY",
    // Another password is needed: the next connection asks the provider for it.
    "NOAUTH",
    "WRONGPASS",
];

const ABOUT_THE_SLOT: &[&str] = &["MOVED", "ASK", "TRYAGAIN"];
const TRANSIENT: &[&str] = &["READONLY", "LOADING", "MASTERDOWN", "CLUSTERDOWN"];

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;

    fn about(reply: &str) -> About {
        let mut commands = redis::pipe();
        commands.cmd("GET").arg("key").cmd("ZADD").arg("key").arg("secret");
        let error = redis::parse_redis_value(format!("-{reply}\r\n").as_bytes()).unwrap();
        let Value::ServerError(error) = error else { panic!("{error:?}") };
        About::error(error.into(), &commands)
    }

    #[test]
    fn f2_a_reply_is_about_the_server_or_about_the_command() {
        let cases = [
            ("READONLY You can't write against a read only replica.", true),
            ("LOADING Redis is loading the dataset in memory", true),
            ("OOM command not allowed when used memory > 'maxmemory'.", true),
            ("MISCONF Redis is configured to save RDB snapshots", true),
            ("MASTERDOWN Link with MASTER is down", true),
            ("NOREPLICAS Not enough good replicas to write.", true),
            ("CLUSTERDOWN The cluster is down", true),
            ("BUSY Redis is busy running a script.", true),
            ("NOAUTH Authentication required.", true),
            ("NOPERM this user has no permissions to run the 'zadd' command", false),
            ("MOVED 3999 127.0.0.1:6381", false),
            ("ASK 3999 127.0.0.1:6381", false),
            ("CROSSSLOT Keys in request don't hash to the same slot", false),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", false),
            ("ERR unknown command 'ZADD', with args beginning with: 'key' 'secret'", false),
            ("ANYTHING else", false),
        ];
        for (reply, is_about_the_server) in cases {
            let shown = match about(reply) {
                About::Connection(fault) if is_about_the_server => fault.to_string(),
                About::Command(reply) if !is_about_the_server => {
                    assert_eq!(reply.command, "GET");
                    reply.to_string()
                }
                _ => panic!("{reply}"),
            };
            assert!(shown.starts_with(reply.split(' ').next().unwrap()), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_node_of_a_cluster_names_the_one_that_has_the_slot() {
        let cases = [
            ("MOVED 3999 127.0.0.1:6381", Some(("127.0.0.1", 6_381))),
            ("MOVED 3999 redis-1.internal:6381", Some(("redis-1.internal", 6_381))),
            ("MOVED 3999 ::1:6381", Some(("::1", 6_381))),
            ("MOVED 3999 :6381", Some(("", 6_381))),
            ("ASK 3999 127.0.0.1:6381", None),
            ("MOVED 3999", None),
            ("MOVED 3999 127.0.0.1", None),
            ("MOVED 3999 127.0.0.1:99999", None),
            ("MOVED", None),
        ];
        for (text, expected) in cases {
            let About::Command(reply) = about(text) else { panic!("{text}") };
            assert_eq!(reply.owner_of_slot(), expected, "{text}");
            assert!(reply.is_about_the_slot() && reply.is_transient(), "{text}");
        }
    }

    #[test]
    fn what_a_reply_repeats_and_what_a_terminal_obeys_is_left_out() {
        let cases = [
            ("unknown command 'HELLO', with args beginning with: '3' 'AUTH'", "unknown command"),
            ("unknown command `HELLO`, with args", "unknown command"),
            ("said \"hunter2\"", "said"),
            ("\u{1b}[31mred\nnew line", "[31mrednew line"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text), expected);
        }
        assert_eq!(printable(&"x".repeat(1_000)).len(), 160);
    }
}
