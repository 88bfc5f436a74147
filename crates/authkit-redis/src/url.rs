//! Reads the URL of a Redis strictly: refuses what it does not understand, with the reason.
//!
//! 1. One URL, without quotes and blanks: of one server, of sentinels and the service that they watch, or of nodes of a
//!    cluster.
//! 2. Any part of a URL that this crate would ignore is refused: fragments, unknown queries, a user without a password.
//! 3. Characters of a user or password that end a URL's authority have to be percent-encoded, and the reason says how.

use authkit_session::Secret;
use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    address::{RedisAddress, RedisTransport},
    credentials::RedisCredentials,
    url_problem::RedisUrlProblem,
};

/// The address of a Redis, and the credentials.
#[derive(Clone, Debug)]
pub(crate) struct RedisUrl {
    pub(crate) deployment: RedisDeployment,
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "without TLS it is known"))]
    pub(crate) transport: RedisTransport,
    pub(crate) database: u32,
    pub(crate) credentials: Option<RedisCredentials>,
}

/// The servers of a Redis.
#[derive(Clone, Debug)]
pub(crate) enum RedisDeployment {
    Server(RedisAddress),
    /// The sentinels that know which server serves.
    Sentinel(Sentinels),
    /// Some nodes of a cluster; each knows the others.
    Cluster(Vec<RedisAddress>),
}

/// The sentinels of a service, and their credentials.
#[derive(Clone, Debug)]
pub(crate) struct Sentinels {
    pub(crate) addresses: Vec<RedisAddress>,
    /// The name of the service at the sentinels.
    pub(crate) service: Box<str>,
    pub(crate) credentials: Option<RedisCredentials>,
}

impl RedisUrl {
    pub(crate) fn parse(text: &str) -> Result<Self, RedisUrlProblem> {
        match scheme(text)? {
            UrlScheme::Server(transport) => {
                let (hosts, url) = parts(text, NumberOfHosts::One)?;
                let mut query = Query::default();
                query.read(&url, &["protocol"])?;
                let server = RedisAddress::parse(hosts, transport, REDIS_PORT)?;
                let database = number(path(&url))?;
                Self::new(RedisDeployment::Server(server), transport, database, &url)
            }
            UrlScheme::Sentinel(transport) => {
                let (hosts, url) = parts(text, NumberOfHosts::Several)?;
                let mut query = Query::default();
                query.read(&url, &["protocol", "sentinel_user", "sentinel_pass"])?;
                let (service, database) = path(&url).split_once('/').unwrap_or((path(&url), ""));
                let sentinels = Sentinels {
                    addresses: addresses(hosts, transport, SENTINEL_PORT)?,
                    service: decoded(service)?.into(),
                    credentials: credentials(query.user, query.password)?,
                };
                if sentinels.service.is_empty() {
                    return Err(RedisUrlProblem::Service);
                }
                let database = number(database)?;
                Self::new(RedisDeployment::Sentinel(sentinels), transport, database, &url)
            }
            UrlScheme::Cluster(transport) => {
                let (hosts, url) = parts(text, NumberOfHosts::Several)?;
                let mut query = Query::default();
                query.read(&url, &["protocol"])?;
                let nodes = addresses(hosts, transport, REDIS_PORT)?;
                if number(path(&url))? != 0 {
                    return Err(RedisUrlProblem::ClusterDatabase);
                }
                Self::new(RedisDeployment::Cluster(nodes), transport, 0, &url)
            }
            UrlScheme::Socket => Self::of_socket(text),
        }
    }

    fn new(
        deployment: RedisDeployment,
        transport: RedisTransport,
        database: u32,
        url: &Url,
    ) -> Result<Self, RedisUrlProblem> {
        let user = decoded(url.username())?;
        let password = url.password().map(decoded).transpose()?;
        let credentials = credentials((!user.is_empty()).then_some(user), password)?;
        Ok(Self { deployment, transport, database, credentials })
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
        Ok(Self {
            deployment: RedisDeployment::Server(RedisAddress::Socket(path.into())),
            transport: RedisTransport::Plain,
            database: number(query.database.as_deref().unwrap_or_default())?,
            credentials: credentials(query.user, query.password)?,
        })
    }
}

#[derive(Clone, Copy)]
enum UrlScheme {
    Server(RedisTransport),
    Sentinel(RedisTransport),
    Cluster(RedisTransport),
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
    let (_, scheme) = known.ok_or(RedisUrlProblem::Scheme)?;
    match scheme {
        UrlScheme::Server(RedisTransport::Tls)
        | UrlScheme::Sentinel(RedisTransport::Tls)
        | UrlScheme::Cluster(RedisTransport::Tls)
            if !cfg!(feature = "tls") =>
        {
            Err(RedisUrlProblem::NeedsTlsFeature)
        }
        UrlScheme::Socket if !cfg!(unix) => Err(RedisUrlProblem::Scheme),
        scheme => Ok(*scheme),
    }
}

