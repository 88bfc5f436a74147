//! Days of a service with bad luck: faults, impatient clients, lost answers, sign-outs, switches, a proxy in front that
//! fails, claims that nobody expects, and strangers.

mod memory;
mod strangers;

use std::{
    collections::BTreeMap,
    env, fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use http::HeaderValue;
use serde_json::{Value, json};
use tokio::{task::JoinSet, time};

use self::memory::{Memories, Memory};
use super::s;
use crate::{
    Admission, Reason, Refusal,
    integration::{FetchDestination, RefusalKind},
    seal::Attempts,
    testing::{Browser, Endpoint, Reply, Service},
};

/// Numbers that look random and are the same in each run (SplitMix64).
#[derive(Clone)]
struct Luck(u64);

impl Luck {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Happens so often in a hundred.
    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn millis(&mut self, end: u64) -> Duration {
        Duration::from_millis(self.below(end))
    }

    /// From 1 second to 1 hour; as often between 1 and 4 as between 15 and 60 minutes.
    fn pause(&mut self) -> Duration {
        s(1 << self.below(12)).mul_f64(1.0 + self.below(750) as f64 / 1_000.0)
    }
}

/// What happened, counted.
#[derive(Debug, Default)]
struct Tally(BTreeMap<String, usize>);

impl Tally {
    fn count(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>8}  {what}"))
    }
}

/// How WorkOS answers: mostly well, sometimes badly, and now and then not for a while.
fn weather(
    mut luck: Luck,
    tally: Arc<Mutex<Tally>>,
) -> impl FnMut(Endpoint, Duration) -> Reply + Send {
    let mut outage = (s(600), s(660));
    move |_, now| {
        if now >= outage.1 {
            let begins = now + s(300 + luck.below(3_600));
            outage = (begins, begins + s(5 + luck.below(300)));
        }
        let status =
            |status, fields| Reply::Instead(status, fields, json!({ "message": "no" }).to_string());
        if now >= outage.0 {
            return match luck.below(3) {
                0 => status(503, Vec::new()),
                1 => Reply::NotSent,
                _ => Reply::Hangs,
            };
        }
        match luck.below(100) {
            0 => status(500, Vec::new()),
            1 => status(502, Vec::new()),
            2 => status(429, Vec::new()),
            3 => status(429, vec![("retry-after", (1 + luck.below(5)).to_string())]),
            4 => Reply::NotSent,
            5 | 6 => Reply::Lost,
            7 => Reply::Hangs,
            8 if luck.percent(50) => Reply::Garbled("<html>".to_owned()),
            8 => {
                tally.lock().unwrap().count("dead pools of connections");
                Reply::PoolDies
            }
            9 => Reply::Usual(s(4)),
            10 => Reply::Late(s(4)),
            11 => Reply::Late(s(7)),
            _ => Reply::Usual(Duration::from_millis(20) + luck.millis(400)),
        }
    }
}

/// Why WorkOS may refuse a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Excuse {
    Revoked,
    /// The head that carried the newest cookie did not arrive, and nobody came back within ten minutes.
    CookieLost,
    /// WorkOS exchanged the token, and none of its answers arrived while it repeats them.
    AnswerLost,
}

/// A user with a browser.
struct Client {
    service: Service,
    luck: Luck,
    tally: Arc<Mutex<Tally>>,
    user: String,
    session_id: String,
    browser: Browser,
    /// Why WorkOS may refuse the browser's cookie, and from when on.
    excuse: Option<(Excuse, Duration)>,
    /// An answer whose head has not left yet.
    slow: Option<Admission>,
}

impl Client {
    async fn live(mut self, refreshes: usize) {
        while self.service.refreshes() < refreshes {
            time::sleep(self.luck.pause()).await;
            match self.luck.below(100) {
                0..=3 => self.sign_out().await,
                4..=9 => self.switch().await,
                10 => {
                    self.service.workos.revoke(&self.session_id);
                    self.excuse = Some((Excuse::Revoked, Duration::ZERO));
                }
                11..=13 => self.surprise(),
                _ => self.browse().await,
            }
        }
    }

