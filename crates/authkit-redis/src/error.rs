use std::{error, fmt};

use crate::url_problem::RedisUrlProblem;

/// Why [`RedisReplicas`](crate::RedisReplicas) cannot be made. That Redis is not there is no reason.
///
/// Never carries the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL cannot be used.
    Url(RedisUrlProblem),
    /// The key prefix is empty, longer than 64 bytes, or has other characters than visible ASCII; or it begins with `}`,
    /// which makes no hash tag for a cluster.
    KeyPrefix,
    /// There are credentials in the URL, and others from a provider.
    TwoCredentials,
    /// There are certificates for a URL without TLS.
    CertificatesWithoutTls,
    /// The root certificates are no PEM, hold no certificate, or one that cannot be read.
    RootCertificates,
    /// The client certificate or its key are no PEM, or do not belong together.
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
