//! The problems of a Redis URL. No text repeats a part of the URL.

use std::{error, fmt};

/// A problem of a Redis URL.
///
/// Never repeats a part of the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RedisUrlProblem {
    /// It is empty.
    Empty,
    /// It is in quotes, which belong to a shell or a settings file.
    Quoted,
    /// It has a space or a line break in it.
    Blank,
    /// It names more than one server, without saying that they are sentinels or cluster nodes.
    Several,
    /// It begins with none of `redis://`, `rediss://`, `redis+sentinel://`, `rediss+sentinel://`, `redis+cluster://`,
    /// `rediss+cluster://`, `redis+unix://` and the same with `valkey` and `valkeys`.
    Scheme,
    /// It asks for TLS, which takes the feature `tls` of this crate.
    NeedsTlsFeature,
    /// The user or password holds this character, which has to be percent-encoded.
    Unencoded(char),
    /// The user or password is percent-encoded, and is not UTF-8 text when decoded.
    NotText,
    /// There is a user without a password.
    UserAlone,
    /// There is no host, or one that cannot exist.
    Host,
    /// The host is an address to listen on, not one to connect to.
    Unspecified,
    /// The port is not a number from 1 to 65535.
    Port,
    /// The database is not a number.
    Database,
    /// A cluster has no other database than 0.
    ClusterDatabase,
    /// It names sentinels, but not the service that they watch.
    Service,
    /// It has a query that this crate does not know.
    Query,
    /// It asks for a protocol older than RESP3.
    Protocol,
    /// It has a fragment (`#...`), which this crate does not use.
    Fragment,
    /// The path of the socket is not absolute.
    SocketPath,
}

impl fmt::Display for RedisUrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the Redis URL is empty",
            Self::Quoted => "the Redis URL stands in quotes: write it without",
            Self::Blank => "the Redis URL holds a blank or a line break; in a password, a blank is written %20",
            Self::Several => {
                "there is more than one Redis URL or host: name one server, or say what they are with redis+sentinel:// or redis+cluster://"
            }
            Self::Scheme => {
                "a Redis URL begins with redis://, redis+sentinel:// or redis+cluster://, with rediss where it is reached by TLS, or with redis+unix:///"
            }
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
            Self::ClusterDatabase => "the Redis URL is of a cluster, which has no other database than 0",
            Self::Service => {
                "the Redis URL names sentinels and not their service: redis+sentinel://host:26379/service"
            }
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