    /// The session's tokens get a claim, or its user a field, that is of a type which nobody expects.
    fn surprise(&mut self) {
        let odd = self.luck.below(12);
        let workos = &self.service.workos;
        let claim = |name, value: Value| workos.claim(&self.session_id, name, value);
        let field = |name, value: Value| workos.change_user(&self.session_id, name, value);
        match odd {
            0 => claim("role", json!({ "slug": "admin" })),
            1 => claim("roles", json!(["admin", null])),
            2 => claim("permissions", json!("a b")),
            3 => claim("entitlements", json!({})),
            4 => claim("feature_flags", json!(7)),
            5 => claim("auth_time", json!("x")),
            6 => claim("scope", json!("read:reports")),
            7 => field("email", Value::Null),
            8 => field("metadata", json!({ "seats": 5, "plan": null })),
            9 => field("locale", json!({})),
            10 => field("first_name", json!([7])),
            _ => field("email_verified", json!("yes")),
        }
        self.count("claims and fields of another type");
    }

    /// Whether a head gets through the proxy in front of the service: the browser sees a 502 in place of one in fifty.
    fn arrives(&mut self) -> bool {
        let arrives = self.luck.below(50) > 0;
        if !arrives {
            self.count("502s of a proxy");
        }
        arrives
    }

    /// The browser does not get these cookies.
    fn lose(&mut self, cookies: &[HeaderValue]) {
        if !cookies.is_empty() {
            let in_ten_minutes = self.service.clock.monotonic() + s(600);
            self.excuse = self.excuse.or(Some((Excuse::CookieLost, in_ten_minutes)));
        }
    }

    fn count(&self, what: impl Into<String>) {
        self.tally.lock().unwrap().count(what);
    }

    async fn sign_in(&mut self) {
        let claims = json!({ "org_id": "org_a" });
        self.browser = Browser::default();
        self.slow = None;
        self.excuse = None;
        loop {
            let answer = self.service.workos.sign_in(&self.user, claims.clone());
            let begun = self
                .service
                .authenticator
                .start_session(answer.as_bytes(), &self.browser.headers())
                .await;
            if let Ok(begun) = begun
                && self.arrives()
            {
                self.session_id = begun.session.session_id().to_owned();
                self.service.workos.join(&self.session_id, "org_b");
                self.browser.take(&begun.set_cookies);
                return;
            }
            time::sleep(s(5)).await;
        }
    }

    async fn sign_out(&mut self) {
        let signed_out = self.service.authenticator.sign_out(&self.browser.headers());
        if self.arrives() {
            self.browser.take(&signed_out.set_cookies);
            assert!(!self.browser.is_signed_in());
        } else {
            let still = self.service.open(&self.browser).await;
            assert!(still.is_err(), "a session that has ended is admitted");
        }
        if let Some(slow) = self.slow.take() {
            self.count("slow answers after a sign-out");
            assert!(slow.set_cookie_headers().is_empty(), "a cookie is set after the sign-out");
        }
        self.count("sign-outs by the user");
        self.sign_in().await;
    }

    /// The organization of the browser's cookie.
    fn organization(&self) -> Option<String> {
        let (_, sealed) = self.browser.cookie()?;
        let reader = self.service.authenticator.reader();
        let candidate = reader.open(sealed.as_bytes(), Default::default(), &mut Attempts::new());
        candidate.opened?.unverified().org_id.clone()
    }

    async fn switch(&mut self) {
        let Ok(admission) = self.service.open(&self.browser).await else { return };
        let target = if self.luck.percent(50) { "org_a" } else { "org_b" };
        let headers = self.browser.headers();
        let session = Arc::clone(admission.session());
        let switched =
            self.service.authenticator.switch_organization(&headers, &session, target).await;
        match switched {
            Ok(switched) => {
                assert_eq!(switched.session().organization_id(), Some(target));
                assert_eq!(switched.session().user_id(), self.user);
                self.count("switches of organization");
                if self.luck.percent(90) {
                    self.receive(&switched);
                }
            }
            Err(error) => self.count(format!("switches that failed: {:?}", error.kind())),
        }
    }

