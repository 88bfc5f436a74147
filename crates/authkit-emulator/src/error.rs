use std::{error, fmt, io};

/// Why a seed was refused; the message names the place in the seed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SeedError {
    message: String,
}

impl SeedError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

impl fmt::Display for SeedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for SeedError {}

impl From<SeedError> for io::Error {
    fn from(error: SeedError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// The bytes given are not an RSA private key that can sign RS256.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an RSA private key of at least 2048 bits (PEM or DER, PKCS#8 or PKCS#1)")
    }
}

impl error::Error for KeyError {}
