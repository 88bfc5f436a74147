use std::{collections::HashSet, hash::BuildHasher, time::Duration};

use http::{HeaderMap, HeaderValue, header};
use serde_json::json;
use tokio::time;

use super::*;
use crate::{
    CookiePassword, Decision, Policy, Reason, Revocation, SealFormat,
    candidate::SessionCandidate,
    clock,
    decide::Verdict,
    integration::FetchDestination,
    testing::{Browser, Endpoint, Service},
};

const OTHER_PASSWORD: &str = "another password of no less than 32 bytes";

impl Service {
    fn in_format(format: SealFormat) -> Self {
        let password = match format {
            SealFormat::Ruby6 => "exactly thirty-two bytes of text",
            SealFormat::Rust => "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            SealFormat::Ruby | SealFormat::Go | SealFormat::Python | SealFormat::Node => {
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
            }
        };
        let first = Self::new();
        Self::with(Arc::clone(&first.workos), first.clock.clone(), |config| {
            let password = CookiePassword::new(password).unwrap();
            crate::Config { password, ..config }.with_seal_format(format)
        })
    }

    fn present(&self, browser: &Browser) -> SessionCandidate {
        self.authenticator.reader().read(&browser.headers())
    }

    /// Whether a request of this browser is known by its cookie.
    fn knows(&self, browser: &Browser) -> bool {
        let presented = self.present(browser);
        presented.session.is_some() && presented.opened.is_none()
    }

    /// The browser of somebody who signed in, and whose session was verified for a request.
    async fn seen(&self, user: &str) -> Browser {
        let browser = self.sign_in(user).await;
        assert!(!self.knows(&browser), "nothing is known before the first request");
        assert!(self.knows(&browser), "its cookie is known");
        browser
    }
}

impl Browser {
    fn value(&self) -> String {
        let headers = self.headers();
        headers[header::COOKIE].to_str().unwrap().split_once('=').unwrap().1.to_owned()
    }
}

impl Service {
    /// Remembers a session by this value.
    fn insert(&self, cache: &SessionCache, value: &[u8], session: &VerifiedSession) {
        let cookie = KeptCookie::new(value, self.authenticator.sealer().shared_ring());
        let mut session = session.clone();
        let weight = weight(&cookie, &session);
        let remembered = session.remembered.as_mut().unwrap();
        remembered.length = u32::try_from(value.len()).unwrap();
        remembered.weight = u32::try_from(weight).unwrap();
        cache.insert(Arc::new(cookie), Arc::new(session));
    }
}

/// The same session, remembered until another time.
fn until(session: &VerifiedSession, until: Duration) -> VerifiedSession {
    let mut session = session.clone();
    session.remembered.as_mut().unwrap().until = clock::nanos(until);
    session
}

