use std::{mem, sync::Arc, time::Duration};

use http::HeaderMap;

use crate::{
    candidate::{
        OpenedSession, SessionCandidate,
        cache::{self, SessionCache},
        jwks::Jwks,
        kept_cookie::KeptCookie,
        verify::{verdict_by_times, verify, verify_bearer},
    },
    clock,
    config::settings::Settings,
    cookie::received::{self, CookieValue, ReceivedCookies, SessionCookies},
    decide::Verdict,
    meter::CacheLookup,
    payload::Payload,
    seal::{Attempts, PasswordId, Reuse, Sealer, Unsealed},
    session::{KeyGenerations, Remembered, VerifiedSession},
    token::{AccessToken, SessionIdHash, keys::KeyId, verified::VerifiedToken},
    user::shown::ShownUser,
};

/// Reads the session out of a request's cookies: opens it, verifies it, and remembers it.
#[derive(Debug)]
pub(crate) struct SessionReader {
    settings: Arc<Settings>,
    sealer: Arc<Sealer>,
    keys: Jwks,
    cache: SessionCache,
}

impl SessionReader {
    pub(crate) fn new(
        settings: Arc<Settings>,
        sealer: Arc<Sealer>,
        keys: Jwks,
        cache: SessionCache,
    ) -> Self {
        Self { settings, sealer, keys, cache }
    }

    /// WorkOS's signing keys.
    pub(crate) fn keys(&self) -> &Jwks {
        &self.keys
    }

    #[cfg(test)]
    pub(crate) fn cache(&self) -> &SessionCache {
        &self.cache
    }

    /// The session among a request's cookies. A session that was verified before is not opened again.
    #[inline]
    pub(crate) fn read(&self, headers: &HeaderMap) -> SessionCandidate {
        let mut cookies = SessionCookies::default();
        let mut first = None;
        cookies.collect(headers, self.settings.cookie_name(), |field| {
            let session = self.cache.get_at_start(field)?;
            let length = session.remembered.as_ref()?.length;
            first = Some(session);
            Some(length as usize)
        });
        let Some(value) = cookies.value(0) else {
            return SessionCandidate::without_session(Verdict::Absent, cookies.received);
        };
        // One that is beyond what is looked at is not the value here.
        let first = first.filter(|it| it.is_remembered_by(value.len()));
        let first = first.or_else(|| self.cache.get(value));
        if cookies.count() == 1
            && let Some(session) = first
            && let Some(verdict) = self.still_counts(&session)
        {
            return SessionCandidate::known(session, verdict, cookies.received);
        }
        self.read_more(&cookies)
    }

    /// The session among these cookies, of which not all are known, or there are several.
    #[inline(never)]
    fn read_more(&self, cookies: &SessionCookies<'_>) -> SessionCandidate {
        self.best(cookies, |value, others, attempts| {
            let known = self.cache.get(value).and_then(|it| Some((self.still_counts(&it)?, it)));
            match known {
                Some((verdict, session)) => {
                    SessionCandidate::known(session, verdict, cookies.received)
                }
                None => {
                    self.settings.meter.session_cache(CacheLookup::Miss);
                    self.open_and_remember(value, cookies.received, others, attempts)
                }
            }
        })
    }

    /// Like [`read`](Self::read), but always opens the cookie, as a refresh needs it.
    pub(crate) fn read_opened(&self, headers: &HeaderMap) -> SessionCandidate {
        let cookies = received::session_cookies(headers, self.settings.cookie_name());
        self.best(&cookies, |value, others, attempts| {
            self.open_and_remember(value, cookies.received, others, attempts)
        })
    }

    /// Every session among the cookies of this name that can be opened, whether or not its token is valid.
    pub(crate) fn open_all(
        &self,
        name: &str,
        headers: &HeaderMap,
    ) -> (Vec<Arc<OpenedSession>>, ReceivedCookies) {
        let cookies = received::session_cookies(headers, name);
        let mut attempts = Attempts::new();
        let sessions = cookies
            .values()
            .enumerate()
            .filter_map(|(n, value)| {
                attempts.with_share(cookies.count() - 1 - n, |attempts| {
                    self.open(&value.whole(), cookies.received, attempts).opened
                })
            })
            .collect();
        (sessions, cookies.received)
    }

