use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use crate::{
    Admission, Authenticator, Clock, Config, CookiePassword, Decision, Policy, Reason, Refusal,
    VerifiedSession,
    integration::{FetchDestination, RefusalKind},
    testing::Workos,
};

/// A service at `https://app.example.com` whose WorkOS is in memory; both share a clock, which is tokio's.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) authenticator: Authenticator,
    pub(crate) workos: Arc<Workos>,
    pub(crate) clock: Clock,
}

/// What a request got.
#[derive(Debug)]
pub(crate) enum Answer {
    Session(Arc<VerifiedSession>),
    Refused(Refusal),
}

impl Service {
    pub(crate) fn new() -> Self {
        let clock = clock();
        Self::with(Workos::new(clock.clone()), clock, |config| config)
    }

    /// One whose WorkOS and clock are given.
    pub(crate) fn with(
        workos: Arc<Workos>,
        clock: Clock,
        set: impl FnOnce(Config) -> Config,
    ) -> Self {
        let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        let redirect_uri = "https://app.example.com/callback";
        let config = Config::new("client_1", "sk_test_1", redirect_uri, password)
            .with_clock(clock.clone())
            .with_transport(workos.clone());
        Self { authenticator: Authenticator::new(set(config)).unwrap(), workos, clock }
    }

    /// Another process of this service.
    pub(crate) fn replica(&self, set: impl FnOnce(Config) -> Config) -> Self {
        Self::with(Arc::clone(&self.workos), self.clock.clone(), set)
    }

    /// The browser of a user who has just signed in.
    pub(crate) async fn sign_in(&self, user: &str) -> Browser {
        self.sign_in_with(user, json!({})).await
    }

    /// The same, with these claims beside the usual ones.
    pub(crate) async fn sign_in_with(&self, user: &str, claims: Value) -> Browser {
        let answer = self.workos.sign_in(user, claims);
        let mut browser = Browser::default();
        let signed_in =
            self.authenticator.start_session(answer.as_bytes(), &browser.headers()).await.unwrap();
        browser.take(&signed_in.set_cookies);
        browser
    }

    /// The browser of somebody whose cookie holds this.
    pub(crate) fn browser_with(&self, payload: &Value) -> Browser {
        let sealer = self.authenticator.sealer();
        let ring = sealer.ring();
        let sealed = sealer.seal(payload.to_string().as_bytes(), &ring.target(None));
        Browser::holding(&sealed.unwrap())
    }

    pub(crate) fn decide(&self, browser: &Browser) -> Decision {
        self.authenticator.authenticate(&browser.headers(), &Policy::default())
    }

    /// Sends a request up to the point where the inner service runs or the refusal is answered.
    pub(crate) async fn open(&self, browser: &Browser) -> Result<Admission, Refusal> {
        self.open_under(browser, &Policy::default()).await
    }

    pub(crate) async fn open_under(
        &self,
        browser: &Browser,
        policy: &Policy,
    ) -> Result<Admission, Refusal> {
        match self.authenticator.authenticate(&browser.headers(), policy) {
            Decision::Admit(admission) => Ok(admission),
            Decision::Wait(waiting) => waiting.await,
            Decision::Refuse(refusal) => Err(refusal),
        }
    }

    /// Sends a document's GET; its answer reaches the browser.
    pub(crate) async fn get(&self, browser: &mut Browser) -> Answer {
        self.ask(browser, FetchDestination::Document).await
    }

    /// Sends a request that is no document's; its answer reaches the browser.
    pub(crate) async fn fetch(&self, browser: &mut Browser) -> Answer {
        self.ask(browser, FetchDestination::Other).await
    }

    async fn ask(&self, browser: &mut Browser, destination: FetchDestination) -> Answer {
        match self.open(browser).await {
            Ok(admission) => {
                browser.take(&admission.set_cookie_headers());
                Answer::Session(Arc::clone(admission.session()))
            }
            Err(refusal) => {
                browser.take(&refusal.set_cookie_headers(destination));
                Answer::Refused(refusal)
            }
        }
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn session(self) -> Arc<VerifiedSession> {
        match self {
            Self::Session(session) => session,
            Self::Refused(refusal) => panic!("refused: {}", refusal.reason()),
        }
    }

    /// Why it was refused, and what that means to the client.
    #[track_caller]
    pub(crate) fn refusal(self) -> (Reason, RefusalKind) {
        match self {
            Self::Session(session) => panic!("admitted: {session:?}"),
            Self::Refused(refusal) => (refusal.reason(), refusal.kind()),
        }
    }
}

/// A browser's cookies for the service.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Browser {
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(crate) fn holding(sealed: &str) -> Self {
        Self { cookies: [("wos_session".to_owned(), sealed.to_owned())].into() }
    }

    pub(crate) fn headers(&self) -> HeaderMap {
        let cookies: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        if !cookies.is_empty() {
            headers.insert(header::COOKIE, HeaderValue::from_str(&cookies.join("; ")).unwrap());
        }
        headers
    }

    /// Does what a response's `Set-Cookie` fields say.
    pub(crate) fn take(&mut self, fields: &[HeaderValue]) {
        for field in fields {
            let cookie = cookie::Cookie::parse(field.to_str().unwrap()).unwrap();
            if cookie.max_age().is_some_and(|age| age.is_zero()) {
                self.cookies.remove(cookie.name());
            } else {
                self.cookies.insert(cookie.name().to_owned(), cookie.value().to_owned());
            }
        }
    }

    /// The first cookie.
    pub(crate) fn cookie(&self) -> Option<(&str, &str)> {
        self.cookies.first_key_value().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(crate) fn is_signed_in(&self) -> bool {
        !self.cookies.is_empty()
    }
}

/// A clock that shows some day in 2027 and follows tokio's.
pub(crate) fn clock() -> Clock {
    Clock::simulated(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000))
}