/// Whether another URL starts where this text ends.
fn ends_in_a_scheme(text: &str) -> bool {
    SCHEMES.iter().any(|(scheme, _)| {
        text.strip_suffix(scheme)
            .is_some_and(|before| !before.ends_with(|c: char| c.is_alphanumeric()))
    })
}

const SCHEMES: [(&str, UrlScheme); 15] = [
    ("redis", UrlScheme::Server(RedisTransport::Plain)),
    ("valkey", UrlScheme::Server(RedisTransport::Plain)),
    ("rediss", UrlScheme::Server(RedisTransport::Tls)),
    ("valkeys", UrlScheme::Server(RedisTransport::Tls)),
    ("redis+sentinel", UrlScheme::Sentinel(RedisTransport::Plain)),
    ("valkey+sentinel", UrlScheme::Sentinel(RedisTransport::Plain)),
    ("rediss+sentinel", UrlScheme::Sentinel(RedisTransport::Tls)),
    ("valkeys+sentinel", UrlScheme::Sentinel(RedisTransport::Tls)),
    ("redis+cluster", UrlScheme::Cluster(RedisTransport::Plain)),
    ("valkey+cluster", UrlScheme::Cluster(RedisTransport::Plain)),
    ("rediss+cluster", UrlScheme::Cluster(RedisTransport::Tls)),
    ("valkeys+cluster", UrlScheme::Cluster(RedisTransport::Tls)),
    ("redis+unix", UrlScheme::Socket),
    ("valkey+unix", UrlScheme::Socket),
    ("unix", UrlScheme::Socket),
];

const REDIS_PORT: u16 = 6_379;
const SENTINEL_PORT: u16 = 26_379;

/// How many hosts a URL may have.
#[derive(Clone, Copy, Eq, PartialEq)]
enum NumberOfHosts {
    One,
    Several,
}