    /// Opens and verifies one value.
    pub(crate) fn open(
        &self,
        value: &[u8],
        received: ReceivedCookies,
        attempts: &mut Attempts,
    ) -> SessionCandidate {
        match self.sealer.open(value, attempts) {
            Ok(unsealed) => self.read_unsealed(unsealed, received),
            Err(_) => SessionCandidate::without_session(Verdict::Unreadable, received),
        }
    }

    /// Verifies the session of a cookie that was opened, or sealed, just now.
    pub(crate) fn read_unsealed(
        &self,
        unsealed: Unsealed,
        received: ReceivedCookies,
    ) -> SessionCandidate {
        let Ok(mut payload) = Payload::parse(&unsealed.plaintext) else {
            return SessionCandidate::without_session(Verdict::NotASession, received);
        };
        let (verdict, session) = self.verify(&mut payload);
        let refresh_token = payload.refresh_token.take();
        drop(payload);
        let opened = Arc::new(OpenedSession::new(unsealed, refresh_token));
        SessionCandidate::verified(opened, verdict, session, received)
    }

    /// Verifies an opened session again, with the keys that are there now.
    pub(crate) fn verify_again(&self, candidate: SessionCandidate) -> SessionCandidate {
        let SessionCandidate { opened: Some(opened), received, .. } = candidate else {
            return candidate;
        };
        let Ok(mut payload) = Payload::parse(&opened.unsealed.plaintext) else {
            return SessionCandidate::without_session(Verdict::NotASession, received);
        };
        let (verdict, session) = self.verify(&mut payload);
        drop(payload);
        SessionCandidate::verified(opened, verdict, session, received)
    }

    /// Verifies the session of an opened cookie.
    pub(crate) fn verify(&self, payload: &mut Payload<'_>) -> (Verdict, Option<VerifiedSession>) {
        let now = self.settings.clock().unix();
        verify(payload, self.keys.current().as_deref(), &self.settings.rules, now)
    }

    /// Verifies an access token that came without a cookie.
    pub(crate) fn verify_bearer(&self, token: &str) -> (Verdict, Option<VerifiedToken>) {
        let now = self.settings.clock().unix();
        let token = AccessToken::new(token);
        verify_bearer(token, self.keys.current().as_deref(), &self.settings.rules, now)
    }

