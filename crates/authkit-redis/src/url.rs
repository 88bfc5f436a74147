//! Reads the URL of a Redis, strictly: what it does not understand it refuses, with the reason.
//!
//! 1. One URL of one server, without quotes and blanks.
//! 2. Whatever a URL could say that this crate ignores is refused: fragments, unknown queries, a user without a password.
//! 3. Characters of a user or password that end a URL's authority have to be percent-encoded, and the reason says how.
//! 4. No reason repeats a part of the URL.

use std::{error, fmt, path::PathBuf};

use authkit_session::Secret;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

/// Where a Redis is, and how to enter.
#[derive(Clone, Debug)]
pub(crate) struct RedisUrl {
    pub(crate) address: RedisAddress,
    pub(crate) database: u32,
    pub(crate) user: Option<Box<str>>,
    pub(crate) password: Option<Secret>,
}

/// Where a Redis is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RedisAddress {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Socket(PathBuf),
}

/// What is wrong with the URL of a Redis.
///
/// Never repeats a part of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RedisUrlProblem {
    /// It is empty.
    Empty,
    /// It stands in quotes, which belong to a shell or a settings file.
    Quoted,
    /// It holds a blank or a line break.
    Blank,
    /// It names more than one server.
    Several,
    /// It begins with none of `redis://`, `rediss://`, `valkey://`, `valkeys://`, `redis+unix://` and `valkey+unix://`.
    Scheme,
    /// It asks for TLS, which takes the feature `tls` of this crate.
    NeedsTlsFeature,
    /// The user or password holds this character, which has to be percent-encoded.
    Unencoded(char),
    /// The user or password is percent-encoded, and is no text then.
    NotText,
    /// There is a user without a password.
    UserAlone,
    /// There is no host, or none that can exist.
    Host,
    /// The host is an address to listen on, none to connect to.
    Unspecified,
    /// The port is no number from 1 to 65535.
    Port,
    /// The database is no number from 0 on.
    Database,
    /// There is a query that means nothing here.
    Query,
    /// It asks for a protocol older than RESP3.
    Protocol,
    /// It ends in `#...`, which means nothing here.
    Fragment,
    /// The path of the socket is not absolute.
    SocketPath,
}

impl RedisUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, RedisUrlProblem> {
        let scheme = scheme(text)?;
        match scheme {
            UrlScheme::Tcp | UrlScheme::Tls => Self::of_server(text, scheme),
            UrlScheme::Socket => Self::of_socket(text),
        }
    }

    fn of_server(text: &str, scheme: UrlScheme) -> Result<Self, RedisUrlProblem> {
        let (_, rest) = text.split_once("://").ok_or(RedisUrlProblem::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if let (true, Some(culprit)) = (tail.contains('@'), tail.chars().next()) {
            return Err(RedisUrlProblem::Unencoded(culprit));
        }
        if authority.rsplit('@').next().is_some_and(|hosts| hosts.contains(',')) {
            return Err(RedisUrlProblem::Several);
        }

        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => RedisUrlProblem::Port,
            _ => RedisUrlProblem::Host,
        })?;
        if url.fragment().is_some() {
            return Err(RedisUrlProblem::Fragment);
        }
        let host = host(&url)?;
        let port = match url.port() {
            Some(0) => return Err(RedisUrlProblem::Port),
            port => port.unwrap_or(6_379),
        };
        let mut query = Query::default();
        query.read(&url, &["protocol"])?;
        let path = url.path();
        let database = path.strip_prefix('/').unwrap_or(path);
        let database = database.strip_suffix('/').unwrap_or(database);
        let user = decoded(url.username())?;
        let password = url.password().map(decoded).transpose()?;
        if !user.is_empty() && password.is_none() {
            return Err(RedisUrlProblem::UserAlone);
        }
        Ok(Self {
            address: match scheme {
                UrlScheme::Tls => RedisAddress::Tls { host, port },
                UrlScheme::Tcp | UrlScheme::Socket => RedisAddress::Tcp { host, port },
            },
            database: number(database)?,
            user: (!user.is_empty()).then(|| user.into()),
            password: password.map(Secret::from),
        })
    }

    fn of_socket(text: &str) -> Result<Self, RedisUrlProblem> {
        let url = Url::parse(text).map_err(|_| RedisUrlProblem::SocketPath)?;
        if url.fragment().is_some() {
            return Err(RedisUrlProblem::Fragment);
        }
        let path = decoded(url.path())?;
        if url.has_host() || !path.starts_with('/') || path.len() < 2 {
            return Err(RedisUrlProblem::SocketPath);
        }
        let mut query = Query::default();
        query.read(&url, &["protocol", "db", "user", "pass"])?;
        if query.user.is_some() && query.password.is_none() {
            return Err(RedisUrlProblem::UserAlone);
        }
        Ok(Self {
            address: RedisAddress::Socket(path.into()),
            database: number(query.database.as_deref().unwrap_or_default())?,
            user: query.user.map(Into::into),
            password: query.password.map(Secret::from),
        })
    }
}

