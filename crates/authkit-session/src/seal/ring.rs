//! The passwords in use: which one opens a value, and how a value is sealed again.

use std::{fmt, iter};

use zeroize::Zeroizing;

#[cfg(feature = "php")]
use crate::seal::php;
use crate::{
    codec,
    config_error::ConfigProblem,
    cookie_password::{CookiePassword, Neighbours},
    seal::{
        Purpose, SealError, SealFormat, armor, go, iron,
        keys::{Keys, PasswordId, Seal, Wire},
        python, ruby,
        target::{Form, Target},
        values,
    },
};

/// The passwords that open cookies, and the one that seals new ones. Every key is made when the ring is built.
pub(crate) struct KeyRing {
    format: SealFormat,
    neighbours: Neighbours,
    current: Keys,
    others: Vec<Keys>,
}

/// The content of a value.
pub(crate) struct Unsealed {
    pub(crate) plaintext: Zeroizing<Vec<u8>>,
    pub(crate) seal: Seal,
    pub(crate) reuse: Reuse,
}

/// Whether the cache may recognise a value by its spelling when it comes again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reuse {
    Allowed,
    /// No: its spelling is unusual, so that it might come in many spellings, or it expires by itself.
    Never,
}

impl Unsealed {
    fn new(plaintext: Zeroizing<Vec<u8>>, wire: Wire, keys: &Keys) -> Self {
        Self { plaintext, seal: Seal { wire, password: keys.id }, reuse: Reuse::Allowed }
    }

    /// The inside of a value that was sealed just now.
    pub(crate) fn of_sealed(plaintext: Zeroizing<Vec<u8>>, target: &Target<'_>) -> Self {
        Self { plaintext, seal: target.seal, reuse: Reuse::Never }
    }
}

/// How many times a password may still be tried on a value.
#[derive(Debug)]
pub(crate) struct Attempts(u8);

impl Attempts {
    /// The attempts of one request, whatever it brings.
    pub(crate) const PER_REQUEST: u8 = 32;

    /// The attempts of a request with one value.
    pub(crate) fn new() -> Self {
        Self(Self::PER_REQUEST)
    }

    /// The share of a value that has `others` after it. Unused attempts are left to those, so that garbage in front of
    /// a good value cannot use up the good one's share.
    fn share(&self, others: usize) -> Self {
        let values = u8::try_from(others).unwrap_or(u8::MAX).saturating_add(1);
        Self(self.0 / values)
    }

    /// Opens the next of several values with its share.
    pub(crate) fn with_share<T>(&mut self, others: usize, open: impl FnOnce(&mut Self) -> T) -> T {
        let mut share = self.share(others);
        self.0 -= share.0;
        let opened = open(&mut share);
        self.0 += share.0;
        opened
    }

    fn take(&mut self) -> Result<(), SealError> {
        self.0 = self.0.checked_sub(1).ok_or(SealError::TooManyAttempts)?;
        Ok(())
    }
}

impl KeyRing {
    /// Makes the keys of every password.
    ///
    /// # Errors
    ///
    /// [`ConfigProblem::PasswordForFormat`] if `format` cannot be sealed with `current`.
    pub(crate) fn new(
        format: SealFormat,
        current: &CookiePassword,
        others: &[CookiePassword],
        neighbours: Neighbours,
    ) -> Result<Self, ConfigProblem> {
        let current = Keys::new(current);
        if current.writer(format).is_none() {
            return Err(ConfigProblem::PasswordForFormat {
                format: format.as_str(),
                wants: format.password_rule(),
            });
        }
        let mut ring =
            Self { format, neighbours, current, others: Vec::with_capacity(others.len()) };
        for keys in others.iter().map(Keys::new) {
            if ring.passwords().all(|known| known.id != keys.id) {
                ring.others.push(keys);
            }
        }
        Ok(ring)
    }

