use authkit_session::{Decision, Policy, Reason};

use super::*;
use crate::{
    AuthKitLayer, Clock, Config, CookiePassword,
    endpoints::tests::Browser,
    tests::{authkit, headers, request},
};

fn cookie_header(browser: &Browser) -> HeaderMap {
    let cookies: Vec<_> =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    headers(&[("cookie", &cookies.join("; "))])
}

fn size(browser: &Browser) -> usize {
    browser.cookies.iter().map(|(name, value)| name.len() + value.len()).sum()
}

#[tokio::test]
async fn cb_05_at_most_five_flows_and_3_kib_are_alive_and_the_oldest_go_first() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut names = Vec::new();
    for n in 0..12 {
        let before = browser.cookies.clone();
        browser.start(&format!("/login?return_to=%2F{n}")).await;
        names.extend(
            browser
                .flows()
                .into_iter()
                .filter(|name| !before.contains_key(*name))
                .map(str::to_owned),
        );
        workos.clock().advance(Duration::from_secs(2));
    }
    let mut newest = names[names.len() - 5..].to_vec();
    newest.sort();
    assert_eq!(browser.flows(), newest);
    assert!(size(&browser) <= 3_072);

    let long = format!("/login?return_to=%2F{}", "a".repeat(ReturnTarget::MAX_LEN - 1));
    browser.start(&long).await;
    assert_eq!(browser.flows().len(), 1, "the longest return path needs all the room");
    assert!(size(&browser) <= 3_072, "{}", size(&browser));
    workos.clock().advance(Duration::from_secs(2));
    browser.start(&long).await;
    assert_eq!(browser.flows().len(), 1);
}

#[tokio::test]
async fn what_is_over_or_unreadable_is_cleared_away() {
    let (mut browser, _, workos) = Browser::with_workos();
    browser.start("/login").await;
    browser.cookies.insert("__Host-wos_auth_e12752c0_0badf00d".to_owned(), "garbage".to_owned());
    browser.cookies.insert("__Host-wos_auth_e12752c0_verifier".to_owned(), "not ours".to_owned());
    workos.clock().advance(Duration::from_secs(601));
    browser.start("/login").await;
    let mut left = browser.flows();
    left.retain(|name| *name != "__Host-wos_auth_e12752c0_verifier");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(browser.cookies.contains_key("__Host-wos_auth_e12752c0_verifier"), "not one of ours");
    assert!(!browser.cookies.contains_key("__Host-wos_auth_e12752c0_0badf00d"));
}

#[tokio::test]
async fn cb_03_a_flow_counts_for_its_state_its_name_and_its_client_only() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let one = browser.start("/login?return_to=%2Fone").await;
    let two = browser.start("/login?return_to=%2Ftwo").await;
    let found = |authkit: &AuthKit, headers: &HeaderMap, state: &str| {
        Flow::find(authkit, headers, state).map(|flow| flow.return_path.as_str().to_owned())
    };
    let headers = cookie_header(&browser);
    assert_eq!(found(&authkit, &headers, &one["state"]).as_deref(), Some("/one"));
    assert_eq!(found(&authkit, &headers, &two["state"]).as_deref(), Some("/two"));

    // One flow's content under the other's name.
    let names: Vec<_> = browser.flows().into_iter().map(str::to_owned).collect();
    let (a, b) = (browser.cookies[&names[0]].clone(), browser.cookies[&names[1]].clone());
    for (name, sealed, opens) in
        [(&names[0], &a, true), (&names[0], &b, false), (&names[1], &b, true)]
    {
        assert_eq!(Flow::open(&authkit, name, sealed.as_bytes()).is_some(), opens, "{name}");
    }
    browser.cookies.insert(names[0].clone(), b);
    browser.cookies.insert(names[1].clone(), a);
    let swapped = cookie_header(&browser);
    assert_eq!(found(&authkit, &swapped, &one["state"]), None);

    let password = || CookiePassword::new("a password of no less than 32 bytes").unwrap();
    let of = |client, uri| {
        AuthKit::new(
            Config::new(client, "sk_test_1", uri, password()).with_clock(workos.clock().clone()),
        )
        .unwrap()
    };
    for (name, other) in [
        ("client", of("client_2", "https://app.example.com/callback")),
        ("redirect URI", of("client_1", "https://app.example.com/callback2")),
    ] {
        assert_eq!(found(&other, &headers, &one["state"]), None, "another {name}");
        assert!(State::open(&other, &one["state"]).is_none(), "another {name}");
    }
    let state = State::open(&authkit, &one["state"]).unwrap();
    assert_eq!((state.restarts, state.return_path.unwrap().as_str()), (0, "/one"));
}