    /// Sends some requests at once; some of them are given up, some answers get lost. Who sees a 502 mostly tries again.
    async fn browse(&mut self) {
        while self.send_some().await == Delivery::Lost && self.luck.percent(70) {
            time::sleep(s(1 + self.luck.below(10))).await;
        }
    }

    async fn send_some(&mut self) -> Delivery {
        let mut delivery = Delivery::Arrived;
        let organization = self.organization();
        let mut requests = JoinSet::new();
        for _ in 0..1 + self.luck.below(4) {
            let (service, browser) = (self.service.clone(), self.browser.clone());
            let gone = self.luck.percent(15).then(|| self.luck.millis(600));
            requests.spawn(async move {
                match gone {
                    Some(after) => {
                        time::timeout(after, service.open(&browser)).await.map_or(None, |_| None)
                    }
                    None => Some(service.open(&browser).await),
                }
            });
        }
        for answer in requests.join_all().await {
            self.count("requests");
            match answer {
                None => self.count("clients gone"),
                Some(Ok(admission)) => {
                    self.count("admitted");
                    assert_eq!(admission.session().user_id(), self.user, "another user's session");
                    assert_eq!(admission.session().session_id(), self.session_id);
                    let admitted = admission.session().organization_id();
                    assert_eq!(admitted, organization.as_deref(), "another organization's session");
                    let session = admission.session();
                    assert_eq!(session.role(), None, "a claim of another type is held by nobody");
                    let held = [session.roles(), session.permissions(), session.entitlements()];
                    assert!(held.concat().is_empty(), "a claim of another type is held by nobody");
                    if self.luck.percent(30) {
                        time::sleep(self.luck.millis(3_000)).await;
                    }
                    if self.luck.percent(5) {
                        self.slow = Some(admission);
                    } else {
                        delivery = delivery.max(self.receive(&admission));
                    }
                }
                Some(Err(refusal)) => match self.refused(&refusal) {
                    GoesOn::Yes(delivered) => delivery = delivery.max(delivered),
                    GoesOn::No => {
                        self.sign_in().await;
                        return Delivery::Arrived;
                    }
                },
            }
        }
        delivery
    }

    /// A head leaves; sometimes it gets lost.
    fn receive(&mut self, admission: &Admission) -> Delivery {
        let cookies = admission.set_cookie_headers();
        if !self.arrives() {
            self.lose(&cookies);
            return Delivery::Lost;
        }
        if cookies.is_empty() {
            return Delivery::Arrived;
        }
        if self.luck.percent(3) {
            self.count("cookies lost on the way");
            self.lose(&cookies);
            return Delivery::Arrived;
        }
        self.browser.take(&cookies);
        self.excuse = self.excuse.filter(|(excuse, _)| *excuse != Excuse::CookieLost);
        Delivery::Arrived
    }

    /// Whether the session goes on.
    fn refused(&mut self, refusal: &Refusal) -> GoesOn {
        let cookies = refusal.set_cookie_headers(FetchDestination::Document);
        let reason = refusal.reason();
        self.count(format!("refused: {reason}"));
        if !self.arrives() {
            // The user sees a 502, and no page that asks to sign in.
            self.lose(&cookies);
            return GoesOn::Yes(Delivery::Lost);
        }
        self.browser.take(&cookies);
        match refusal.kind() {
            RefusalKind::Unavailable => return GoesOn::Yes(Delivery::Arrived),
            RefusalKind::ChallengeDocuments if reason == Reason::OtherOrganization => {
                return GoesOn::Yes(Delivery::Arrived);
            }
            RefusalKind::Challenge | RefusalKind::ChallengeDocuments => {}
        }
        let now = self.service.clock.monotonic();
        let undelivered = self.service.workos.is_undelivered(&self.session_id);
        let excuse = self.excuse.filter(|(_, from)| *from <= now).map(|(excuse, _)| excuse);
        match excuse.or(undelivered.then_some(Excuse::AnswerLost)) {
            Some(excuse) => self.count(format!("signed out by WorkOS: {excuse:?}")),
            None => panic!("signed out without a reason: {reason}\n{}", self.tally.lock().unwrap()),
        }
        GoesOn::No
    }
}