#[derive(Clone, Copy)]
enum UrlScheme {
    Tcp,
    Tls,
    Socket,
}

fn scheme(text: &str) -> Result<UrlScheme, RedisUrlProblem> {
    const QUOTES: [char; 7] = ['"', '\'', '`', '“', '”', '‘', '’'];
    if text.is_empty() {
        return Err(RedisUrlProblem::Empty);
    }
    if text.trim().starts_with(QUOTES) || text.trim().ends_with(QUOTES) {
        return Err(RedisUrlProblem::Quoted);
    }
    let lower = text.to_ascii_lowercase();
    let is_known = |scheme: &&str| lower.contains(&format!("{scheme}://"));
    let count: usize = match SCHEMES.iter().any(|(scheme, _)| is_known(scheme)) {
        true => lower.matches("://").count(),
        false => 0,
    };
    if count > 1 && lower.split("://").nth(1).is_some_and(ends_in_a_scheme) {
        return Err(RedisUrlProblem::Several);
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(RedisUrlProblem::Blank);
    }
    let Some((name, _)) = lower.split_once("://") else { return Err(RedisUrlProblem::Scheme) };
    let known = SCHEMES.iter().find(|(scheme, _)| *scheme == name);
    match known.ok_or(RedisUrlProblem::Scheme)? {
        (_, UrlScheme::Tls) if !cfg!(feature = "tls") => Err(RedisUrlProblem::NeedsTlsFeature),
        (_, UrlScheme::Socket) if !cfg!(unix) => Err(RedisUrlProblem::Scheme),
        (_, scheme) => Ok(*scheme),
    }
}

/// Whether another URL begins where this text ends.
fn ends_in_a_scheme(text: &str) -> bool {
    SCHEMES.iter().any(|(scheme, _)| {
        text.strip_suffix(scheme)
            .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric()))
    })
}

const SCHEMES: [(&str, UrlScheme); 7] = [
    ("redis", UrlScheme::Tcp),
    ("valkey", UrlScheme::Tcp),
    ("rediss", UrlScheme::Tls),
    ("valkeys", UrlScheme::Tls),
    ("redis+unix", UrlScheme::Socket),
    ("valkey+unix", UrlScheme::Socket),
    ("unix", UrlScheme::Socket),
];

fn host(url: &Url) -> Result<String, RedisUrlProblem> {
    let (host, is_unspecified) = match url.host().ok_or(RedisUrlProblem::Host)? {
        Host::Domain(name) => {
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(RedisUrlProblem::Host);
            }
            (name.to_owned(), name == "0.0.0.0")
        }
        Host::Ipv4(address) => (address.to_string(), address.is_unspecified()),
        Host::Ipv6(address) => (address.to_string(), address.is_unspecified()),
    };
    if is_unspecified { Err(RedisUrlProblem::Unspecified) } else { Ok(host) }
}

/// What a query may say.
#[derive(Default)]
struct Query {
    database: Option<String>,
    user: Option<String>,
    password: Option<String>,
}

impl Query {
    fn read(&mut self, url: &Url, known: &[&str]) -> Result<(), RedisUrlProblem> {
        let mut seen = Vec::new();
        for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').ok_or(RedisUrlProblem::Query)?;
            if !known.contains(&name) || seen.contains(&name) {
                return Err(RedisUrlProblem::Query);
            }
            seen.push(name);
            match name {
                "protocol" if !["3", "resp3"].contains(&value) => {
                    return Err(RedisUrlProblem::Protocol);
                }
                "db" => self.database = Some(value.to_owned()),
                // Forms mean a blank by it, everybody else a plus.
                "user" | "pass" if value.contains('+') => {
                    return Err(RedisUrlProblem::Unencoded('+'));
                }
                "user" => self.user = Some(decoded(value)?),
                "pass" => self.password = Some(decoded(value)?),
                _ => {}
            }
        }
        Ok(())
    }
}