/// Two states may have one name, which is 32 bits of them.
#[tokio::test]
async fn cb_03_a_flow_of_the_same_name_but_another_state_does_not_count() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let state = browser.start("/login").await["state"].clone();
    let name = name(&authkit, &state);
    for (sealed_state, counts) in [(state.as_str(), true), ("of the same name", false)] {
        let stored = FlowCookie {
            state_id: state_id(sealed_state).to_owned(),
            restarts: 0,
            initiator: Initiator::User,
            verifier: "v".to_owned(),
            return_to: "/".to_owned(),
            custom: None,
            started: workos.clock().unix(),
        };
        let stored = serde_json::to_vec(&stored).unwrap();
        let context = context(&authkit, &name);
        let sealed = authkit.authenticator().seal_for(Purpose::SignIn, &context, &stored).unwrap();
        let headers = headers(&[("cookie", &format!("{name}={sealed}"))]);
        assert_eq!(Flow::find(&authkit, &headers, &state).is_some(), counts, "{sealed_state}");
    }
}

/// What is sealed for one purpose opens for no other.
#[tokio::test]
async fn se_06_a_flow_is_no_session_and_a_session_no_flow() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let started = browser.start("/login").await;
    let flow = browser.cookies.values().next().unwrap().clone();
    for sealed in [flow.as_str(), &started["state"]] {
        let cookie = format!("wos_session={sealed}");
        let headers = headers(&[("cookie", &cookie)]);
        let Decision::Refuse(refusal) =
            authkit.authenticator().authenticate(&headers, &Policy::default())
        else {
            panic!("a flow was taken for a session");
        };
        assert_eq!(refusal.reason(), Reason::UnreadableCookie);
    }
    let session = workos.cookie(&authkit, serde_json::json!({})).await;
    let session = session.strip_prefix("wos_session=").unwrap();
    assert!(State::open(&authkit, session).is_none());
    let cookie = format!("{}={session}", name(&authkit, &started["state"]));
    assert!(Flow::find(&authkit, &headers(&[("cookie", &cookie)]), &started["state"]).is_none());
    assert!(State::open(&authkit, &flow).is_none(), "nor is a flow a state");
}

#[test]
fn on_plain_http_the_names_have_no_prefix() {
    let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
    let config = Config::new("client_1", "sk_test_1", "http://localhost:3000/callback", password);
    let local = AuthKit::new(config.with_clock(Clock::system())).unwrap();
    assert!(name(&local, "state").starts_with("wos_auth_"));
    let (https, _) = authkit();
    assert!(name(&https, "state").starts_with("__Host-wos_auth_"));
    let prefix = helper_cookie::name(&https, FLOW);
    assert!(is_name(&prefix, &name(&https, "state")) && !is_name(&prefix, &name(&local, "state")));
    let _ = (AuthKitLayer::new(&https), request("GET", "/", &[]));
}

#[tokio::test]
async fn c5_thousands_of_flow_cookies_cost_no_more_than_sixteen() {
    let (mut browser, authkit, _) = Browser::with_workos();
    let state = browser.start("/login?return_to=%2Fx").await["state"].clone();
    let (name, sealed) = browser.cookies.pop_first().unwrap();
    let header = |count: usize, junk: &str| {
        let junk = format!("{name}={junk}; ").repeat(count);
        headers(&[("cookie", &format!("{junk}{name}={sealed}"))])
    };
    let junk = "j".repeat(sealed.len());
    for (count, junk, is_found) in [
        (0, junk.as_str(), true),
        (15, &junk, true),
        (16, &junk, false),
        (4_500, &junk, false),
        // What is longer than any flow of ours is not opened, and does not count.
        (4_500, &"j".repeat(3_073), true),
    ] {
        let flow = Flow::find(&authkit, &header(count, junk), &state);
        assert_eq!(flow.is_some(), is_found, "{count} of {} bytes", junk.len());
    }
    let names: String = (0..4_500).map(|n| format!("{}_{n:08x}=x; ", &name[..24])).collect();
    assert_eq!(read_cookies(&authkit, &headers(&[("cookie", &names)])).len(), 16);
    assert!(State::open(&authkit, &"s".repeat(100_000)).is_none());
}

