use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use authkit_session::{
    Admission, Error, ErrorKind, Refusal,
    integration::{FetchDestination, HeaderPrincipal},
};
use http::{HeaderMap, HeaderValue, Request, Response};

use crate::{
    Clock,
    admitted::Admitted,
    authkit::AuthKit,
    cookie::CookieFields,
    denial::{Caller, Cause, Denied},
    head::{self, Caching},
    settings::LayerSettings,
    uri,
};

/// What a layer knows of a request until the head of the response has left.
pub(crate) struct RequestState {
    settings: Arc<LayerSettings>,
    /// The handle for the origin that the request chose; `None` if that is the layer's own.
    authkit: Option<AuthKit>,
    /// The session cookie among them is opened again when its refresh token is needed.
    request_cookies: CookieFields,
    source: Mutex<SetCookieSource>,
    head_sent: AtomicBool,
}

/// Where the `Set-Cookie` fields of the response come from.
pub(crate) enum SetCookieSource {
    Admitted(Admission),
    Refused {
        refusal: Refusal,
        destination: FetchDestination,
    },
    /// A credential in `Authorization` admitted the request, so the response sets no cookie.
    Header(HeaderPrincipal),
    /// The handler signed the user out.
    SignedOut {
        /// The fields that delete the session's cookies.
        deletions: Vec<HeaderValue>,
        /// The principal that sent the request.
        admitted: Option<Admitted>,
    },
    /// The layer did not read the request's cookies.
    NotRead,
}

impl RequestState {
    pub(crate) fn new<B>(
        settings: Arc<LayerSettings>,
        cookies: SetCookieSource,
        request: &Request<B>,
    ) -> Arc<Self> {
        let uri = uri::original(request.uri(), request.extensions());
        let authkit = match settings.authkit().at(uri, request.headers()) {
            Cow::Borrowed(_) => None,
            Cow::Owned(authkit) => Some(authkit),
        };
        Arc::new(Self {
            settings,
            authkit,
            request_cookies: CookieFields::of(request.headers()),
            source: Mutex::new(cookies),
            head_sent: AtomicBool::new(false),
        })
    }

    /// The handle of the layer, for the origin that the request chose.
    pub(crate) fn authkit(&self) -> &AuthKit {
        self.authkit.as_ref().unwrap_or_else(|| self.settings.authkit())
    }

    /// The `Cookie` fields of the request.
    pub(crate) fn request_cookies(&self) -> HeaderMap {
        self.request_cookies.to_headers()
    }

    pub(crate) fn is_head_sent(&self) -> bool {
        self.head_sent.load(Ordering::Acquire)
    }

    /// Builds the denial that the owning layer would send.
    pub(crate) fn deny(&self, cause: &Cause, caller: Caller<'_>) -> Denied {
        self.settings.deny(cause, caller)
    }

    pub(crate) fn clock(&self) -> &Clock {
        self.settings.authkit().clock()
    }

    pub(crate) fn now(&self) -> SystemTime {
        self.clock().wall()
    }

    /// Whether a layer of `authkit` made this state, for a request that is still being handled.
    pub(crate) fn belongs_to(&self, authkit: &AuthKit) -> bool {
        self.authkit().is(authkit) && !self.is_head_sent()
    }

    /// Replaces the cookies of the response with those of a newer session, which an inner layer or the handler
    /// obtained.
    ///
    /// A refusal by an inner layer changes nothing, and after a sign-out a newer session is ignored.
    pub(crate) fn replace_session(&self, newer: SetCookieSource) {
        let mut cookies = self.source();
        match (&*cookies, &newer) {
            (SetCookieSource::SignedOut { .. }, _) | (_, SetCookieSource::Refused { .. }) => {}
            (_, SetCookieSource::Admitted(_)) => *cookies = newer,
            (
                _,
                SetCookieSource::Header(_)
                | SetCookieSource::SignedOut { .. }
                | SetCookieSource::NotRead,
            ) => {}
        }
    }

    /// Runs `sign_out`, which returns a value and the fields that delete the session's cookies, and keeps those fields
    /// for the head of the response.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::HeadSent`], without running it, once the head has left.
    pub(crate) fn sign_out<T>(
        &self,
        sign_out: impl FnOnce() -> (T, Vec<HeaderValue>),
    ) -> Result<T, Error> {
        let mut cookies = self.source();
        if self.is_head_sent() {
            return Err(ErrorKind::HeadSent.into());
        }
        let (value, deletions) = sign_out();
        *cookies = SetCookieSource::SignedOut { deletions, admitted: cookies.admitted() };
        Ok(value)
    }

