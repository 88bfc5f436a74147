use std::{error, fmt};

/// Why [`RedisReplicas`](crate::RedisReplicas) cannot be made. That Redis is not there is no reason.
///
/// Never carries the URL, which may hold a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ConnectError {
    /// Not a URL of the form `redis://[user:password@]host[:port][/database]`, `rediss://…` or `redis+unix:///path`,
    /// or `rediss` without the feature `tls`.
    Url,
    /// The key prefix is empty, longer than 64 bytes, or has other characters than visible ASCII.
    KeyPrefix,
    /// Called outside of a tokio runtime.
    NoRuntime,
    /// The operating system gave no random bytes.
    NoRandomness,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "not a Redis URL that can be used here",
            Self::KeyPrefix => "a key prefix has 1 to 64 visible ASCII characters",
            Self::NoRuntime => {
                "the connection to Redis is kept by a task: this needs a tokio runtime"
            }
            Self::NoRandomness => "the operating system gave no random bytes",
        })
    }
}

impl error::Error for ConnectError {}
