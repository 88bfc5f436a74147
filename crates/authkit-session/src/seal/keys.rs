//! What the formats make of one password, made once when a ring is built.

use std::fmt;

use crate::{
    cookie_password::CookiePassword,
    crypto::hkdf,
    seal::{
        SealFormat,
        gcm::GcmKey,
        go,
        iron::{self, PasswordNumber, Suffix},
        purpose::{PurposeKeys, derive},
        python, ruby6,
        target::{Form, Target, Writer},
    },
};

/// A layout on the wire together with the way its key comes from the password.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Wire {
    Ruby,
    Ruby6,
    /// Go and Rust.
    Hex,
    /// Go, where the password is not 64 hexadecimal characters.
    Sha256,
    Python,
    Iron(Suffix, PasswordNumber),
    /// Read, never written.
    #[cfg(feature = "php")]
    Php,
}

/// Names a password across rings and reloads, without being one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct PasswordId(u64);

impl fmt::Debug for PasswordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordId(..)")
    }
}

/// What an opened value was sealed with, kept so that a refresh seals the same way.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Seal {
    pub(super) wire: Wire,
    pub(super) password: PasswordId,
}

impl Seal {
    /// The word for the format in `WORKOS_SEAL_FORMAT`.
    #[cfg(feature = "inspect")]
    pub(crate) fn as_str(self) -> &'static str {
        match self.wire {
            Wire::Ruby => "ruby",
            Wire::Ruby6 => "ruby6",
            Wire::Hex => "go or rust",
            Wire::Sha256 => "go",
            Wire::Python => "python",
            Wire::Iron(..) => "node",
            #[cfg(feature = "php")]
            Wire::Php => "php",
        }
    }

    pub(crate) fn password(self) -> PasswordId {
        self.password
    }
}

/// The keys of one password; absent where it does not meet the rule of the format.
pub(super) struct Keys {
    pub(super) id: PasswordId,
    pub(super) purposes: PurposeKeys,
    pub(super) iron: Option<iron::Password>,
    pub(super) python: Option<python::FernetKey>,
    #[cfg(feature = "php")]
    pub(super) php: Option<crate::seal::php::PhpKey>,
    sha256: GcmKey,
    hex: Option<GcmKey>,
    raw: Option<GcmKey>,
}

impl Keys {
    pub(super) fn new(password: &CookiePassword) -> Self {
        let password = password.expose();
        let root =
            hkdf::Salt::new(hkdf::HKDF_SHA256, b"authkit-session").extract(password.as_bytes());
        let id = derive(&root, b"password id");
        Self {
            id: PasswordId(u64::from_le_bytes(*id.first_chunk().expect("32 bytes hold 8"))),
            purposes: PurposeKeys::new(&root),
            iron: iron::Password::new(password),
            python: python::FernetKey::new(password),
            #[cfg(feature = "php")]
            php: crate::seal::php::PhpKey::new(password),
            sha256: GcmKey::from_sha256(password.as_bytes()),
            hex: go::hex_key(password),
            raw: ruby6::raw_key(password),
        }
    }

    /// The key of the formats on AES-256-GCM.
    pub(super) fn gcm(&self, wire: Wire) -> Option<&GcmKey> {
        match wire {
            Wire::Ruby => Some(&self.sha256),
            Wire::Ruby6 => self.raw.as_ref(),
            Wire::Hex => self.hex.as_ref(),
            Wire::Sha256 => self.hex.is_none().then_some(&self.sha256),
            Wire::Python | Wire::Iron(..) => None,
            #[cfg(feature = "php")]
            Wire::Php => None,
        }
    }

    /// Every key whose seals are counted.
    pub(super) fn counted(&self) -> impl Iterator<Item = &GcmKey> {
        [Some(&self.sha256), self.hex.as_ref(), self.raw.as_ref()]
            .into_iter()
            .flatten()
            .chain(self.purposes.iter())
    }

    /// How the SDK of `format` seals with this password; `None` if it would refuse the password.
    pub(super) fn writer(&self, format: SealFormat) -> Option<Writer<'_>> {
        match format {
            SealFormat::Ruby => Some(Writer::Ruby(&self.sha256)),
            SealFormat::Ruby6 => self.raw.as_ref().map(Writer::Ruby6),
            SealFormat::Go => Some(Writer::Go(self.hex.as_ref().unwrap_or(&self.sha256))),
            SealFormat::Rust => self.hex.as_ref().map(Writer::Go),
            SealFormat::Python => self.python.as_ref().map(Writer::Python),
            SealFormat::Node => self.iron(PasswordNumber::WORKOS, Suffix::Two),
        }
    }

    /// How a neighbour that knows this password expects what came in as `like`; `None` if we cannot write that.
    pub(super) fn rewriter(&self, like: Seal) -> Option<Writer<'_>> {
        match like.wire {
            Wire::Ruby => self.writer(SealFormat::Ruby),
            Wire::Ruby6 => self.writer(SealFormat::Ruby6),
            Wire::Hex | Wire::Sha256 => self.writer(SealFormat::Go),
            Wire::Python => self.writer(SealFormat::Python),
            // A number belongs to the password that sealed; with another one it would name the wrong one.
            Wire::Iron(suffix, number) if self.id == like.password => self.iron(number, suffix),
            Wire::Iron(suffix, _) => self.iron(PasswordNumber::WORKOS, suffix),
            #[cfg(feature = "php")]
            Wire::Php => None,
        }
    }

    /// What `writer`, which is of these keys, seals values as.
    pub(super) fn target<'k>(&'k self, form: Form, writer: Writer<'k>) -> Target<'k> {
        let wire = match writer {
            Writer::Ruby(_) => Wire::Ruby,
            Writer::Ruby6(_) => Wire::Ruby6,
            Writer::Go(_) if self.hex.is_some() => Wire::Hex,
            Writer::Go(_) => Wire::Sha256,
            Writer::Python(_) => Wire::Python,
            Writer::Iron { number, suffix, .. } => Wire::Iron(suffix, number),
        };
        Target { form, seal: Seal { wire, password: self.id }, writer }
    }

    fn iron(&self, number: PasswordNumber, suffix: Suffix) -> Option<Writer<'_>> {
        self.iron.as_ref().map(|password| Writer::Iron { password, number, suffix })
    }
}