fn number(text: &str) -> Result<u32, RedisUrlProblem> {
    match text {
        "" => Ok(0),
        text if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse().map_err(|_| RedisUrlProblem::Database)
        }
        _ => Err(RedisUrlProblem::Database),
    }
}

fn decoded(text: &str) -> Result<String, RedisUrlProblem> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| RedisUrlProblem::NotText)?;
    Ok(decoded.into_owned())
}

impl fmt::Display for RedisUrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the Redis URL is empty",
            Self::Quoted => "the Redis URL stands in quotes: write it without",
            Self::Blank => "the Redis URL holds a blank or a line break; in a password, a blank is written %20",
            Self::Several => "there is more than one Redis URL or host: name one server",
            Self::Scheme => "a Redis URL begins with redis://, rediss:// (TLS) or redis+unix:///",
            Self::NeedsTlsFeature => "a rediss:// URL needs the feature `tls` of authkit-redis",
            Self::Unencoded(character) => {
                let code = u32::from(*character);
                return write!(
                    f,
                    "in the user or password of a Redis URL, `{character}` is written %{code:02X}"
                );
            }
            Self::NotText => "the user or password of the Redis URL is no UTF-8 text once it is percent-decoded",
            Self::UserAlone => {
                "the Redis URL has a user and no password; a password alone is written redis://:password@host"
            }
            Self::Host => "the Redis URL has no host, or one with characters that no host name has",
            Self::Unspecified => "the host of the Redis URL is an address to listen on, none to connect to",
            Self::Port => "the port of the Redis URL is no number from 1 to 65535",
            Self::Database => "the database of the Redis URL is no number from 0 on: redis://host/0",
            Self::Query => {
                "the Redis URL has a query that is not known: timeouts and the like are settings of the builder, and the database is the path"
            }
            Self::Protocol => "the Redis URL asks for an old protocol: authkit-redis needs RESP3",
            Self::Fragment => {
                "the Redis URL ends in #...: certificates are always checked, and in a password `#` is written %23"
            }
            Self::SocketPath => "the path of a Redis socket is absolute: redis+unix:///run/redis.sock",
        })
    }
}

