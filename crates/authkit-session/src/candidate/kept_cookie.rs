//! The cookie value of a cached session.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, Ordering},
};

use zeroize::Zeroizing;

use crate::{
    payload::Payload,
    seal::{Attempts, KeyRing, Unsealed},
    secret::Secret,
    token::KeptToken,
    user::{
        User, UserFields,
        shown::{KeptUser, ShownFields, ShownUser},
    },
};

/// The value of a cookie, and the passwords that open it.
///
/// The session's access token and its user are in it, and take no memory a second time before somebody asks for them. Once
/// anybody has asked, the user of each session is there from the start: their handlers will ask again.
pub(crate) struct KeptCookie {
    value: Zeroizing<Box<[u8]>>,
    passwords: Arc<KeyRing>,
    token: OnceLock<Box<Secret>>,
    shown: OnceLock<Box<ShownFields>>,
}

impl KeptCookie {
    /// Keeps a value that `passwords` have opened.
    pub(crate) fn new(value: &[u8], passwords: Arc<KeyRing>) -> Self {
        let (token, shown) = (OnceLock::new(), OnceLock::new());
        Self { value: Zeroizing::new(value.into()), passwords, token, shown }
    }

    /// Keeps what the value shows of a user, whose id is `id`, if this process asks for users.
    pub(crate) fn keep_shown(&self, shown: ShownUser, id: &str) {
        if USERS_ARE_ASKED_FOR.load(Ordering::Relaxed)
            && let Some(fields) = shown.into_fields(id)
        {
            self.shown.get_or_init(|| fields);
        }
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.value
    }

    /// How many bytes what is asked for takes, of a user that is `shown`: nothing, as long as none ever was.
    pub(crate) fn weight(&self, shown: &ShownUser) -> usize {
        let if_asked =
            |asked: &AtomicBool, bytes| if asked.load(Ordering::Relaxed) { bytes } else { 0 };
        if_asked(&TOKENS_ARE_ASKED_FOR, self.value.len() / 2)
            + if_asked(&USERS_ARE_ASKED_FOR, shown.weight_in_full())
    }

    fn open(&self) -> Option<Unsealed> {
        // Values that expire by themselves are not kept, so the time does not matter.
        self.passwords.open(&self.value, 0, &mut Attempts::new()).ok()
    }
}

impl KeptToken for KeptCookie {
    fn expose(&self) -> &str {
        let token = self.token.get_or_init(|| {
            TOKENS_ARE_ASKED_FOR.store(true, Ordering::Relaxed);
            let opened = self.open();
            let payload = opened.as_ref().and_then(|it| Payload::parse(&it.plaintext).ok());
            // The same passwords opened it before.
            Box::new(Secret::new(payload.map_or_else(Default::default, |it| it.access_token)))
        });
        token.expose()
    }
}

impl KeptUser for KeptCookie {
    fn shown(&self, id: &str) -> &ShownFields {
        self.shown.get_or_init(|| {
            USERS_ARE_ASKED_FOR.store(true, Ordering::Relaxed);
            let opened = self.open();
            let payload = opened.as_ref().and_then(|it| Payload::parse(&it.plaintext).ok());
            let (user, method) =
                payload.map_or((None, None), |it| (it.user, it.authentication_method));
            // The same passwords opened it before.
            let user = user.map_or_else(|| User::known_by_id(id), UserFields::into_user);
            let authentication_method = method.map(Into::into);
            Box::new(ShownFields { user, authentication_method })
        })
    }
}

/// Whether this process asks for tokens; then sessions cached from now on count them in their weight.
static TOKENS_ARE_ASKED_FOR: AtomicBool = AtomicBool::new(false);
/// The same for users.
static USERS_ARE_ASKED_FOR: AtomicBool = AtomicBool::new(false);