/// Paths that fit travel in the state, sealed; longer ones lead home after a restart.
#[tokio::test]
async fn e13_a_state_says_where_its_sign_in_leads() {
    let (mut browser, authkit, _) = Browser::with_workos();
    for (path, expected) in [
        ("/reports?year=2026&q=a%20b".to_owned(), true),
        ("/".to_owned(), false),
        (format!("/{}", "a".repeat(255)), true),
        (format!("/{}", "a".repeat(256)), false),
    ] {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", &path)
            .finish();
        let state = browser.start(&format!("/login?{query}")).await["state"].clone();
        assert!(state.len() <= 512 && !state.contains("report"), "{state}");
        let read = State::open(&authkit, &state).unwrap().return_path;
        let read = read.as_ref().map(ReturnTarget::as_str);
        assert_eq!(read, expected.then_some(path.as_str()));
    }
}

fn start_of(return_path: &str, state: usize, authkit: &AuthKit) -> FlowStart {
    FlowStart {
        return_path: ReturnTarget::parse(return_path, authkit.site()).unwrap(),
        restarts: 0,
        initiator: Initiator::User,
        state: Some(format!("\"{}\"", "s".repeat(state))),
    }
}

#[test]
fn cb_05_a_flow_that_fills_3_kib_keeps_its_way_back_and_a_longer_one_leads_home() {
    let (authkit, _) = authkit();
    let path = format!("/{}", "p".repeat(1_199));
    let mut longest = 0;
    for state in 700..900 {
        let SealedFlow { flow, name, sealed, .. } =
            seal(&authkit, start_of(&path, state, &authkit)).unwrap();
        let size = name.len() + sealed.len();
        assert!(size <= MAX_BYTES, "{size}");
        if flow.return_path.as_str() == path {
            longest = size;
        } else {
            assert_eq!(flow.return_path.as_str(), "/");
        }
    }
    assert_eq!(longest, MAX_BYTES);
}

#[test]
fn cb_05_flows_fill_3_kib_and_live_ten_minutes_to_the_second() {
    let (authkit, workos) = authkit();
    let SealedFlow { flow, name, sealed, .. } =
        seal(&authkit, start_of("/x", 0, &authkit)).unwrap();
    let headers = headers(&[("cookie", &format!("{name}={sealed}"))]);
    let size = name.len() + sealed.len();
    let deleted = |size| surplus(&authkit, &headers, size).len();
    assert_eq!([deleted(MAX_BYTES - size), deleted(MAX_BYTES - size + 1)], [0, 1]);

    workos.clock().advance(LIFETIME);
    assert_eq!((flow.is_expired(&authkit), deleted(0)), (false, 0));
    workos.clock().advance(Duration::from_secs(1));
    assert_eq!((flow.is_expired(&authkit), deleted(0)), (true, 1));
}

/// Though it is sealed by us, as an older version might have.
#[test]
fn cb_03_a_state_is_opened_if_it_has_512_bytes_at_most() {
    let (authkit, _) = authkit();
    let context = authkit.site().redirect_uri().as_bytes();
    let mut lengths = Vec::new();
    for length in 300..400 {
        let content = [&[0][..], b"/", &vec![b'p'; length]].concat();
        let sealed = authkit.authenticator().seal_for(Purpose::State, context, &content).unwrap();
        let is_opened = State::open(&authkit, &sealed).is_some();
        assert_eq!(is_opened, sealed.len() <= 512, "{}", sealed.len());
        lengths.push(sealed.len());
    }
    assert!(lengths.contains(&512) && lengths.iter().any(|length| *length > 512), "{lengths:?}");
}