/// What a session is remembered with that verified just now.
fn remembered(service: &Service, browser: &Browser) -> Arc<VerifiedSession> {
    let value = browser.value();
    service.authenticator.reader().cache().get(CookieValue::of(&[value.as_bytes()])).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_is_verified_once() {
    let service = Service::new();
    let browser = service.sign_in("user_a").await;
    let first = service.present(&browser);
    let second = service.present(&browser);
    assert!(first.opened.is_some() && second.opened.is_none());
    assert!(Arc::ptr_eq(&first.session.unwrap(), &second.session.unwrap()));
    assert_eq!((first.verdict, first.pair), (second.verdict, second.pair));
}

/// Its token and its user take no memory before somebody asks for them, and are the ones that were verified.
#[tokio::test(start_paused = true)]
async fn a_known_session_has_the_token_and_the_user_that_its_cookie_holds() {
    for &format in SealFormat::ALL {
        let service = Service::in_format(format);
        let browser = service.sign_in("user_a").await;
        let verified = service.present(&browser);
        let opened = verified.opened.unwrap().unsealed.plaintext.clone();
        let payload: serde_json::Value = serde_json::from_slice(&opened).unwrap();
        let token = payload.get("access_token").or_else(|| payload.get("accessToken")).unwrap();
        let known = service.present(&browser).session.unwrap();
        assert_eq!(known.access_token().expose(), token.as_str().unwrap(), "{format}");
        assert_eq!(known.access_token().clone().expose(), token.as_str().unwrap(), "{format}");
        assert_eq!(known.claims::<serde_json::Value>().unwrap()["sub"], "user_a", "{format}");
        assert!(!format!("{:?}", known.access_token()).contains(token.as_str().unwrap()));
        let user: crate::User = serde_json::from_value(payload["user"].clone()).unwrap();
        let methods = ["authentication_method", "authenticationMethod"];
        let method = methods.iter().find_map(|name| payload.get(*name)?.as_str());
        assert_eq!((known.user(), known.authentication_method()), (&user, method), "{format}");
        assert_eq!(known.as_ref().clone().user(), &user, "{format}");

        let other = CookiePassword::new(OTHER_PASSWORD).unwrap();
        let asked_for_later = service.present(&service.sign_in("user_b").await).session.unwrap();
        service.authenticator.reload_keys(&other, &[]).unwrap_or_default();
        let user = asked_for_later.user();
        assert_eq!((&*user.id, asked_for_later.authentication_method()), ("user_b", method));
        assert!(user.email.as_deref().is_some_and(|it| it.starts_with("user_b")), "{format}");
        assert_eq!(asked_for_later.claims::<serde_json::Value>().unwrap()["sub"], "user_b");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_known_in_every_format_and_in_parts() {
    for &format in SealFormat::ALL {
        let service = Service::in_format(format);
        service.seen("user_a").await;

        let permissions: Vec<_> = (0..150).map(|n| format!("permission:{n}")).collect();
        let large = service.sign_in_with("user_b", json!({ "permissions": permissions })).await;
        assert!(large.headers()[header::COOKIE].to_str().unwrap().contains("wos_session.1="));
        assert!(!service.knows(&large), "{format}");
        assert!(service.knows(&large), "{format}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_forgotten_with_what_it_was_verified_with() {
    let service = Service::new();
    let browser = service.seen("user_a").await;
    let password = || CookiePassword::new("a password of no less than 32 bytes").unwrap();
    let other = || CookiePassword::new(OTHER_PASSWORD).unwrap();

    service.authenticator.reload_keys(&other(), &[password()]).unwrap();
    assert!(service.knows(&browser), "the password still opens");
    service.authenticator.reload_keys(&other(), &[]).unwrap();
    assert_eq!(service.present(&browser).verdict, Verdict::Unreadable);
    service.authenticator.reload_keys(&password(), &[]).unwrap();
    assert!(service.knows(&browser), "the password is back");

    service.workos.sign_with(1);
    service.sign_in("user_b").await;
    assert_eq!(service.present(&browser).verdict, Verdict::UnknownKey, "its key is withdrawn");
}

#[tokio::test(start_paused = true)]
async fn jw_08_it_does_not_outlive_its_token_by_either_clock() {
    let service = Service::new();
    let browser = service.seen("user_a").await;
    let value = browser.value();
    let cache = &service.authenticator.reader().cache();
    let known = remembered(&service, &browser);
    let now = service.clock.monotonic();

    assert!(known.remembered.unwrap().until > clock::nanos(now + Duration::from_secs(290)));
    service.insert(cache, value.as_bytes(), &until(&known, now));
    assert!(!service.knows(&browser), "over by the monotonic clock");

    time::sleep(Duration::from_secs(280)).await;
    assert!(service.knows(&browser), "expiring, but good");
    time::sleep(Duration::from_secs(30)).await;
    let later = service.clock.monotonic() + Duration::from_secs(1_000);
    service.insert(cache, value.as_bytes(), &until(&known, later));
    let presented = service.present(&browser);
    assert_eq!(presented.verdict, Verdict::Expired, "over by the wall clock");
    assert!(presented.opened.is_some());
}

#[tokio::test(start_paused = true)]
async fn jw_08_it_is_known_to_one_handle_by_one_cookie() {
    let service = Service::new();
    let replica = service.replica(|config| config);
    let browser = service.seen("user_a").await;
    replica.open(&browser).await.unwrap();
    let elsewhere = service.replica(|config| config.with_issuers(["https://elsewhere.example"]));
    assert_eq!(elsewhere.open(&browser).await.unwrap_err().reason(), Reason::NotOurs);

    let other = service.sign_in("user_a").await;
    assert!(!service.knows(&other), "another cookie of the same user");
    assert!(service.knows(&browser));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_is_refused_though_it_is_known() {
    let service = Service::new();
    let signed_out = service.seen("user_a").await;
    let revoked = service.seen("user_b").await;
    let untouched = service.seen("user_c").await;

    service.authenticator.sign_out(&signed_out.headers());
    let session = service.present(&revoked).session.unwrap();
    let revocation = Revocation::session(session.session_id(), service.clock.wall());
    service.authenticator.revoke(revocation).await.unwrap();

    assert_eq!(service.open(&signed_out).await.unwrap_err().reason(), Reason::SignedOut);
    assert_eq!(service.open(&revoked).await.unwrap_err().reason(), Reason::Revoked);
    assert!(service.knows(&untouched));
}

#[tokio::test(start_paused = true)]
async fn a_known_session_is_refreshed_like_any_other() {
    let service = Service::new();
    let mut browser = service.seen("user_a").await;
    time::sleep(Duration::from_secs(100)).await;
    assert!(service.knows(&browser));

    let policy = Policy::default().with_max_token_age(Duration::from_secs(60));
    let admission = service.open_under(&browser, &policy).await.unwrap();
    assert_eq!(service.workos.calls(Endpoint::Authenticate), 1);
    let old = browser.value();
    browser.take(&admission.set_cookie_headers());
    assert_ne!(browser.value(), old, "the browser gets the new session");
    assert!(matches!(service.decide(&browser), Decision::Admit(_)));
    assert!(service.knows(&browser));

    let unrefreshable = policy.without_refresh();
    time::sleep(Duration::from_secs(100)).await;
    let refusal = service.open_under(&browser, &unrefreshable).await.unwrap_err();
    assert_eq!(refusal.set_cookie_headers(FetchDestination::Document).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_what_is_spelt_as_it_was_written_is_remembered() {
    let service = Service::new();
    let browser = loop {
        let browser = service.sign_in("user_a").await;
        if browser.value().contains("%2B") && browser.value().contains('/') {
            break browser;
        }
    };
    let value = browser.value();
    let odd = format!("%{:02x}{}", value.as_bytes()[0], &value[1..]);
    let unpadded = value.trim_end_matches('=').to_owned();
    for odd in [odd, unpadded].into_iter().filter(|odd| *odd != value) {
        let odd = Browser::holding(&odd);
        for _ in 0..3 {
            assert!(!service.knows(&odd));
            assert_eq!(service.present(&odd).verdict, Verdict::Good);
        }
    }
    assert!(!service.knows(&browser) && service.knows(&browser));
    for escaped in ["%2B", "+"] {
        let other = Browser::holding(&value.replace("%2B", escaped).replace('/', "%2F"));
        assert!(!service.knows(&other) && service.knows(&other), "as frameworks write it");
    }
}

#[tokio::test(start_paused = true)]
async fn it_can_be_switched_off() {
    let first = Service::new();
    let service = first.replica(|config| config.with_session_cache(0));
    let browser = service.sign_in("user_a").await;
    for _ in 0..3 {
        assert!(!service.knows(&browser));
        assert!(service.present(&browser).session.unwrap().remembered.is_none());
        assert!(service.open(&browser).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn two_users_are_told_apart() {
    let service = Service::new();
    let (a, b) = (service.seen("user_a").await, service.seen("user_b").await);
    for _ in 0..3 {
        assert_eq!(service.present(&a).session.unwrap().user_id(), "user_a");
        assert_eq!(service.present(&b).session.unwrap().user_id(), "user_b");
    }
    let mut both = HeaderMap::new();
    for browser in [&a, &b] {
        let value = HeaderValue::from_str(&format!("wos_session={}", browser.value())).unwrap();
        both.append(header::COOKIE, value);
    }
    assert_eq!(service.authenticator.reader().read(&both).verdict, Verdict::Ambiguous);
}

#[tokio::test(start_paused = true)]
async fn values_with_one_hash_are_compared_whole() {
    let service = Service::new();
    let known = remembered(&service, &service.seen("user_a").await);
    let cache = SessionCache::new(1 << 20);
    let value: Vec<u8> = (0..200).map(|n| b'a' + n % 26).collect();
    let value = value.as_slice();
    service.insert(&cache, value, &known);

    let (start, end) = value.split_at(130);
    let (mut first, mut middle) = (value.to_vec(), value.to_vec());
    first[0] = b'0';
    middle[135] = b'0';
    let cases: [(&str, &[&[u8]], bool); 9] = [
        ("itself", &[value], true),
        ("in parts", &[start, end], true),
        ("in odd parts", &[b"", &value[..1], &value[1..], b""], true),
        ("another beginning", &[&first], false),
        ("another middle", &[&middle], false),
        ("its end", &[end], false),
        ("less of it", &[&value[1..]], false),
        ("more of it", &[b"a", value], false),
        ("nothing", &[], false),
    ];
    for (name, pieces, expected) in cases {
        assert_eq!(cache.get(CookieValue::of(pieces)).is_some(), expected, "{name}");
    }
    let cases: [(&str, &[&[u8]], bool); 9] = [
        ("to the end", &[value], true),
        ("to a semicolon", &[value, b"; a=b"], true),
        ("to a semicolon and no more", &[value, b";"], true),
        ("longer", &[value, b"a"], false),
        ("before a space", &[value, b" ; a=b"], false),
        ("quoted", &[b"\"", value, b"\""], false),
        ("another beginning", &[&first, b"; a=b"], false),
        ("another middle", &[&middle, b"; a=b"], false),
        ("less of it", &[&value[1..], b";"], false),
    ];
    for (name, field, expected) in cases {
        assert_eq!(cache.get_at_start(&field.concat()).is_some(), expected, "{name}");
    }

    service.insert(&cache, &middle, &remembered(&service, &service.seen("user_b").await));
    for (value, user) in [(value, "user_a"), (&middle, "user_b")] {
        assert_eq!(cache.get(CookieValue::of(&[value])).unwrap().user_id(), user);
    }
}

/// Only the start of a value is hashed, folded into one number: it has to be random in every format.
#[test]
fn values_of_every_format_have_hashes_of_their_own() {
    let state = RandomState::default();
    for &format in SealFormat::ALL {
        let service = Service::in_format(format);
        let sealer = service.authenticator.sealer();
        let ring = sealer.shared_ring();
        let target = ring.target(None);
        let hashes: HashSet<u64> = (0..100)
            .map(|_| {
                let value = sealer.seal(br#"{"access_token":"a"}"#, &target).unwrap();
                state.hash_one(CookieValue::of(&[value.as_bytes()]))
            })
            .collect();
        assert_eq!(hashes.len(), 100, "{format}");
    }
}

/// Wherever the value stands, and whatever stands around it.
#[tokio::test(start_paused = true)]
async fn it_is_known_by_every_spelling_of_the_field() {
    let service = Service::new();
    let browser = service.seen("user_a").await;
    let value = browser.value();
    let other = service.sign_in("user_a").await.value();
    let last = if value.ends_with('A') { 'B' } else { 'A' };
    let altered = format!("{}{last}", &value[..value.len() - 1]);
    let cases = [
        ("alone", format!("wos_session={value}"), true),
        ("first", format!("wos_session={value}; a=b"), true),
        ("last", format!("a=b; wos_session={value}"), true),
        ("spaced", format!(" a=b ;  wos_session={value}  ; c=d"), true),
        ("quoted", format!("wos_session=\"{value}\""), true),
        ("of another name", format!("wos_session2={value}"), false),
        ("altered", format!("wos_session={altered}"), false),
        ("and more", format!("wos_session={value}A"), false),
        (
            "beside one that is too much",
            format!("wos_session={value}; wos_session={}", "a".repeat(16_000)),
            false,
        ),
    ];
    for (name, field, expected) in cases {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_str(&field).unwrap());
        let read = service.authenticator.reader().read(&headers);
        assert_eq!(read.session.is_some() && read.opened.is_none(), expected, "{name}");
    }
    for both in [[&value, &other], [&other, &value]] {
        let mut headers = HeaderMap::new();
        for value in both {
            let field = HeaderValue::from_str(&format!("wos_session={value}")).unwrap();
            headers.append(header::COOKIE, field);
        }
        let read = service.authenticator.reader().read(&headers);
        assert_eq!(read.session.unwrap().user_id(), "user_a");
    }
}

/// A process whose handlers ask for tokens and users keeps half of a value again, its token, and the user.
#[tokio::test(start_paused = true)]
async fn a_long_value_and_long_claims_weigh_more() {
    let service = Service::new();
    let passwords = || service.authenticator.sealer().shared_ring();
    let of = async |organization: &str| {
        let browser = service.sign_in_with("user_a", json!({ "org_id": organization })).await;
        service.present(&browser);
        remembered(&service, &browser)
    };
    let (short, long) = (of("org_1").await, of(&format!("org_1{}", "x".repeat(300))).await);
    // From now on what is asked for counts.
    assert_eq!((short.user_id(), &*short.user().id), ("user_a", "user_a"));
    assert!(!short.access_token().expose().is_empty());
    let weight = |length, session: &VerifiedSession| {
        weight(&KeptCookie::new(&vec![b'a'; length], passwords()), session)
    };
    assert_eq!(weight(3_000, &short) - weight(1_000, &short), 2_000 + 1_000);
    assert_eq!(weight(1_000, &long) - weight(1_000, &short), 300);
    assert!((2_000..4_000).contains(&weight(1_000, &short)), "{}", weight(1_000, &short));
}

#[tokio::test(start_paused = true)]
async fn it_stays_within_its_bytes() {
    let service = Service::new();
    let browser = service.seen("user_a").await;
    let known = remembered(&service, &browser);
    let value = browser.value();
    for limit in [256 << 10, 4 << 20] {
        let cache = SessionCache::new(limit);
        let mut hits = 0;
        for n in 0..5_000_u32 {
            let value = format!("{n:05}{value}");
            service.insert(&cache, value.as_bytes(), &known);
            hits += u32::from(cache.get(CookieValue::of(&[value.as_bytes()])).is_some());
            assert!(cache.bytes() <= limit as u64, "{} bytes of {limit}", cache.bytes());
        }
        assert_eq!(hits, 5_000, "the newest is there");
        assert!(cache.bytes() > limit as u64 / 2, "{} bytes of {limit}", cache.bytes());
    }
    let large = vec![b'a'; 16 << 10];
    let small = SessionCache::new(8 << 10);
    service.insert(&small, &large, &known);
    assert!(small.get(CookieValue::of(&[&large])).is_none(), "what is too large is left out");
}
