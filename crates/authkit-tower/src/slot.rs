use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use authkit_session::{Admission, Asker, Error, ErrorKind, Refusal};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};

use crate::{
    Clock,
    authkit::AuthKit,
    cookie::CookieFields,
    denial::{Caller, Cause},
    gate::Gate,
    head::{self, Caching},
};

/// What one layer knows about one request until the head of the response has left.
pub(crate) struct Slot {
    gate: Arc<Gate>,
    /// What the request brought, to be opened again where its refresh token is wanted.
    brought: CookieFields,
    cookies: Mutex<Cookies>,
    has_left: AtomicBool,
}

/// Who knows which cookies go out.
pub(crate) enum Cookies {
    Of(Admission),
    Without {
        refusal: Refusal,
        asker: Asker,
    },
    /// The request was let in by its own token.
    NoneForBearer,
    /// The service ended the session: these delete its cookies.
    Ended(Vec<HeaderValue>),
    /// None were looked at.
    None,
}

impl Slot {
    pub(crate) fn new(gate: Arc<Gate>, cookies: Cookies, request: &HeaderMap) -> Arc<Self> {
        Arc::new(Self {
            gate,
            brought: CookieFields::of(request),
            cookies: Mutex::new(cookies),
            has_left: AtomicBool::new(false),
        })
    }

    pub(crate) fn authkit(&self) -> &AuthKit {
        self.gate.authkit()
    }

    /// The `Cookie` fields of the request.
    pub(crate) fn brought(&self) -> HeaderMap {
        self.brought.to_headers()
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::Acquire)
    }

    /// Answers as the layer does that this is of.
    pub(crate) fn deny(&self, cause: &Cause, caller: Caller<'_>) -> Box<Response<Bytes>> {
        self.gate.deny(cause, caller)
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.gate.authkit().clock()
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock().wall()
    }

    /// Says whether `authkit` made this, for a request that is still under way.
    pub(crate) fn is_of(&self, authkit: &AuthKit) -> bool {
        self.authkit().is(authkit) && !self.has_left()
    }

    /// Takes the cookies of a newer session, which a layer inside or the service refreshed; one that a layer inside
    /// refused changes nothing, and nothing brings back one that has ended.
    pub(crate) fn renew(&self, newer: Cookies) {
        let mut cookies = self.cookies();
        match (&*cookies, &newer) {
            (Cookies::Ended(_), _) | (_, Cookies::Without { .. }) => {}
            (_, Cookies::Of(_)) => *cookies = newer,
            (_, Cookies::NoneForBearer | Cookies::Ended(_) | Cookies::None) => {}
        }
    }

    /// Ends the session by `sign_out`, whose cookies go out with the head, unless that has left.
    pub(crate) fn end<T>(
        &self,
        sign_out: impl FnOnce() -> (T, Vec<HeaderValue>),
    ) -> Result<T, Error> {
        let mut cookies = self.cookies();
        if self.has_left() {
            return Err(ErrorKind::HeadSent.into());
        }
        let (answer, deletions) = sign_out();
        *cookies = Cookies::Ended(deletions);
        Ok(answer)
    }

    /// Writes the head of the response to this request.
    pub(crate) fn write_head(&self, headers: &mut HeaderMap) {
        self.has_left.store(true, Ordering::Release);
        let (cookies, caching) = match &*self.cookies() {
            Cookies::Of(admission) => (admission.head_cookies(), Caching::Private),
            Cookies::Without { refusal, asker } => {
                (refusal.head_cookies(*asker), Caching::ByCookie)
            }
            Cookies::NoneForBearer => (Vec::new(), Caching::Private),
            Cookies::Ended(deletions) => (deletions.clone(), Caching::Private),
            Cookies::None => (Vec::new(), Caching::ByCookie),
        };
        head::write(
            headers,
            cookies,
            &self.gate.authkit().site().cookie_name,
            self.gate.caching(caching),
            self.gate.varies(),
        );
    }

    fn cookies(&self) -> MutexGuard<'_, Cookies> {
        // Each write replaces the whole value, so a panic elsewhere says nothing about it.
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