/// The hosts of a URL, and the URL as if it had one of a known form.
fn parts(text: &str, number: NumberOfHosts) -> Result<(&str, Url), RedisUrlProblem> {
    let (_, rest) = text.split_once("://").ok_or(RedisUrlProblem::Scheme)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if let (true, Some(culprit)) = (tail.contains('@'), tail.chars().next()) {
        return Err(RedisUrlProblem::Unencoded(culprit));
    }
    let (entry, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    if number == NumberOfHosts::One && hosts.contains(',') {
        return Err(RedisUrlProblem::Several);
    }
    // These characters may separate hosts that each have a password, but all hosts must have the same.
    let culprit = entry.chars().find(|c| ['@', ','].contains(c));
    if let (NumberOfHosts::Several, Some(culprit)) = (number, culprit) {
        return Err(RedisUrlProblem::Unencoded(culprit));
    }
    let url = Url::parse(&format!("redis://{entry}@host{tail}"));
    let url = url.map_err(|_| RedisUrlProblem::Host)?;
    if url.fragment().is_some() {
        return Err(RedisUrlProblem::Fragment);
    }
    Ok((hosts, url))
}

fn addresses(
    hosts: &str,
    transport: RedisTransport,
    default_port: u16,
) -> Result<Vec<RedisAddress>, RedisUrlProblem> {
    hosts.split(',').map(|host| RedisAddress::parse(host, transport, default_port)).collect()
}

/// A path, without the slashes at its ends.
fn path(url: &Url) -> &str {
    let path = url.path();
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

fn credentials(
    user: Option<String>,
    password: Option<String>,
) -> Result<Option<RedisCredentials>, RedisUrlProblem> {
    match (user, password) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(RedisUrlProblem::UserAlone),
        (user, Some(password)) => {
            let password = Secret::from(password);
            Ok(Some(RedisCredentials { user: user.map(Into::into), password }))
        }
    }
}

/// The parameters of a query.
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
                // Forms read `+` as a space, everything else as a plus sign.
                "user" | "pass" | "sentinel_user" | "sentinel_pass" if value.contains('+') => {
                    return Err(RedisUrlProblem::Unencoded('+'));
                }
                "user" | "sentinel_user" => self.user = Some(decoded(value)?),
                "pass" | "sentinel_pass" => self.password = Some(decoded(value)?),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> RedisAddress {
        RedisAddress::Tcp { host: host.into(), port }
    }

    /// The user and the password.
    fn entry(credentials: Option<&RedisCredentials>) -> Option<(Option<&str>, &str)> {
        credentials.map(|credentials| (credentials.user.as_deref(), credentials.password.expose()))
    }

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
            ("redis+sentinel://:hunter2@host:26379", Service),
            ("redis+sentinel://:hunter2@host:26379/", Service),
            ("redis+sentinel://:hunter2@a,b//3", Service),
            ("redis+sentinel://:hunter2@a,,b/main", Host),
            ("redis+sentinel://:hunter2@a,:26379/main", Host),
            ("redis+sentinel://:hunter2@a,b:0/main", Port),
            ("redis+sentinel://:hunter2@a,b:port/main", Port),
            ("redis+sentinel://:hunter2@a,0.0.0.0/main", Unspecified),
            ("redis+sentinel://:hunter2@a/main/one", Database),
            ("redis+sentinel://:hunter2@a/main/0/1", Database),
            ("redis+sentinel://:hunter2@a/m%ff", NotText),
            ("redis+sentinel://a/main?sentinel_user=app", UserAlone),
            ("redis+sentinel://a/main?sentinel_pass=hunter+2", Unencoded('+')),
            ("redis+sentinel://a/main?service=other", Query),
            ("redis+sentinel://a/main?pass=hunter2", Query),
            ("redis+sentinel://:hunter2@a,:hunter2@b/main", Unencoded('@')),
            ("redis+sentinel://:hunter@2@a,b/main", Unencoded('@')),
            ("redis+sentinel://hunter2@a,b/main", UserAlone),
            ("redis+sentinel://:hunter2@a/main#x", Fragment),
            ("redis+sentinel://a/main,redis+sentinel://b/main", Several),
            ("redis+cluster://", Host),
            ("redis+cluster://:hunter2@a,", Host),
            ("redis+cluster://:hunter2@a,b:65536", Port),
            ("redis+cluster://:hunter2@a,b/1", ClusterDatabase),
            ("redis+cluster://:hunter2@a,b/main", Database),
            ("redis+cluster://:hunter2@a,b?sentinel_user=app", Query),
            ("redis+cluster://:hun,ter2@a,b", Unencoded(',')),
            ("redis+cluster://:hunter2@a redis+cluster://b", Several),
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
        let tls = [
            ("rediss://:hunter2@host", None),
            ("valkeys://host", None),
            ("rediss+sentinel://:hunter2@host/main", None),
            ("rediss+cluster://:hunter2@host", None),
            ("rediss://host#insecure", Some(Fragment)),
        ];
        for (text, with_feature) in tls {
            let expected = if cfg!(feature = "tls") { with_feature } else { Some(NeedsTlsFeature) };
            assert_eq!(RedisUrl::parse(text).err(), expected, "{text}");
        }
    }

    #[test]
    fn a_url_is_read() {
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
            assert_eq!(url.database, database, "{text}");
            let RedisDeployment::Server(server) = &url.deployment else { panic!("{text}") };
            assert_eq!(server, &address, "{text}");
            let expected = password.map(|password| (user, password));
            assert_eq!(entry(url.credentials.as_ref()), expected, "{text}");
            assert!(password.is_none_or(|password| !format!("{url:?}").contains(password)));
        }
    }
    #[test]
    fn a_url_of_sentinels_is_read() {
        let cases = [
            ("redis+sentinel://a/main", vec![tcp("a", 26_379)], "main", 0, None, None),
            (
                "valkey+sentinel://app:p%2Cw@a:1,[::1]:2,10.0.0.3/my%20main/3/?protocol=3",
                vec![tcp("a", 1), tcp("::1", 2), tcp("10.0.0.3", 26_379)],
                "my main",
                3,
                Some((Some("app"), "p,w")),
                None,
            ),
            (
                "redis+sentinel://:pw@a,b/main?sentinel_pass=fox%2B",
                vec![tcp("a", 26_379), tcp("b", 26_379)],
                "main",
                0,
                Some((None, "pw")),
                Some((None, "fox+")),
            ),
            (
                "redis+sentinel://a/main/0?sentinel_user=watch&sentinel_pass=fox",
                vec![tcp("a", 26_379)],
                "main",
                0,
                None,
                Some((Some("watch"), "fox")),
            ),
        ];
        for (text, addresses, service, database, user, sentinel_user) in cases {
            let url = RedisUrl::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            let RedisDeployment::Sentinel(sentinels) = &url.deployment else { panic!("{text}") };
            assert_eq!(sentinels.addresses, addresses, "{text}");
            assert_eq!((&*sentinels.service, url.database), (service, database), "{text}");
            assert_eq!(entry(url.credentials.as_ref()), user, "{text}");
            assert_eq!(entry(sentinels.credentials.as_ref()), sentinel_user, "{text}");
            let shown = format!("{url:?}");
            assert!(!shown.contains("pw") && !shown.contains("fox"), "{shown}");
        }
    }

    #[test]
    fn a_url_of_a_cluster_is_read() {
        for (text, nodes, user) in [
            ("redis+cluster://a", vec![tcp("a", 6_379)], None),
            (
                "valkey+cluster://app:pw@a:1,b:2,c/0",
                vec![tcp("a", 1), tcp("b", 2), tcp("c", 6_379)],
                Some((Some("app"), "pw")),
            ),
        ] {
            let url = RedisUrl::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem}"));
            let RedisDeployment::Cluster(named) = &url.deployment else { panic!("{text}") };
            assert_eq!(*named, nodes, "{text}");
            assert_eq!(entry(url.credentials.as_ref()), user, "{text}");
        }
    }
}