    /// A ring with other passwords, which replaces this one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub(crate) fn reloaded(
        &self,
        current: &CookiePassword,
        others: &[CookiePassword],
    ) -> Result<Self, ConfigProblem> {
        let ring = Self::new(self.format, current, others, self.neighbours)?;
        ring.continue_from(self);
        Ok(ring)
    }

    /// Continues the seal counts of `previous`, which this ring replaces.
    fn continue_from(&self, previous: &Self) {
        for keys in self.passwords() {
            if let Some(before) = previous.find(keys.id) {
                iter::zip(keys.counted(), before.counted())
                    .for_each(|(key, before)| key.continue_from(before.seals()));
            }
        }
    }

    /// Opens a cookie's value, without its quotes, at `now` in Unix milliseconds. Percent-encoding is undone here.
    ///
    /// # Errors
    ///
    /// Why it could not be opened. The error does not show whether anything was decrypted.
    pub(crate) fn open(
        &self,
        value: &[u8],
        now: u64,
        attempts: &mut Attempts,
    ) -> Result<Unsealed, SealError> {
        let plain = armor::unescaped(value);
        let is_iron = plain.starts_with(iron::PREFIX);
        let mut opened = if is_iron {
            self.open_iron(&plain, now, attempts)
        } else if plain.starts_with(python::PREFIX) {
            self.open_python(&plain, attempts)
        } else {
            self.open_boxed(&plain, attempts)
        }?;
        let is_padded = is_iron || plain.len().is_multiple_of(4);
        if !is_padded || !armor::is_canonical(value, &plain) {
            opened.reuse = Reuse::Never;
        }
        Ok(opened)
    }

    /// Decides how to seal a new value, or the successor of a value that was sealed like `like`.
    pub(crate) fn target(&self, like: Option<Seal>) -> Target<'_> {
        let configured = || {
            self.current
                .writer(self.format)
                .expect("new() found that the password suits the format")
        };
        let Some(like) = like else {
            return self.current.target(Form::Configured(self.format), configured());
        };
        let keys = match self.neighbours {
            Neighbours::Pinned => self.find(like.password).unwrap_or(&self.current),
            Neighbours::Unpinned => &self.current,
        };
        match keys.rewriter(like) {
            Some(writer) => keys.target(Form::Kept, writer),
            None => self.current.target(Form::Replaced(self.format), configured()),
        }
    }

    /// Seals a value that is no session; see [`values`].
    pub(crate) fn seal_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        plaintext: &[u8],
    ) -> Result<String, SealError> {
        values::seal(self, purpose, context, plaintext)
    }

    /// Opens what [`seal_for`](Self::seal_for) sealed for the same purpose and context, with any password of the ring.
    pub(crate) fn open_for(
        &self,
        purpose: Purpose,
        context: &[u8],
        value: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        values::open(self, purpose, context, value)
    }

    /// The most that one key of the ring has sealed since the process started.
    #[cfg(test)]
    pub(super) fn seals(&self) -> u64 {
        self.passwords().flat_map(Keys::counted).map(|key| key.seals()).max().unwrap_or(0)
    }

    pub(super) fn current(&self) -> &Keys {
        &self.current
    }

    pub(super) fn passwords(&self) -> impl Iterator<Item = &Keys> {
        iter::once(&self.current).chain(&self.others)
    }

    pub(crate) fn has(&self, password: PasswordId) -> bool {
        self.find(password).is_some()
    }

    fn find(&self, id: PasswordId) -> Option<&Keys> {
        self.passwords().find(|keys| keys.id == id)
    }

    /// Formats that are only base64: the first byte tells them apart at most, so every key has to be tried.
    ///
    /// A value that does not open stays unchanged and is not wiped: wiping 12 KB of garbage takes longer than refusing
    /// it.
    fn open_boxed(&self, value: &[u8], attempts: &mut Attempts) -> Result<Unsealed, SealError> {
        let mut sealed = armor::decode(&codec::STANDARD, value)?;
        if !go::is_shaped(&sealed) {
            return Err(SealError::Malformed);
        }
        for wire in [Wire::Ruby, Wire::Hex, Wire::Sha256, Wire::Ruby6] {
            if wire == Wire::Ruby && !ruby::is_shaped(&sealed) {
                continue;
            }
            for keys in self.passwords() {
                let Some(key) = keys.gcm(wire) else { continue };
                attempts.take()?;
                let opened = if wire == Wire::Ruby {
                    ruby::open(key, &mut sealed)
                } else {
                    go::open(key, b"", &mut sealed)
                };
                if opened.is_ok() {
                    return Ok(Unsealed::new(Zeroizing::new(sealed), wire, keys));
                }
            }
        }
        #[cfg(feature = "php")]
        for keys in self.passwords() {
            let Some(key) = &keys.php else { continue };
            attempts.take()?;
            if php::open(key, &mut sealed).is_ok() {
                return Ok(Unsealed::new(Zeroizing::new(sealed), Wire::Php, keys));
            }
        }
        Err(SealError::Tampered)
    }

    fn open_python(&self, value: &[u8], attempts: &mut Attempts) -> Result<Unsealed, SealError> {
        let mut token = python::decode(value)?;
        let mut error = SealError::UnsuitablePasswords;
        for keys in self.passwords() {
            let Some(key) = &keys.python else { continue };
            attempts.take()?;
            match python::open(key, &mut token) {
                Ok(()) => return Ok(Unsealed::new(token, Wire::Python, keys)),
                Err(refused) => error = refused,
            }
        }
        Err(error)
    }

    fn open_iron(
        &self,
        value: &[u8],
        now: u64,
        attempts: &mut Attempts,
    ) -> Result<Unsealed, SealError> {
        let parts = iron::Parts::parse(value)?;
        let mut error = SealError::UnsuitablePasswords;
        for keys in self.passwords() {
            let Some(password) = &keys.iron else { continue };
            attempts.take()?;
            if parts.is_sealed_by(password) {
                let wire = Wire::Iron(parts.suffix, parts.number);
                let reuse = if parts.expires() { Reuse::Never } else { Reuse::Allowed };
                let plaintext = parts.open(password, now)?;
                return Ok(Unsealed { reuse, ..Unsealed::new(plaintext, wire, keys) });
            }
            error = SealError::Tampered;
        }
        Err(error)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("format", &self.format)
            .field("neighbours", &self.neighbours)
            .field("passwords", &self.passwords().count())
            .finish_non_exhaustive()
    }
}