    /// Writes cookies and cache headers onto the head of the response, and the admitted principal into its extensions.
    pub(crate) fn write_head<B>(&self, response: &mut Response<B>) {
        self.head_sent.store(true, Ordering::Release);
        let known = self.source();
        let (cookies, caching) = match &*known {
            SetCookieSource::Admitted(admission) => {
                (admission.set_cookie_headers(), Caching::Private)
            }
            SetCookieSource::Refused { refusal, destination } => {
                (refusal.set_cookie_headers(*destination), Caching::ByCookie)
            }
            SetCookieSource::Header(_) => (Vec::new(), Caching::Private),
            SetCookieSource::SignedOut { deletions, .. } => {
                head::clear_site_data(response.headers_mut());
                (deletions.clone(), Caching::Private)
            }
            SetCookieSource::NotRead => (Vec::new(), Caching::ByCookie),
        };
        let caching = self.settings.caching(caching, response);
        head::write(
            response.headers_mut(),
            cookies,
            self.authkit().site(),
            caching,
            self.settings.varies(),
        );
        // An inner layer may have authenticated another credential.
        if let Some(admitted) = known.admitted() {
            response.extensions_mut().get_or_insert_with(|| admitted);
        }
    }

    fn source(&self) -> MutexGuard<'_, SetCookieSource> {
        // Each write replaces a whole value, so a panic of another thread cannot leave it half-written.
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SetCookieSource {
    fn admitted(&self) -> Option<Admitted> {
        match self {
            Self::Admitted(admission) => Some(Admitted::by_session(admission.session())),
            Self::Header(principal) => Some(Admitted::by_header(principal)),
            Self::SignedOut { admitted, .. } => admitted.clone(),
            Self::Refused { .. } | Self::NotRead => None,
        }
    }
}

/// Writes a layer's part of the response head from the request's state; writes nothing if an outer layer does so.
pub(crate) struct Outgoing(Option<Arc<RequestState>>);

impl Outgoing {
    pub(crate) fn of(state: Arc<RequestState>) -> Self {
        Self(Some(state))
    }

    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn write_head<B>(&self, response: &mut Response<B>) {
        if let Some(state) = &self.0 {
            state.write_head(response);
        }
    }
}

#[cfg(test)]
mod tests {
    use authkit_session::{Decision, Policy};
    use http::header::COOKIE;
    use serde_json::json;

    use super::*;
    use crate::{
        settings::Presence,
        tests::{authkit, set_cookies},
    };

    #[derive(Clone, Copy, Debug)]
    enum Event {
        SignOut,
        Admitted,
        Refused,
    }

    /// A refresh that was under way and ends after the sign-out does not undo it.
    #[tokio::test]
    async fn a_sign_out_is_written_whatever_comes_after_it() {
        use Event::{Admitted, Refused, SignOut};

        let (authkit, workos) = authkit();
        let cookie = workos.cookie(&authkit, json!({})).await;
        let mut headers = HeaderMap::new();
        let decide =
            |headers: &HeaderMap| authkit.authenticator().authenticate(headers, &Policy::default());
        headers.insert(COOKIE, cookie.parse().unwrap());
        let settings = Arc::new(LayerSettings::new(authkit.clone(), Presence::Required));
        let deleted = ["wos_session="].as_slice();
        let cases: [(&[Event], &[&str]); 6] = [
            (&[], &[]),
            (&[Admitted], &[]),
            (&[SignOut], deleted),
            (&[Admitted, SignOut], deleted),
            (&[SignOut, Admitted], deleted),
            (&[SignOut, Refused, Admitted], deleted),
        ];
        for (events, expected) in cases {
            let mut request = Request::new(());
            *request.headers_mut() = headers.clone();
            let state =
                RequestState::new(Arc::clone(&settings), SetCookieSource::NotRead, &request);
            for event in events {
                match event {
                    SignOut => {
                        let deletion = HeaderValue::from_static("wos_session=; Max-Age=0");
                        state.sign_out(|| ((), vec![deletion])).unwrap();
                    }
                    Admitted => match decide(&headers) {
                        Decision::Admit(admission) => {
                            state.replace_session(SetCookieSource::Admitted(admission))
                        }
                        Decision::Wait(_) | Decision::Refuse(_) => panic!("a good session"),
                    },
                    Refused => match decide(&HeaderMap::new()) {
                        Decision::Refuse(refusal) => {
                            state.replace_session(SetCookieSource::Refused {
                                refusal,
                                destination: FetchDestination::Document,
                            });
                        }
                        Decision::Wait(_) | Decision::Admit(_) => panic!("no session"),
                    },
                }
            }
            let mut response = Response::new(());
            state.write_head(&mut response);
            assert_eq!(set_cookies(&response), expected, "{events:?}");
        }
    }
}