impl error::Error for RedisUrlProblem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f5_a_url_that_cannot_be_meant_is_refused_with_its_reason() {
        use RedisUrlProblem::*;
        let cases = [
            ("", Empty),
            ("\"redis://:hunter2@host\"", Quoted),
            ("'redis://:hunter2@host'", Quoted),
            ("redis://:hunter2@host\"", Quoted),
            ("“redis://:hunter2@host”", Quoted),
            (" redis://:hunter2@host", Blank),
            ("redis://:hunter2@host\n", Blank),
            ("redis://:hunter2 @host", Blank),
            ("redis://:hunter2@a,redis://:hunter2@b", Several),
            ("redis://a:6379 redis://b:6379", Several),
            ("redis://a;rediss://b", Several),
            ("redis://:hunter2@a:6379,b:6379", Several),
            ("redis://a,b,c:6379", Several),
            ("host:6379", Scheme),
            ("127.0.0.1", Scheme),
            ("redis:host", Scheme),
            ("redis", Scheme),
            ("http://:hunter2@host", Scheme),
            ("REDIS_URL=redis://:hunter2@host", Scheme),
            ("redis-sentinel://:hunter2@host", Scheme),
            ("//host", Scheme),
            ("redis://default:1#hunter2@host/0", Unencoded('#')),
            ("redis://default:hunter#2@host/0", Unencoded('#')),
            ("redis://:#hunter2@host", Unencoded('#')),
            ("redis://default:hunter/2@host/0", Unencoded('/')),
            ("redis://default:hunter?2@host/0", Unencoded('?')),
            ("redis://default:hunter?2@host/0?protocol=3", Unencoded('?')),
            ("redis://:hunter%ff2@host", NotText),
            ("redis://hunter2@host", UserAlone),
            ("redis://", Host),
            ("redis:///0", Host),
            ("redis://:hunter2@", Host),
            ("redis://:hunter2@:6379", Host),
            ("redis://:hunter2@$HOST:6379", Host),
            ("redis://:hunter2@${HOST}", Host),
            ("redis://:hunter2@*.example.com", Host),
            ("redis://:hunter2@<host>", Host),
            ("redis://:hunter2@ho%73t", Host),
            ("redis://:hunter2@0.0.0.0", Unspecified),
            ("redis://:hunter2@[::]:6379", Unspecified),
            ("redis://:hunter2@host:0", Port),
            ("redis://:hunter2@host:65536", Port),
            ("redis://:hunter2@host:port", Port),
            ("redis://:hunter2@host/-1", Database),
            ("redis://:hunter2@host/+1", Database),
            ("redis://:hunter2@host/one", Database),
            ("redis://:hunter2@host/1.5", Database),
            ("redis://:hunter2@host/0/1", Database),
            ("redis://:hunter2@host/4294967296", Database),
            ("redis://:hunter2@host?timeout=5", Query),
            ("redis://:hunter2@host/0?timeout=5", Query),
            ("redis://:hunter2@host?db=1", Query),
            ("redis://:hunter2@host?protocol", Query),
            ("redis://:hunter2@host?protocol=3&protocol=3", Query),
            ("redis://:hunter2@host?ssl_cert_reqs=none", Query),
            ("redis://:hunter2@host?protocol=2", Protocol),
            ("redis://:hunter2@host?protocol=resp2", Protocol),
            ("redis://:hunter2@host#insecure", Fragment),
            ("redis://:hunter2@host/0#", Fragment),
            ("redis+unix://run/redis.sock", SocketPath),
            ("redis+unix://", SocketPath),
            ("redis+unix:///", SocketPath),
            ("redis+unix:///run/redis.sock?db=-1", Database),
            ("redis+unix:///run/redis.sock?timeout=5", Query),
            ("redis+unix:///run/redis.sock?user=app", UserAlone),
            ("redis+unix:///run/redis.sock?pass=hunter+2", Unencoded('+')),
            ("redis+unix:///run/redis.sock#x", Fragment),
        ];
        for (text, expected) in cases {
            let problem = RedisUrl::parse(text).err();
            assert_eq!(problem, Some(expected), "{text}");
            let shown = format!("{expected} {expected:?}");
            assert!(!shown.contains("hunter"), "{shown}");
        }
        let tls = ["rediss://:hunter2@host", "valkeys://host", "rediss://host#insecure"];
        for (text, with_feature) in tls.into_iter().zip([None, None, Some(Fragment)]) {
            let expected = if cfg!(feature = "tls") { with_feature } else { Some(NeedsTlsFeature) };
            assert_eq!(RedisUrl::parse(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_url_is_read() {
        let tcp = |host: &str, port| RedisAddress::Tcp { host: host.into(), port };
        let socket = |path: &str| RedisAddress::Socket(path.into());
        let cases = [
            ("redis://127.0.0.1", tcp("127.0.0.1", 6_379), 0, None, None),
            ("redis://127.0.0.1:1/", tcp("127.0.0.1", 1), 0, None, None),
            (
                "REDIS://redis_1.internal-net:6380/15",
                tcp("redis_1.internal-net", 6_380),
                15,
                None,
                None,
            ),
            ("valkey://[::1]:7/3/", tcp("::1", 7), 3, None, None),
            ("redis://:pw@host?protocol=resp3", tcp("host", 6_379), 0, None, Some("pw")),
            (
                "redis://app:p%23w%2F%3f%40:%25+@host",
                tcp("host", 6_379),
                0,
                Some("app"),
                Some("p#w/?@:%+"),
            ),
            ("redis://app:a:b@c@host", tcp("host", 6_379), 0, Some("app"), Some("a:b@c")),
            ("redis://ap%70:50%off@host", tcp("host", 6_379), 0, Some("app"), Some("50%off")),
            ("redis+unix:///run/my%20redis.sock", socket("/run/my redis.sock"), 0, None, None),
            (
                "unix:///run/a@b.sock?db=2&user=app&pass=p%2Bw",
                socket("/run/a@b.sock"),
                2,
                Some("app"),
                Some("p+w"),
            ),
        ];
        for (text, address, database, user, password) in cases {
            let url = RedisUrl::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            assert_eq!((&url.address, url.database), (&address, database), "{text}");
            assert_eq!(url.user.as_deref(), user, "{text}");
            assert_eq!(url.password.as_ref().map(Secret::expose), password, "{text}");
            assert!(password.is_none_or(|password| !format!("{url:?}").contains(password)));
        }
    }
}
