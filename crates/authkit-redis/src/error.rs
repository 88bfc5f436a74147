use std::{error, fmt};

use crate::url_problem::RedisUrlProblem;

/// Why [`RedisReplicas`](crate::RedisReplicas) cannot be made. An unavailable Redis is not a reason.
///
/// Never carries the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used.
    Url(RedisUrlProblem),
    /// The key prefix is empty, longer than 64 bytes, or has characters other than visible ASCII; or it starts with
    /// `}`, so that it cannot be made a cluster's hash tag.
    KeyPrefix,
    /// The URL has credentials, and there is a provider too.
    TwoCredentials,
    /// There are certificates for a URL without TLS.
    CertificatesWithoutTls,
    /// The root certificates are not PEM, contain no certificate, or one that cannot be read.
    RootCertificates,
    /// The client certificate or its key is not PEM, or they do not belong together.
    ClientCertificate,
    /// The system has no root certificates.
    NoSystemCertificates,
    /// The operating system gave no thread.
    NoThread,
    /// The operating system gave no random bytes.
    NoRandomness,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url(problem) => return problem.fmt(f),
            Self::KeyPrefix => "a key prefix has 1 to 64 visible ASCII characters",
            Self::TwoCredentials => {
                "the Redis URL has a password, and there is a credentials provider: give one of them"
            }
            Self::CertificatesWithoutTls => {
                "certificates were given, and the Redis URL is without TLS: write rediss://"
            }
            Self::RootCertificates => {
                "the root certificates for Redis are not PEM certificates (-----BEGIN CERTIFICATE-----)"
            }
            Self::ClientCertificate => {
                "the client certificate for Redis and its key are not PEM, or do not belong together"
            }
            Self::NoSystemCertificates => {
                "the system has no root certificates: install its package (ca-certificates), set SSL_CERT_FILE, or give root certificates"
            }
            Self::NoThread => "the operating system gave no thread to keep the connection to Redis",
            Self::NoRandomness => "the operating system gave no random bytes",
        })
    }
}

impl error::Error for ConnectError {}