/// Whether a head has reached the browser.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Delivery {
    Arrived,
    /// The browser has seen a 502.
    Lost,
}

/// Whether a session goes on after a refusal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GoesOn {
    Yes(Delivery),
    No,
}

/// Lives through so many refreshes, and returns what happened and what that took.
async fn soak(refreshes: usize, seed: u64) -> (Tally, Memories) {
    let service = Service::new();
    let tally = Arc::new(Mutex::new(Tally::default()));
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        let mut client = Client {
            service: service.clone(),
            luck: Luck(seed ^ (n << 32)),
            tally: Arc::clone(&tally),
            user: format!("user_{n}"),
            session_id: String::new(),
            browser: Browser::default(),
            excuse: None,
            slow: None,
        };
        client.sign_in().await;
        clients.spawn(client.live(refreshes));
    }
    service.workos.weather(weather(Luck(seed), Arc::clone(&tally)));
    let strangers =
        tokio::spawn(strangers::flood(service.clone(), Luck(!seed), Arc::clone(&tally)));
    let memories = Arc::new(Mutex::new(Memories::default()));
    let watch = tokio::spawn({
        let (service, memories) = (service.clone(), Arc::clone(&memories));
        async move {
            loop {
                let memory = Memory::of(&service.authenticator);
                memories.lock().unwrap().add(service.refreshes(), refreshes, memory);
                time::sleep(s(600)).await;
            }
        }
    });
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    for task in [watch, strangers] {
        task.abort();
        let _ = task.await;
    }

    // Nothing stays for ever.
    service.workos.weather(|_, _| Reply::Usual(Duration::ZERO));
    assert!(service.authenticator.drain(s(60)).await);
    time::sleep(s(25 * 60 * 60)).await;
    let stranger = service.sign_in("stranger").await;
    service.open(&stranger).await.unwrap();
    assert_eq!(service.authenticator.refresh_state().lock().lineages.len(), 0);
    drop(service);
    let tally = Arc::into_inner(tally).unwrap().into_inner().unwrap();
    (tally, Arc::into_inner(memories).unwrap().into_inner().unwrap())
}

/// 2,000 refreshes; `AUTHKIT_SOAK` sets another number, for a run of this test alone.
#[tokio::test(start_paused = true)]
async fn nobody_is_signed_out_by_a_fault_that_is_not_theirs() {
    let longer = env::var("AUTHKIT_SOAK").ok().map(|number| number.parse().unwrap());
    let refreshes = longer.unwrap_or(2_000);
    let began = Instant::now();
    let (tally, memories) = soak(refreshes, SEED).await;
    let took = began.elapsed();
    println!("{refreshes} refreshes of {CLIENTS} users in {took:.1?}, seed {SEED}:\n{tally}");
    println!("remembered at most, in each tenth of the refreshes:\n{memories}");
    assert!(memories.most().entries < 5_000, "{memories}");
    if longer.is_some_and(|refreshes| refreshes >= DAYS) {
        memories.assert_flat();
    }
    for happened in [
        "admitted",
        "clients gone",
        "cookies lost on the way",
        "502s of a proxy",
        "claims and fields of another type",
        "dead pools of connections",
        "requests of strangers",
        "refused: timed_out",
        "sign-outs by the user",
        "switches of organization",
        "signed out by WorkOS: Revoked",
    ] {
        assert!(tally.of(happened) > 0, "never: {happened}");
    }
}

const CLIENTS: u64 = 40;
/// So many refreshes take several days, of which the table remembers one.
const DAYS: usize = 20_000;
const SEED: u64 = 20_270_115;
