//! The address of one Redis server.

use std::path::PathBuf;

use url::{Host, Url};

use crate::url_problem::RedisUrlProblem;

/// The address of one server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RedisAddress {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Socket(PathBuf),
}

/// The transport of a connection to a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RedisTransport {
    Plain,
    Tls,
}

impl RedisAddress {
    /// Reads `host[:port]`.
    pub(crate) fn parse(
        text: &str,
        transport: RedisTransport,
        default_port: u16,
    ) -> Result<Self, RedisUrlProblem> {
        let url = Url::parse(&format!("redis://{text}")).map_err(|error| match error {
            url::ParseError::InvalidPort => RedisUrlProblem::Port,
            _ => RedisUrlProblem::Host,
        })?;
        let host = host(&url)?;
        match url.port() {
            Some(0) => Err(RedisUrlProblem::Port),
            port => Ok(Self::of(transport, host, port.unwrap_or(default_port))),
        }
    }

    /// Another server of the same deployment, as one of its servers names it; without a host it is on the same host.
    pub(crate) fn neighbour(&self, host: &str, port: u16) -> Option<Self> {
        let (own, transport) = match self {
            Self::Tcp { host, .. } => (host, RedisTransport::Plain),
            Self::Tls { host, .. } => (host, RedisTransport::Tls),
            Self::Socket(_) => return None,
        };
        let host = if host.is_empty() || host == "?" { own } else { host };
        (port > 0).then(|| Self::of(transport, host.to_owned(), port))
    }

    fn of(transport: RedisTransport, host: String, port: u16) -> Self {
        match transport {
            RedisTransport::Plain => Self::Tcp { host, port },
            RedisTransport::Tls => Self::Tls { host, port },
        }
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_names_its_neighbour_in_the_transport_that_it_is_asked_in() {
        let tcp = |host: &str, port| RedisAddress::Tcp { host: host.into(), port };
        let tls = |host: &str, port| RedisAddress::Tls { host: host.into(), port };
        let cases = [
            (tcp("a", 1), "b", 2, Some(tcp("b", 2))),
            (tls("a", 1), "b", 2, Some(tls("b", 2))),
            (tcp("a", 1), "", 2, Some(tcp("a", 2))),
            (tcp("a", 1), "?", 2, Some(tcp("a", 2))),
            (tcp("a", 1), "::1", 2, Some(tcp("::1", 2))),
            (tcp("a", 1), "b", 0, None),
            (RedisAddress::Socket("/run/redis.sock".into()), "b", 2, None),
        ];
        for (asked, host, port, expected) in cases {
            assert_eq!(asked.neighbour(host, port), expected, "{asked:?} {host} {port}");
        }
    }
}
