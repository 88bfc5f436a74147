//! Sealing: which format and key a value is written with.

use crate::{
    random,
    seal::{KeyStyle, Seal, SealError, SealFormat, gcm::GcmKey, go, iron, python, ruby, ruby6},
};

/// How a value is going to be sealed.
pub(crate) struct Target<'ring> {
    pub(crate) form: Form,
    /// What a value that is sealed so says when it is opened.
    pub(crate) seal: Seal,
    pub(super) writer: Writer<'ring>,
}

/// Where the format of a sealed value comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Form {
    /// The value is new.
    Configured(SealFormat),
    /// The format that the cookie came in.
    Kept,
    /// The cookie came in another format, which the sealing password cannot serve: services that only read that one
    /// lose the session.
    Replaced(SealFormat),
}

impl Target<'_> {
    /// How to spell the keys of the JSON; `None` leaves them as they are.
    pub(crate) fn key_style(&self) -> Option<KeyStyle> {
        match self.form {
            Form::Configured(format) | Form::Replaced(format) => Some(format.key_style()),
            Form::Kept => None,
        }
    }

    /// Seals `plaintext` at `now` in Unix milliseconds, into a value that needs no further escaping in a cookie.
    ///
    /// # Errors
    ///
    /// [`SealError::NoRandomness`].
    pub(crate) fn seal(&self, plaintext: &[u8], now: u64) -> Result<String, SealError> {
        Ok(match self.writer {
            Writer::Ruby(key) => ruby::seal(key, random()?, plaintext),
            Writer::Ruby6(key) => ruby6::seal(key, random()?, plaintext),
            Writer::Go(key) => go::seal(key, random()?, plaintext),
            Writer::Python(key) => python::seal(key, now / 1000, random()?, plaintext),
            Writer::Iron { password, number, suffix } => {
                let salts = iron::Salts { cipher: random()?, mac: random()?, iv: random()? };
                iron::seal(password, number, suffix, &salts, plaintext)
            }
        })
    }
}

/// A format with the key that it seals with.
#[derive(Clone, Copy)]
pub(super) enum Writer<'ring> {
    Ruby(&'ring GcmKey),
    Ruby6(&'ring GcmKey),
    Go(&'ring GcmKey),
    Python(&'ring python::FernetKey),
    Iron { password: &'ring iron::Password, number: iron::PasswordNumber, suffix: iron::Suffix },
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    random::try_bytes().map_err(|_| SealError::NoRandomness)
}
