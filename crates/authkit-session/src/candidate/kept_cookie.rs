//! The value of a cookie whose session is remembered.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use zeroize::Zeroizing;

use crate::{
    payload::Payload,
    seal::{Attempts, KeyRing},
    secret::Secret,
    token::KeptToken,
};

/// The value of a cookie, with the passwords that open it.
///
/// The session's access token is in it, and takes no memory a second time before somebody asks for it.
pub(crate) struct KeptCookie {
    value: Zeroizing<Box<[u8]>>,
    passwords: Arc<KeyRing>,
    token: OnceLock<Secret>,
}

impl KeptCookie {
    /// Keeps a value that `passwords` have opened.
    pub(crate) fn new(value: &[u8], passwords: Arc<KeyRing>) -> Self {
        Self { value: Zeroizing::new(value.into()), passwords, token: OnceLock::new() }
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// How many bytes a token that is asked for takes: nothing, as long as none ever was.
    pub(crate) fn token_weight(&self) -> usize {
        if TOKENS_ARE_ASKED_FOR.load(Ordering::Relaxed) { self.value.len() / 2 } else { 0 }
    }

    fn open(&self) -> Option<Secret> {
        // Whatever expires by itself is not kept, so the time says nothing.
        let opened = self.passwords.open(&self.value, 0, &mut Attempts::new()).ok()?;
        let payload = Payload::parse(&opened.plaintext).ok()?;
        Some(Secret::new(payload.access_token))
    }
}

impl KeptToken for KeptCookie {
    fn expose(&self) -> &str {
        let token = self.token.get_or_init(|| {
            TOKENS_ARE_ASKED_FOR.store(true, Ordering::Relaxed);
            // The same passwords opened it before.
            self.open().unwrap_or_else(|| Secret::new(""))
        });
        token.expose()
    }
}

/// Whether this process asks for tokens, so that sessions remembered from now on have to count theirs.
static TOKENS_ARE_ASKED_FOR: AtomicBool = AtomicBool::new(false);