    /// Reads each session that a request brought, and chooses the one that counts. `look` is told how many values
    /// follow.
    fn best(
        &self,
        cookies: &SessionCookies<'_>,
        mut look: impl FnMut(CookieValue<'_>, usize, &mut Attempts) -> SessionCandidate,
    ) -> SessionCandidate {
        let mut attempts = Attempts::new();
        let Some(first) = cookies.value(0) else {
            return SessionCandidate::without_session(Verdict::Absent, cookies.received);
        };
        let mut others = cookies.count() - 1;
        let mut best = look(first, others, &mut attempts);
        for value in cookies.values().skip(1) {
            others -= 1;
            best = best.or_better(look(value, others, &mut attempts));
        }
        best
    }

    /// What sessions are opened and verified with at `now`, in nanoseconds of the monotonic clock.
    #[inline]
    fn generations(&self, now: u64) -> KeyGenerations {
        KeyGenerations { passwords: self.sealer.generation(), keys: self.keys.fetched_at(now) }
    }

    /// Opens a value that has `others` after it, with its share of the attempts.
    #[inline(never)]
    fn open_and_remember(
        &self,
        value: CookieValue<'_>,
        received: ReceivedCookies,
        others: usize,
        attempts: &mut Attempts,
    ) -> SessionCandidate {
        let value = value.whole();
        let generations = self.generations(clock::nanos(self.settings.clock().monotonic()));
        let mut candidate =
            attempts.with_share(others, |attempts| self.open(&value, received, attempts));
        self.remember(&value, &mut candidate, generations);
        candidate
    }

    /// A session that was verified before, if it still counts: neither clock says that its token has expired, and the
    /// password and the key that it was verified with are still in use.
    ///
    /// Inlined, as every request asks it: calling it would cost a sixth of it.
    #[inline(always)]
    fn still_counts(&self, session: &VerifiedSession) -> Option<Verdict> {
        let remembered = session.remembered.as_ref()?;
        let (unix, now) = self.settings.clock().both();
        let verdict = verdict_by_times(&session.claims, self.settings.rules.leeway, unix);
        let generations = self.generations(now);
        let is_unchanged = generations.keys.is_some() && generations == remembered.generations;
        let counts = matches!(verdict, Verdict::Good | Verdict::Expiring)
            && now < remembered.until
            && (is_unchanged || self.is_still_in_use(session.key, remembered.password));
        if !counts {
            return None;
        }
        self.settings.meter.session_cache(CacheLookup::Hit);
        Some(verdict)
    }

    /// Whether this key and this password are among those in use.
    #[inline(never)]
    fn is_still_in_use(&self, key: KeyId, password: PasswordId) -> bool {
        let keys = self.keys.current();
        keys.as_ref().is_some_and(|keys| keys.has_id(key)) && self.sealer.has(password)
    }

    /// Caches a session that may be admitted, under the cookie value that it came in.
    fn remember(
        &self,
        value: &[u8],
        candidate: &mut SessionCandidate,
        generations: KeyGenerations,
    ) {
        let SessionCandidate {
            verdict: Verdict::Good | Verdict::Expiring,
            session: Some(session),
            opened: Some(opened),
            pair,
            ..
        } = candidate
        else {
            return;
        };
        let password = opened.unsealed.seal.password();
        let passwords = self.sealer.shared_ring();
        // The passwords may have been replaced since the cookie was opened.
        let may_be_kept = opened.unsealed.reuse == Reuse::Allowed && passwords.has(password);
        if !self.cache.is_on() || !may_be_kept {
            return;
        }
        let clock = self.settings.clock();
        let end = session.claims.exp.saturating_add(self.settings.rules.leeway);
        let left = Duration::from_secs(end.saturating_sub(clock.unix()));
        let cookie = Arc::new(KeptCookie::new(value, passwords));
        let weight = cache::weight(&cookie, session);
        let (Ok(length), Ok(weight)) = (u32::try_from(value.len()), u32::try_from(weight)) else {
            return;
        };
        // No other code holds the session yet.
        let Some(new) = Arc::get_mut(session) else { return };
        new.token.access_token = AccessToken::kept(Arc::clone(&cookie) as _);
        let shown = mem::replace(&mut new.shown, ShownUser::Kept(Arc::clone(&cookie) as _));
        cookie.keep_shown(shown, new.user_id());
        new.remembered = Some(Remembered {
            refresh_token: pair.map(|pair| pair.token),
            session_id: SessionIdHash::of(new.session_id()),
            password,
            generations,
            until: clock::nanos(clock.monotonic().saturating_add(left)),
            length,
            weight,
        });
        self.cache.insert(cookie, Arc::clone(session));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use http::{HeaderValue, header};
    use tokio::{runtime::Handle, task::block_in_place, time};

    use super::*;
    use crate::{
        Clock, CookiePassword,
        candidate::jwks::FetchFor,
        testing::{self, OwnerParts},
    };

    fn headers(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let field = format!("wos_session={value}");
        headers.insert(header::COOKIE, HeaderValue::from_str(&field).unwrap());
        headers
    }

    /// A request with these cookies, a field each.
    fn several(values: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for value in values {
            fields.append(header::COOKIE, headers(value)[header::COOKIE].clone());
        }
        fields
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_opened_and_verified_once_and_known_from_then_on() {
        let parts = OwnerParts::new(|config| config);
        let reader = &parts.reader;
        let cookie = headers(&parts.sealed_session("user_a"));
        assert_eq!(reader.read(&cookie).verdict, Verdict::NoKeys);
        reader.keys().fetch(FetchFor::None).unwrap().over().await;

        let first = reader.read(&cookie);
        assert_eq!(first.verdict, Verdict::Good);
        assert!(first.opened.is_some(), "opened, and remembered");
        let second = reader.read(&cookie);
        assert_eq!((second.verdict, second.pair), (Verdict::Good, first.pair));
        assert!(second.opened.is_none(), "known");
        let id = SessionIdHash::of(second.session_id().unwrap());
        assert_eq!(second.session_id_hash(), Some(id), "its end is looked for by its id");
        assert_eq!(first.session_id_hash(), Some(id));
        assert!(reader.read_opened(&cookie).opened.is_some(), "a refresh wants what is inside");
    }

    type Act = Box<dyn FnOnce() + Send>;

    /// An act that is done as a clock is read for the n-th time.
    #[derive(Clone, Default)]
    struct Moment(Arc<Mutex<Option<(usize, Act)>>>);

    impl Moment {
        fn tick(&self) {
            let mut pending = self.0.lock().unwrap();
            let act = match pending.take() {
                Some((0, act)) => act,
                later => {
                    *pending = later.map(|(n, act)| (n - 1, act));
                    return;
                }
            };
            drop(pending);
            act();
        }

        /// A clock whose readings are counted.
        fn clock(&self) -> Clock {
            let (wall, monotonic) = (testing::clock(), testing::clock());
            let (at_wall, at_monotonic) = (self.clone(), self.clone());
            let wall = move || {
                at_wall.tick();
                wall.wall()
            };
            Clock::of(wall, move || {
                at_monotonic.tick();
                monotonic.monotonic()
            })
        }
    }

    /// At whatever moment a password or a key is replaced while a cookie is read that needs it, what the cache then holds
    /// does not count.
    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_taken_away_while_a_cookie_is_read_does_not_count_afterwards() {
        let password: fn(&OwnerParts) -> Act = |parts| {
            let (sealer, other) =
                (Arc::clone(&parts.sealer), "another password of 32 bytes or more");
            Box::new(move || sealer.reload(&CookiePassword::new(other).unwrap(), &[]).unwrap())
        };
        let key: fn(&OwnerParts) -> Act = |parts| {
            let (workos, reader) = (Arc::clone(&parts.workos), Arc::clone(&parts.reader));
            let clock = parts.clock.clone();
            Box::new(move || {
                workos.sign_with(1);
                clock.advance(Duration::from_secs(1));
                let keys = reader.keys().fetch(FetchFor::OwnAnswer).unwrap();
                block_in_place(|| Handle::current().block_on(keys.over()));
            })
        };
        for (taken, afterwards) in [(password, Verdict::Unreadable), (key, Verdict::BadSignature)] {
            let mut was_good = 0;
            for reading in 0.. {
                let moment = Moment::default();
                let parts = OwnerParts::new(|config| config.with_clock(moment.clock()));
                // A fetch at time zero would count as none.
                parts.clock.advance(Duration::from_secs(1));
                parts.reader.keys().fetch(FetchFor::None).unwrap().over().await;
                let cookie = headers(&parts.sealed_session("user_a"));
                *moment.0.lock().unwrap() = Some((reading, taken(&parts)));
                let verdict = parts.reader.read(&cookie).verdict;
                if moment.0.lock().unwrap().take().is_some() {
                    break;
                }
                was_good += usize::from(verdict == Verdict::Good);
                assert!([Verdict::Good, afterwards].contains(&verdict), "{reading}: {verdict:?}");
                assert_eq!(parts.reader.read(&cookie).verdict, afterwards, "{reading}");
            }
            assert!(was_good > 0, "{afterwards:?}: nothing was taken away while it was in use");
        }
    }

    /// No request is admitted as one of two users, whichever cookies come before and after.
    #[tokio::test(start_paused = true)]
    async fn sessions_of_two_users_are_ambiguous_in_every_order() {
        let parts = OwnerParts::new(|config| config);
        parts.reader.keys().fetch(FetchFor::None).unwrap().over().await;
        let [a, b, c] = ["user_a", "user_b", "user_c"].map(|user| parts.sealed_session(user));
        let (a, b, c, x) = (a.as_str(), b.as_str(), c.as_str(), "garbage");
        let cases: [(&[&str], Option<&str>); 11] = [
            (&[a], Some("user_a")),
            (&[a, a], Some("user_a")),
            (&[x, a, x], Some("user_a")),
            (&[a, b], None),
            (&[a, b, a], None),
            (&[a, a, b], None),
            (&[b, a, a], None),
            (&[a, b, x], None),
            (&[x, a, b], None),
            (&[a, x, b], None),
            (&[a, b, c, a, b], None),
        ];
        for (values, user) in cases {
            let fields = several(values);
            // Opened the first time, known from the cache the second time.
            for _ in 0..2 {
                let candidate = parts.reader.read(&fields);
                let got = candidate.session.as_ref().map(|session| session.user_id());
                assert_eq!(got, user, "{} cookies", values.len());
                let expected = if user.is_some() { Verdict::Good } else { Verdict::Ambiguous };
                assert_eq!(candidate.verdict, expected, "{} cookies", values.len());
            }
        }
    }

    /// The cache is asked first, and its answer holds as long as the password does.
    #[tokio::test(start_paused = true)]
    async fn a_known_session_does_not_outlive_the_password_that_opened_it() {
        let parts = OwnerParts::new(|config| config);
        // A fetch at time zero would count as none.
        time::sleep(Duration::from_secs(1)).await;
        parts.reader.keys().fetch(FetchFor::None).unwrap().over().await;
        let cookie = headers(&parts.sealed_session("user_a"));
        for _ in 0..2 {
            assert_eq!(parts.reader.read(&cookie).verdict, Verdict::Good);
        }
        assert!(parts.reader.read(&cookie).opened.is_none(), "known");
        let other = CookiePassword::new("another password of 32 bytes or more").unwrap();
        parts.sealer.reload(&other, &[]).unwrap();
        assert_eq!(parts.reader.read(&cookie).verdict, Verdict::Unreadable);
    }

    /// Older keys may have been withdrawn, so a known session is compared with those that are there then.
    #[tokio::test(start_paused = true)]
    async fn keys_count_as_unchanged_for_five_minutes() {
        let parts = OwnerParts::new(|config| config);
        time::sleep(Duration::from_secs(1)).await;
        let keys = parts.reader.keys();
        let fetched = parts.clock.monotonic();
        assert_eq!(keys.fetched_at(clock::nanos(fetched)), None, "there are none");
        keys.fetch(FetchFor::None).unwrap().over().await;
        for (age, is_unchanged) in [(0, true), (299, true), (300, false), (3_600, false)] {
            let now = clock::nanos(fetched + Duration::from_secs(age));
            assert_eq!(keys.fetched_at(now).is_some(), is_unchanged, "{age} seconds");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_sessions_of_one_user_the_later_one_counts_in_either_order() {
        let parts = OwnerParts::new(|config| config);
        parts.reader.keys().fetch(FetchFor::None).unwrap().over().await;
        let earlier = parts.sealed_session("user_a");
        time::sleep(Duration::from_secs(5)).await;
        let later = parts.sealed_session("user_a");
        let made = parts.reader.read(&headers(&later)).times().unwrap().issued_at;
        for order in [[&*earlier, &*later], [&*later, &*earlier]] {
            for _ in 0..2 {
                let candidate = parts.reader.read(&several(&order));
                assert_eq!(candidate.verdict, Verdict::Good);
                assert_eq!(candidate.times().unwrap().issued_at, made);
            }
        }
        let times = parts.reader.read(&headers(&earlier)).times().unwrap();
        assert_eq!(times.issued_at + 5, made);
    }

    #[tokio::test(start_paused = true)]
    async fn of_two_sessions_of_one_second_the_first_counts() {
        let parts = OwnerParts::new(|config| config);
        parts.reader.keys().fetch(FetchFor::None).unwrap().over().await;
        let [a, b] = [(); 2].map(|()| parts.sealed_session("user_a"));
        for order in [[&*a, &*b], [&*b, &*a]] {
            let first = parts.reader.read(&headers(order[0])).pair;
            assert!(first.is_some());
            assert_eq!(parts.reader.read(&several(&order)).pair, first);
        }
    }

    /// Its user is told apart from others, and its token is exchanged, although it does not verify.
    #[test]
    fn of_cookies_that_do_not_verify_the_first_that_opens_counts() {
        let parts = OwnerParts::new(|config| config);
        let [a, b] = ["user_a", "user_b"].map(|user| parts.sealed_session(user));
        let (a, b, x) = (a.as_str(), b.as_str(), "garbage");
        let cases: [(&[&str], Verdict, Option<&str>); 6] = [
            (&[a], Verdict::NoKeys, Some("user_a")),
            (&[a, b], Verdict::NoKeys, Some("user_a")),
            (&[b, a], Verdict::NoKeys, Some("user_b")),
            (&[a, x], Verdict::NoKeys, Some("user_a")),
            (&[x, a], Verdict::NoKeys, Some("user_a")),
            (&[x, x], Verdict::Unreadable, None),
        ];
        for (values, verdict, user) in cases {
            let candidate = parts.reader.read(&several(values));
            let subject = candidate.opened.and_then(|opened| opened.subject());
            assert_eq!((candidate.verdict, subject.as_deref()), (verdict, user), "{values:?}");
        }
    }

    /// Of two values each may take half of the attempts, and the last one what is left.
    #[test]
    fn garbage_beside_a_good_value_leaves_it_its_share_of_the_attempts() {
        let parts = OwnerParts::new(|config| config);
        let good = parts.sealed_session("user_a");
        let new: Vec<_> = (10..25)
            .map(|n| CookiePassword::new(format!("password {n} of no less than 32 bytes")).unwrap())
            .collect();
        let old = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        // The last of sixteen passwords opens it, with the sixteenth attempt.
        parts.sealer.reload(&new[0], &[&new[1..], &[old]].concat()).unwrap();
        let stranger = CookiePassword::new("a stranger's password, as long as ours").unwrap();
        let theirs = OwnerParts::new(|config| crate::Config { password: stranger, ..config });
        let garbage = theirs.sealed_session("user_a");
        for order in [[&*garbage, &*good], [&*good, &*garbage]] {
            let fields = several(&order);
            assert_eq!(parts.reader.read(&fields).verdict, Verdict::NoKeys);
            assert_eq!(parts.reader.read_opened(&fields).verdict, Verdict::NoKeys);
            assert_eq!(parts.reader.open_all("wos_session", &fields).0.len(), 1);
        }
        let worst = several(&[&*garbage, &*garbage, &*good]);
        assert_eq!(parts.reader.read(&worst).verdict, Verdict::Unreadable, "a third is too little");
    }

    #[test]
    fn what_holds_no_session_is_told_from_what_cannot_be_read() {
        let parts = OwnerParts::new(|config| config);
        let ring = parts.sealer.ring();
        let not_a_session = parts.sealer.seal(b"[]", &ring.target(None)).unwrap();
        let read = |headers: &HeaderMap| parts.reader.read(headers).verdict;
        assert_eq!(read(&HeaderMap::new()), Verdict::Absent);
        assert_eq!(read(&headers("garbage")), Verdict::Unreadable);
        assert_eq!(read(&headers(&not_a_session)), Verdict::NotASession);
    }
}
