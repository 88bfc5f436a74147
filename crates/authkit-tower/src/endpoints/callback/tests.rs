use std::time::Duration;

use authkit_session::HookDecision;
use serde_json::json;
use url::form_urlencoded;

use super::*;
use crate::{
    AuthKit, Endpoints,
    endpoints::tests::{Browser, NAVIGATION, authorization},
    tests::{Fields, Reply, authkit, body, header},
};

fn callback(parameters: &[(&str, &str)]) -> String {
    format!(
        "/callback?{}",
        form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
    )
}

/// How a sign-in ended, by the answer's own word.
fn outcome(response: &Response<Bytes>) -> &SignInOutcome {
    response.extensions().get().expect("every answer says how it ended")
}

fn failure(response: &Response<Bytes>) -> Option<SignInFailure> {
    match outcome(response) {
        SignInOutcome::Failed(failure) => Some(*failure),
        SignInOutcome::SignedIn(_)
        | SignInOutcome::AlreadySignedIn
        | SignInOutcome::Restarted
        | SignInOutcome::Asked => None,
    }
}

fn login_link(response: &Response<Bytes>) -> Option<&str> {
    body(response).split("href=\"").nth(1)?.split('"').next()
}

#[tokio::test]
async fn cb_09_success_sets_the_session_and_goes_back() {
    let (mut browser, _, workos) = Browser::with_workos();
    let started = browser.start("/login?return_to=%2Fdash%3Ftab%3D1").await;
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/dash?tab=1"));
    assert_eq!(header(&response, "referrer-policy"), "no-referrer");
    assert!(browser.is_signed_in() && browser.flows().is_empty());
    assert!(
        matches!(outcome(&response), SignInOutcome::SignedIn(session) if session.user_id() == "user_1")
    );

    let sent: serde_json::Value = serde_json::from_str(&workos.calls()[0]).unwrap();
    assert_eq!(
        (&sent["code"], &sent["grant_type"]),
        (&json!("code_1"), &json!("authorization_code"))
    );
    let verifier =
        authkit_session::PkceVerifier::from_secret(sent["code_verifier"].as_str().unwrap().into());
    assert_eq!(verifier.challenge(), started["code_challenge"]);
}

/// Impersonation and invitations come without a state.
#[tokio::test]
async fn cb_01_without_a_state_the_sign_in_starts_again() {
    let (mut browser, _, workos) = Browser::with_workos();
    for parameters in [&[("code", "code_1")][..], &[("code", "code_1"), ("state", "")], &[]] {
        let response = browser.go(&callback(parameters)).await;
        assert_eq!(response.status(), 302);
        let started = authorization(&response);
        let response =
            browser.go(&callback(&[("code", "code_2"), ("state", &started["state"])])).await;
        assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/"));
        browser.cookies.clear();
    }
    assert!(
        workos.calls().iter().all(|call| call.contains("code_2")),
        "a code without a state is nobody's"
    );
}

/// Nor does it start again for ever, where no answer says to which sign-in it belongs.
#[tokio::test]
async fn cb_01_answers_that_never_bring_a_state_are_no_endless_loop() {
    let (mut browser, _, workos) = Browser::with_workos();
    for _ in 0..2 {
        for _ in 0..MAX_RESTARTS {
            assert_eq!(browser.go(&callback(&[("code", "code_1")])).await.status(), 302);
            workos.clock().advance(Duration::from_secs(5));
        }
        let page = browser.go(&callback(&[("code", "code_1")])).await;
        assert_eq!(
            (page.status().as_u16(), failure(&page)),
            (400, Some(SignInFailure::Unreadable))
        );
        workos.clock().advance(Duration::from_secs(11));
    }
    for n in 0..4 {
        browser.start(&format!("/login?return_to=%2F{n}")).await;
    }
    let response = browser.go(&callback(&[("code", "code_1")])).await;
    assert_eq!(response.status(), 302, "tabs with sign-ins of their own are no loop");
    assert!(workos.calls().is_empty());
}

/// The browser is back without the flow's cookie.
#[tokio::test]
async fn cb_02_without_a_flow_the_sign_in_starts_again_twice_and_then_says_why() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut started = browser.start("/login").await;
    for _ in 0..MAX_RESTARTS {
        browser.cookies.clear();
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(response.status(), 302);
        started = authorization(&response);
    }
    browser.cookies.clear();
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_eq!(response.status(), 400);
    assert!(body(&response).contains("cookies"), "{}", body(&response));
    assert!(workos.calls().is_empty());

    let started = browser.start("/login").await;
    let back = callback(&[("code", "code_1"), ("state", &started["state"])]);
    assert_eq!(browser.go(&back).await.status(), 303);
    let response = browser.go(&back).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "location")),
        (303, "/"),
        "loaded again, signed in"
    );
    assert_eq!(workos.calls().len(), 1, "a state counts once");
}

/// Forged, foreign, late and stolen states.
#[tokio::test]
async fn cb_03_a_state_counts_in_its_browser_for_ten_minutes() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let started = browser.start("/login?return_to=%2Fx").await;
    let state = &started["state"];
    let flipped = {
        let last = if state.ends_with('A') { "B" } else { "A" };
        format!("{}{last}", &state[..state.len() - 1])
    };
    for forged in [
        "x",
        "null",
        "undefined",
        &flipped,
        &format!("{state}{state}"),
        &"s".repeat(8192),
        "\u{0}",
        "%",
    ] {
        let response = browser.go(&callback(&[("code", "code_1"), ("state", forged)])).await;
        assert_eq!(response.status(), 400, "{forged:.20}");
        assert_eq!(login_link(&response), Some("/login"), "{forged:.20}");
    }
    let known = browser.flows().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(known.len(), 1, "forged states end nobody's flow");

    // The attacker's code and state in the victim's browser: the victim signs in as herself, or not at all.
    let mut attacker = Browser::new(&authkit);
    let theirs = attacker.start("/login").await;
    let response =
        browser.go(&callback(&[("code", "code_evil"), ("state", &theirs["state"])])).await;
    assert_eq!(response.status(), 302);
    assert!(!browser.is_signed_in());

    workos.clock().advance(Duration::from_secs(601));
    let response = browser.go(&callback(&[("code", "code_1"), ("state", state)])).await;
    assert_eq!(
        (response.status().as_u16(), login_link(&response)),
        (400, Some("/login?return_to=%2Fx"))
    );
    assert!(browser.flows().iter().all(|name| known[0] != *name), "the late flow is over");
    assert!(workos.calls().is_empty());
}

/// Five tabs at once, finished in another order.
#[tokio::test]
async fn cb_04_tabs_end_where_they_began() {
    let (mut browser, ..) = Browser::with_workos();
    let mut tabs = Vec::new();
    for n in 0..5 {
        tabs.push((n, browser.start(&format!("/login?return_to=%2Ftab%2F{n}")).await));
    }
    for n in [3, 0, 4, 1, 2] {
        let (_, started) = &tabs[n];
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(
            (response.status().as_u16(), header(&response, "location")),
            (303, format!("/tab/{n}").as_str())
        );
    }
    assert!(browser.flows().is_empty() && browser.is_signed_in());
}

/// Errors and nonsense.
#[tokio::test]
async fn cb_07_errors_are_answered_with_a_page_that_repeats_nothing() {
    let hostile = "<script>alert(1)</script>";
    let cases: &[(&str, u16)] = &[
        ("access_denied", 403),
        ("server_error", 503),
        ("temporarily_unavailable", 503),
        ("oauth_failed", 400),
        ("connection_invalid", 400),
        (hostile, 400),
        ("", 400),
    ];
    for (error, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login?return_to=%2Fx").await;
        let parameters = [
            ("error", *error),
            ("error_description", hostile),
            ("state", &started["state"]),
            ("code", "c"),
        ];
        let response = browser.go(&callback(&parameters)).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (*status, Some("/login?return_to=%2Fx")),
            "{error}"
        );
        assert!(
            !body(&response).contains("script")
                && (error.is_empty() || !body(&response).contains(error)),
            "{error}"
        );
        assert!(browser.flows().is_empty() && workos.calls().is_empty(), "{error}");

        let response =
            browser.go(&callback(&[("error", error), ("error_description", hostile)])).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (*status, Some("/login")),
            "{error}, no state"
        );
    }
}

#[tokio::test]
async fn cb_07_repeated_and_missing_parameters_end_the_flow() {
    for extra in ["&code=b", "&state=x", "&error=a&error=b", "&code="] {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login").await;
        let uri = callback(&[("code", "a"), ("state", &started["state"])]) + extra;
        assert_eq!(browser.go(&uri).await.status(), 400, "{extra}");
        assert!(browser.flows().is_empty() && workos.calls().is_empty(), "{extra}");
    }
    for parameters in [&[][..], &[("code", "")]] {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login").await;
        let uri = callback(&[&[("state", started["state"].as_str())], parameters].concat());
        assert_eq!(browser.go(&uri).await.status(), 400);
        assert!(browser.flows().is_empty() && workos.calls().is_empty());
    }
}

/// As at `/login`: no cookie of a sign-in for what does not show a page.
#[tokio::test]
async fn cb_05_only_what_navigates_starts_a_sign_in_again() {
    let page = ("accept", "text/html");
    let (prefetch, event) = (("sec-purpose", "prefetch"), ("accept", "text/event-stream"));
    let cases: &[(&str, Fields<'_>, u16)] = &[
        ("a browser", &NAVIGATION, 302),
        ("an old browser", &[page], 302),
        ("curl", &[("accept", "*/*")], 302),
        ("a script", &[("sec-fetch-mode", "cors")], 401),
        ("an image", &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], 401),
        ("an XMLHttpRequest of old", &[("x-requested-with", "XMLHttpRequest"), page], 401),
        ("a prefetch", &[prefetch, ("sec-fetch-mode", "navigate")], 401),
        ("a prerender of old", &[("purpose", "prefetch"), page], 401),
        ("htmx", &[("hx-request", "true")], 401),
        ("an event stream", &[event], 401),
        ("a WebSocket", &[("upgrade", "websocket")], 401),
        ("gRPC-Web", &[("content-type", "application/grpc-web")], 200),
    ];
    for (name, fields, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        let state = browser.start("/login").await["state"].clone();
        browser.cookies.clear();
        for uri in ["/callback", "/callback?code=c", &callback(&[("code", "c"), ("state", &state)])]
        {
            let response = browser.send("GET", uri, fields).await;
            assert_eq!(response.status(), *status, "{name}: {uri}");
            assert_eq!(browser.flows().len(), usize::from(*status == 302), "{name}: {uri}");
            browser.cookies.clear();
        }
        assert!(workos.calls().is_empty(), "{name}");
    }
}

/// The exchange fails.
#[tokio::test]
async fn cb_08_a_failed_exchange_says_whether_to_try_again() {
    let cases: [(&str, Reply, u16); 7] = [
        (
            "refused",
            Reply::Error(400, json!({ "error": "invalid_grant", "error_description": "secret" })),
            400,
        ),
        (
            "refused, by code",
            Reply::Error(400, json!({ "code": "invalid_code", "message": "secret" })),
            400,
        ),
        ("down", Reply::Error(500, json!({ "message": "secret" })), 503),
        ("busy", Reply::Error(429, json!({})), 503),
        ("lost", Reply::Lost, 503),
        ("our key is refused", Reply::Error(401, json!({ "message": "secret" })), 503),
        ("a token that does not verify", Reply::Session(json!({ "sid": "app_consent_1" })), 503),
    ];
    for (name, reply, status) in cases {
        let (mut browser, _, workos) = Browser::with_workos();
        let started = browser.start("/login?return_to=%2Fx").await;
        workos.will(reply);
        let response =
            browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
        assert_eq!(
            (response.status().as_u16(), login_link(&response)),
            (status, Some("/login?return_to=%2Fx")),
            "{name}"
        );
        assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{name}");
        assert!(
            !body(&response).contains("secret") && !body(&response).contains("code_1"),
            "{name}"
        );
        assert!(!browser.is_signed_in() && browser.flows().is_empty(), "{name}");
        assert_eq!(workos.calls().len(), 1, "{name}: a code is sent once");
    }
}

/// Nobody knows whether the code is spent, so that it is not sent again.
#[tokio::test(start_paused = true)]
async fn cb_08_an_exchange_that_hangs_is_given_up_after_ten_seconds() {
    let (mut browser, _, workos) = Browser::with_workos();
    workos.hold();
    let begun = tokio::time::Instant::now();
    let response = browser.sign_in("/login?return_to=%2Fx").await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "5"));
    assert_eq!(login_link(&response), Some("/login?return_to=%2Fx"));
    assert!(!browser.is_signed_in() && browser.flows().is_empty());
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn cb_09_signing_in_replaces_the_session_that_was_there() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let old = workos.cookie(&authkit, json!({ "sid": "session_old" })).await;
    let old = old.strip_prefix("wos_session=").unwrap();
    browser.cookies.insert("wos_session".to_owned(), old.to_owned());
    let started = browser.start("/login").await;
    browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;
    assert_ne!(browser.cookies["wos_session"], old);

    let cookie = format!("wos_session={old}");
    let decision = authkit
        .authenticator()
        .authenticate(&crate::tests::headers(&[("cookie", &cookie)]), &Policy::default());
    let Decision::Refuse(refusal) = decision else { panic!("the old session still counts") };
    assert_eq!(refusal.reason(), authkit_session::Reason::SignedOut);
}

#[tokio::test]
async fn every_end_of_a_sign_in_has_its_word() {
    use SignInFailure::*;

    let exchanges = [
        ("the code is spent", Reply::Error(400, json!({ "error": "invalid_grant" })), CodeRefused),
        ("WorkOS is down", Reply::Error(500, json!({})), Unavailable),
        ("our key is refused", Reply::Error(401, json!({})), Unavailable),
        (
            "a token from yesterday",
            Reply::Session(json!({ "iat": 1_799_900_000, "exp": 1_799_900_300 })),
            Clock,
        ),
        ("a token of tomorrow", Reply::Session(json!({ "nbf": 1_800_090_000 })), Clock),
        ("a session of 20 KiB", Reply::Session(json!({ "padding": "x".repeat(20_000) })), TooLarge),
    ];
    for (name, reply, expected) in exchanges {
        let (mut browser, _, workos) = Browser::with_workos();
        workos.will(reply);
        assert_eq!(failure(&browser.sign_in("/login").await), Some(expected), "{name}");
    }

    let (mut browser, ..) = Browser::with_workos();
    let state = browser.start("/login").await["state"].clone();
    let response = browser.go(&callback(&[("code", "a"), ("code", "b"), ("state", &state)])).await;
    assert_eq!(failure(&response), Some(Unreadable));
    for (error, expected) in
        [("access_denied", Cancelled), ("server_error", Unavailable), ("oauth_failed", Failed)]
    {
        assert_eq!(
            failure(&browser.go(&callback(&[("error", error)])).await),
            Some(expected),
            "{error}"
        );
    }
    assert_eq!(failure(&browser.go(&callback(&[("state", "x")])).await), Some(ForeignState));
    assert!(matches!(outcome(&browser.go("/callback?code=x").await), SignInOutcome::Restarted));
}

/// Metrics, spans and lines of the log tell ends apart by these.
#[tokio::test]
async fn operators_read_a_word_for_each_end_of_a_sign_in() {
    let (mut browser, ..) = Browser::with_workos();
    let started = browser.start("/login").await;
    let back = callback(&[("code", "code_1"), ("state", &started["state"])]);
    for expected in ["signed_in", "already_signed_in"] {
        assert_eq!(outcome(&browser.go(&back).await).as_str(), expected);
    }
    browser.cookies.clear();
    for (uri, expected) in [
        ("/callback?code=x", "restarted"),
        ("/callback?state=x", "foreign_state"),
        ("/callback?error=access_denied", "cancelled"),
    ] {
        assert_eq!(outcome(&browser.go(uri).await).as_str(), expected, "{uri}");
    }
}

/// RD-12: on an https service, the browser came by http.
#[tokio::test]
async fn rd_12_a_scheme_under_which_no_cookie_is_kept_is_named() {
    let http = |field| [NAVIGATION[0], NAVIGATION[1], NAVIGATION[2], field];
    for (name, fields, expected) in [
        ("plain", http(("x-any", "")), SignInFailure::NoCookies),
        ("proxied", http(("x-forwarded-proto", "http")), SignInFailure::WrongScheme),
        ("linked", http(("referer", "http://app.example.com/login")), SignInFailure::WrongScheme),
        ("secure", http(("x-forwarded-proto", "https")), SignInFailure::NoCookies),
        (
            "another host",
            http(("referer", "http://app.example.com.evil/")),
            SignInFailure::NoCookies,
        ),
    ] {
        let (mut browser, ..) = Browser::with_workos();
        let mut started = browser.start("/login").await;
        for _ in 0..MAX_RESTARTS {
            browser.cookies.clear();
            started = authorization(&browser.go(&callback(&[("state", &started["state"])])).await);
        }
        browser.cookies.clear();
        let page = browser.send("GET", &callback(&[("state", &started["state"])]), &fields).await;
        assert_eq!((page.status().as_u16(), failure(&page)), (400, Some(expected)), "{name}");
        assert_eq!(login_link(&page), Some("https://app.example.com/login"), "{name}");
    }
}

/// A browser on endpoints with a sign-in hook that rules so about everybody.
fn ruled(authkit: &AuthKit, ruling: HookDecision) -> Browser {
    Browser::of(Endpoints::new(authkit).with_sign_in_hook(move |new: NewSession| async move {
        assert_eq!((new.session().user_id(), new.return_to()), ("user_1", "/x"));
        assert_eq!(new.state::<String>(), Ok(None), "nobody asked for any");
        ruling
    }))
}

#[tokio::test]
async fn the_application_may_refuse_a_session_before_the_browser_has_it() {
    for (ruling, status, expected) in [
        (HookDecision::Keep, 303, None),
        (HookDecision::Refuse, 403, Some(SignInFailure::Refused)),
        (HookDecision::Undecided, 503, Some(SignInFailure::Unavailable)),
    ] {
        let (authkit, workos) = authkit();
        let old = workos.cookie(&authkit, json!({ "sid": "session_old" })).await;
        let mut browser = ruled(&authkit, ruling);
        let (name, value) = old.split_once('=').unwrap();
        browser.cookies.insert(name.to_owned(), value.to_owned());

        let response = browser.sign_in("/login?return_to=%2Fx&prompt=login").await;
        assert_eq!(
            (response.status().as_u16(), failure(&response)),
            (status, expected),
            "{ruling:?}"
        );
        let another = ruling == HookDecision::Refuse;
        assert_eq!(body(&response).contains("/login?prompt=login&amp;return_to=%2Fx"), another);
        let replaced = browser.cookies["wos_session"] != value;
        assert_eq!(replaced, ruling == HookDecision::Keep, "{ruling:?}");
        let headers = crate::tests::headers(&[("cookie", &old)]);
        let decision = authkit.authenticator().authenticate(&headers, &Policy::default());
        let goes_on = matches!(decision, Decision::Admit(_));
        assert_eq!(goes_on, ruling != HookDecision::Keep, "{ruling:?}: the old session");
        authkit.drain(Duration::from_secs(5)).await;
        // The session that the new one replaces, or the new one that was not kept.
        let revoked = if ruling == HookDecision::Keep { ["session_old"] } else { ["session_1"] };
        assert_eq!(workos.revoked(), revoked, "{ruling:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_lets_nobody_in() {
    let (authkit, workos) = authkit();
    let panics =
        Endpoints::new(&authkit).with_sign_in_hook(|_| async { panic!("the hook's own fault") });
    let hangs = Endpoints::new(&authkit).with_sign_in_hook(|_| std::future::pending());
    let panics_at_once =
        Endpoints::new(&authkit).with_sign_in_hook(|_| -> std::future::Ready<HookDecision> {
            panic!("the hook's own fault")
        });
    for endpoints in [panics, panics_at_once, hangs] {
        let mut browser = Browser::of(endpoints);
        let response = browser.sign_in("/login").await;
        assert_eq!(failure(&response), Some(SignInFailure::Unavailable));
        assert!(!browser.is_signed_in() && browser.flows().is_empty());
    }
    assert_eq!(workos.calls().len(), 3, "a code is sent once");
}

#[tokio::test]
async fn the_application_s_own_value_makes_the_round_trip() {
    #[derive(Debug, serde::Deserialize, PartialEq, serde::Serialize)]
    struct Campaign {
        name: Option<String>,
        language: String,
    }

    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (authkit, _) = authkit();
    let endpoints = Endpoints::new(&authkit)
        .with_state(|request| Campaign {
            name: request.query("campaign"),
            language: request
                .headers()
                .get("accept-language")
                .map_or("", |it| it.to_str().unwrap())
                .to_owned(),
        })
        .with_sign_in_hook({
            let seen = std::sync::Arc::clone(&seen);
            move |new: NewSession| {
                let state = new.state::<Campaign>().unwrap();
                assert_eq!(new.state::<Vec<u8>>().is_err(), state.is_some(), "another type");
                seen.lock().unwrap().push((new.return_to().to_owned(), state));
                std::future::ready(HookDecision::Keep)
            }
        });

    let mut browser = Browser::of(endpoints);
    let long = "x".repeat(990);
    let longest_path = format!("/{}", "y".repeat(2_000));
    for (campaign, path) in [
        ("\"spring\" & é", "/a"),
        (&long, "/b"),
        (&long, &longest_path),
        (&"x".repeat(1_100), "/c"),
    ] {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("campaign", campaign), ("return_to", path)])
            .finish();
        let fields = [NAVIGATION[0], NAVIGATION[1], NAVIGATION[2], ("accept-language", "de")];
        let started =
            authorization(&browser.send("GET", &format!("/login?{query}"), &fields).await);
        let back = callback(&[("code", "code_1"), ("state", &started["state"])]);
        assert_eq!(browser.go(&back).await.status(), 303);
        browser.cookies.clear();
    }
    // An invitation begins at WorkOS.
    let started = authorization(&browser.go("/callback?code=x").await);
    browser.go(&callback(&[("code", "code_1"), ("state", &started["state"])])).await;

    let campaign =
        |name: &str| Some(Campaign { name: Some(name.to_owned()), language: "de".to_owned() });
    let expected = [
        ("/a", campaign("\"spring\" & é")),
        ("/b", campaign(&long)),
        ("/", campaign(&long)),
        ("/c", None),
        ("/", None),
    ];
    let expected = expected.map(|(path, state)| (path.to_owned(), state));
    assert_eq!(
        *seen.lock().unwrap(),
        expected,
        "the value goes before the way back, and not over 1 KiB"
    );
}

/// JSON has only texts as names. The application's mistake costs its value, not the sign-in.
#[tokio::test]
async fn a_value_that_is_no_json_is_left_out_and_one_of_another_type_is_an_error() {
    let (authkit, _) = authkit();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let endpoints = Endpoints::new(&authkit)
        .with_state(|request| {
            std::collections::HashMap::from([(vec![1], request.uri().path().to_owned())])
        })
        .with_sign_in_hook({
            let seen = std::sync::Arc::clone(&seen);
            move |new: NewSession| {
                seen.lock().unwrap().push(new.state::<u8>().map_err(|error| error.to_string()));
                std::future::ready(HookDecision::Keep)
            }
        });
    let mut browser = Browser::of(endpoints);
    assert_eq!(browser.sign_in("/login").await.status(), 303);
    assert_eq!(*seen.lock().unwrap(), [Ok(None)]);

    let text = |request: &crate::LoginRequest<'_>| request.uri().to_string();
    let endpoints = Endpoints::new(&authkit).with_state(text).with_sign_in_hook({
        let seen = std::sync::Arc::clone(&seen);
        move |new: NewSession| {
            let number = new.state::<u8>().map_err(|error| error.to_string());
            assert_eq!(new.state::<String>().unwrap(), Some("/login?return_to=%2Fa".to_owned()));
            seen.lock().unwrap().push(number);
            std::future::ready(HookDecision::Keep)
        }
    });
    let mut browser = Browser::of(endpoints);
    assert_eq!(browser.sign_in("/login?return_to=%2Fa").await.status(), 303);
    let other = "the state of the sign-in is not of the type that was asked for".to_owned();
    assert_eq!(*seen.lock().unwrap(), [Ok(None), Err(other)]);
}

#[tokio::test]
async fn an_answer_is_edited_and_stays_complete() {
    let (authkit, _) = authkit();
    let mut browser =
        Browser::of(Endpoints::new(&authkit).edit_sign_in_responses(|outcome, response| {
            let word = match outcome {
                SignInOutcome::SignedIn(session) => session.user_id().to_owned(),
                SignInOutcome::AlreadySignedIn
                | SignInOutcome::Restarted
                | SignInOutcome::Asked
                | SignInOutcome::Failed(_) => format!("{outcome:?}"),
            };
            response.headers_mut().insert("x-outcome", word.parse().unwrap());
        }));
    let response = browser.sign_in("/login").await;
    assert_eq!((response.status().as_u16(), header(&response, "x-outcome")), (303, "user_1"));
    assert!(browser.is_signed_in());
    let response = browser.go("/callback?error=access_denied").await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "x-outcome")),
        (403, "Failed(Cancelled)")
    );
}

/// One browser brings its flow's cookie again and again, although every response deletes it.
#[tokio::test]
async fn c1_a_state_is_redeemed_once_whatever_the_browser_brings() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let state = browser.start("/login?return_to=%2Fx").await["state"].clone();
    let kept = browser.cookies.clone();
    workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
    let first = browser.go(&callback(&[("code", "junk"), ("state", &state)])).await;
    assert_eq!(failure(&first), Some(SignInFailure::CodeRefused));
    for n in 0..300 {
        browser.cookies = kept.clone();
        let response =
            browser.go(&callback(&[("code", &format!("junk{n}")), ("state", &state)])).await;
        assert!(matches!(outcome(&response), SignInOutcome::Restarted), "{n}");
        assert_eq!(browser.flows().len(), 1, "{n}: the redeemed flow's cookie is gone");
    }
    assert_eq!(workos.calls().len(), 1);

    // The restart leads where the sign-in was going.
    let response = browser.go(&callback(&[("code", "again"), ("state", &state)])).await;
    let restarted = authorization(&response)["state"].clone();
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &restarted)])).await;
    assert_eq!((response.status().as_u16(), header(&response, "location")), (303, "/x"));

    // Somebody who is signed in has loaded the callback again.
    browser.cookies.extend(kept);
    let response = browser.go(&callback(&[("code", "again"), ("state", &state)])).await;
    assert!(matches!(outcome(&response), SignInOutcome::AlreadySignedIn));
    assert_eq!(workos.calls().len(), 2);

    // Other endpoints of the same handle know it too, and two requests at once redeem it once.
    let mut other = Browser::new(&authkit);
    let state = other.start("/login").await["state"].clone();
    let uri = callback(&[("code", "code_1"), ("state", &state)]);
    let mut twin = Browser::new(&authkit);
    twin.cookies = other.cookies.clone();
    workos.hold();
    let release = async {
        while workos.calls().len() < 3 {
            tokio::task::yield_now().await;
        }
        workos.release();
    };
    let (one, two, ()) = tokio::join!(other.go(&uri), twin.go(&uri), release);
    assert_eq!((one.status().as_u16(), two.status().as_u16()), (303, 302));
    assert_eq!(workos.calls().len(), 3);
}

/// A state that was redeemed is no way around the limit of restarts.
#[tokio::test]
async fn c1_a_redeemed_state_that_restarted_before_ends_on_a_page() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut state = browser.start("/login?return_to=%2Fx").await["state"].clone();
    for _ in 0..MAX_RESTARTS {
        browser.cookies.clear();
        let response = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
        state = authorization(&response)["state"].clone();
    }
    let kept = browser.cookies.clone();
    workos.will(Reply::Error(503, json!({})));
    let response = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
    assert_eq!(failure(&response), Some(SignInFailure::Unavailable));
    browser.cookies = kept;
    let response = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
    assert_eq!(failure(&response), Some(SignInFailure::CodeRefused));
    assert_eq!(login_link(&response), Some("/login?return_to=%2Fx"));
    assert_eq!(workos.calls().len(), 1);
}

/// Nor is a flow whose cookie comes back again and again.
#[tokio::test]
async fn c1_states_that_are_redeemed_twice_restart_twice_and_end_on_a_page() {
    let (mut browser, _, workos) = Browser::with_workos();
    let mut state = browser.start("/login?return_to=%2Fx").await["state"].clone();
    for restart in 0..=MAX_RESTARTS {
        let kept = browser.cookies.clone();
        workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
        let refused = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
        assert_eq!(failure(&refused), Some(SignInFailure::CodeRefused), "{restart}");
        browser.cookies = kept;
        let again = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
        if restart == MAX_RESTARTS {
            assert_eq!(failure(&again), Some(SignInFailure::CodeRefused));
        } else {
            assert!(matches!(outcome(&again), SignInOutcome::Restarted), "{restart}");
            state = authorization(&again)["state"].clone();
        }
    }
}

/// More sign-ins than their share of the calls to WorkOS.
#[tokio::test(start_paused = true)]
async fn c1_a_sign_in_beyond_the_share_may_try_again() {
    let (authkit, workos) = authkit();
    let mut uris = Vec::new();
    for _ in 0..40 {
        let mut browser = Browser::new(&authkit);
        let state = browser.start("/login?return_to=%2Fx").await["state"].clone();
        uris.push((browser, callback(&[("code", "code_1"), ("state", &state)])));
    }
    workos.hold();
    let mut tasks = tokio::task::JoinSet::new();
    for (mut browser, uri) in uris {
        tasks.spawn(async move { browser.go(&uri).await });
    }
    let mut refused = 0;
    while let Some(response) = tasks.join_next().await {
        let response = response.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "5"));
        assert_eq!(login_link(&response), Some("/login?return_to=%2Fx"));
        refused += 1;
    }
    assert_eq!(refused, 40);
    assert!(workos.calls().len() < 40, "{}", workos.calls().len());
}

/// As when it began on another host of the service, which does not share its flow's cookie.
#[tokio::test]
async fn e13_a_sign_in_that_restarts_ends_where_it_was_going() {
    for (path, expected) in [
        ("/dash?tab=1".to_owned(), "/dash?tab=1".to_owned()),
        ("//evil.example".to_owned(), "/".to_owned()),
        ("/logout".to_owned(), "/".to_owned()),
        (format!("/{}", "a".repeat(2_000)), "/".to_owned()),
    ] {
        let (mut browser, ..) = Browser::with_workos();
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", &path)
            .finish();
        let mut state = browser.start(&format!("/login?{query}")).await["state"].clone();
        for _ in 0..MAX_RESTARTS {
            browser.cookies.clear();
            let response = browser.go(&callback(&[("code", "c"), ("state", &state)])).await;
            assert_eq!(response.status(), 302);
            state = authorization(&response)["state"].clone();
        }
        let response = browser.go(&callback(&[("code", "code_1"), ("state", &state)])).await;
        assert_eq!((response.status().as_u16(), header(&response, "location")), (303, &*expected));
    }

    // Without a restart left, the pages lead there too.
    let (mut browser, ..) = Browser::with_workos();
    let state = browser.start("/login?return_to=%2Fx").await["state"].clone();
    browser.cookies.clear();
    let parameters = [("error", "access_denied"), ("state", state.as_str())];
    assert_eq!(
        login_link(&browser.go(&callback(&parameters)).await),
        Some("/login?return_to=%2Fx")
    );
}

const ELSEWHERE: [(&str, &str); 3] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];
const FORM: [(&str, &str); 3] = [
    ("sec-fetch-site", "same-origin"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

/// A name, method, URI and header fields, and whether another site began the sign-in.
type Beginning =
    (&'static str, &'static str, &'static str, [(&'static str, &'static str); 3], bool);

/// How sign-ins begin.
const BEGINNINGS: [Beginning; 6] = [
    ("another site", "GET", "/login?return_to=%2Fx", ELSEWHERE, true),
    ("another site, agreed on", "POST", "/login?organization_id=org_1&return_to=%2Fx", FORM, true),
    ("another site, at the callback", "GET", "/callback?code=evil", ELSEWHERE, true),
    ("by hand", "GET", "/login?prompt=login&return_to=%2Fx", NAVIGATION, false),
    ("our own page", "GET", "/login?organization_id=org_1&return_to=%2Fx", FORM, false),
    ("the page that asks", "POST", "/callback?return_to=%2Fx", FORM, false),
];

#[tokio::test]
async fn e1_a_sign_in_that_another_site_began_asks_before_another_user_replaces_one() {
    let alice = json!({ "sub": "user_alice", "sid": "session_alice" });
    let bob = json!({ "sub": "user_bob", "sid": "session_bob" });
    for (name, method, uri, fields, is_elsewhere) in BEGINNINGS {
        for (held, age, new, asks) in [
            (Some(&alice), 0, &bob, is_elsewhere),
            // The browser still is Alice's: her session is refreshed with the next request.
            (Some(&alice), 3_000, &bob, is_elsewhere),
            (Some(&alice), 0, &alice, false),
            (None, 0, &bob, false),
        ] {
            let (mut browser, authkit, workos) = Browser::with_workos();
            let asked_hook = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
            browser.endpoints = Endpoints::new(&authkit).with_sign_in_hook({
                let asked_hook = std::sync::Arc::clone(&asked_hook);
                move |_| {
                    asked_hook.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    std::future::ready(HookDecision::Keep)
                }
            });
            if let Some(claims) = held {
                let cookie = workos.cookie(&authkit, claims.clone()).await;
                let (name, value) = cookie.split_once('=').unwrap();
                browser.cookies.insert(name.to_owned(), value.to_owned());
            }
            workos.clock().advance(Duration::from_secs(age));
            let before = browser.cookies.get("wos_session").cloned();
            // `already signed in` needs a session that is admitted at once, and only a way back.
            let uri =
                if uri == "/login?return_to=%2Fx" { "/login?return_to=%2Fx&prompt=" } else { uri };
            let begun = browser.send(method, uri, &fields).await;
            let state = authorization(&begun)["state"].clone();
            workos.will(Reply::Session(new.clone()));
            let back = callback(&[("code", "code_1"), ("state", &state)]);
            let response = browser.send("GET", &back, &ELSEWHERE).await;
            let name = format!("{name}, {held:?} of {age} s, {new}");
            let kept = browser.cookies.get("wos_session") == before.as_ref();
            assert_eq!(kept, asks, "{name}");
            assert_eq!(matches!(outcome(&response), SignInOutcome::Asked), asks, "{name}");
            let hooks = asked_hook.load(std::sync::atomic::Ordering::Relaxed);
            assert_eq!(
                hooks,
                usize::from(!asks),
                "{name}: nobody is asked about what is not begun"
            );
            assert!(browser.flows().is_empty(), "{name}");
            if !asks {
                assert_eq!(response.status(), 303, "{name}");
                continue;
            }
            assert_eq!(response.status(), 200, "{name}");
            assert_eq!(header(&response, "referrer-policy"), "same-origin", "{name}");
            let page = body(&response);
            assert_eq!(page.matches("<form").count(), 1, "{name}: {page}");
            assert!(!page.contains("code_1") && !page.contains(&state), "{name}: {page}");
            let path = if uri.contains("return_to") { "%2Fx" } else { "%2F" };
            let action = format!("/callback?return_to={path}");
            assert!(page.contains(&format!("action=\"{action}\"")), "{name}: {page}");

            let refused = browser.send("POST", &action, &ELSEWHERE).await;
            assert_eq!((refused.status().as_u16(), browser.flows().len()), (403, 0), "{name}");
            let agreed = browser.send("POST", &action, &FORM).await;
            assert_eq!(agreed.status(), 303, "{name}");
            let state = authorization(&agreed)["state"].clone();
            workos.will(Reply::Session(new.clone()));
            let back = callback(&[("code", "code_2"), ("state", &state)]);
            let response = browser.send("GET", &back, &ELSEWHERE).await;
            assert!(
                matches!(outcome(&response), SignInOutcome::SignedIn(session) if session.user_id() == "user_bob"),
                "{name}"
            );
        }
    }
}

/// A sign-in that starts again at the callback is still of whoever began it, and of nobody known where no flow says so.
#[tokio::test]
async fn e1_a_sign_in_that_starts_again_asks_as_the_first_one_did() {
    let alice = json!({ "sub": "user_alice", "sid": "session_alice" });
    let bob = json!({ "sub": "user_bob", "sid": "session_bob" });
    for (name, began, has_flow, is_elsewhere) in [
        ("another browser's state", &FORM, false, true),
        ("a redeemed state, begun elsewhere", &ELSEWHERE, true, true),
        ("a redeemed state, begun by the user", &FORM, true, false),
    ] {
        for (held, new, asks) in
            [(Some(&alice), &bob, is_elsewhere), (Some(&alice), &alice, false), (None, &bob, false)]
        {
            let name = format!("{name}, {held:?}, {new}");
            let (mut browser, authkit, workos) = Browser::with_workos();
            let mut attacker = Browser::new(&authkit);
            let begins = if has_flow { &mut browser } else { &mut attacker };
            let begun = begins.send("GET", "/login?return_to=%2Fx", began).await;
            let state = authorization(&begun)["state"].clone();
            let back = callback(&[("code", "code_1"), ("state", &state)]);
            if has_flow {
                let flow = browser.cookies.clone();
                workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
                let refused = browser.send("GET", &back, &ELSEWHERE).await;
                assert_eq!(failure(&refused), Some(SignInFailure::CodeRefused), "{name}");
                browser.cookies = flow;
            }
            if let Some(claims) = held {
                let cookie = workos.cookie(&authkit, claims.clone()).await;
                let (name, value) = cookie.split_once('=').unwrap();
                browser.cookies.insert(name.to_owned(), value.to_owned());
            }
            let before = browser.cookies.get("wos_session").cloned();
            // The held session has to be refreshed, so nobody is sent home.
            workos.clock().advance(Duration::from_secs(310));
            let restarted = browser.send("GET", &back, &ELSEWHERE).await;
            assert!(matches!(outcome(&restarted), SignInOutcome::Restarted), "{name}");

            let state = authorization(&restarted)["state"].clone();
            workos.will(Reply::Session(new.clone()));
            let back = callback(&[("code", "code_2"), ("state", &state)]);
            let response = browser.send("GET", &back, &ELSEWHERE).await;
            assert_eq!(matches!(outcome(&response), SignInOutcome::Asked), asks, "{name}");
            assert_eq!(browser.cookies.get("wos_session") == before.as_ref(), asks, "{name}");
        }
    }
}

/// What has ended is nobody's session any more.
#[tokio::test]
async fn e1_a_session_that_was_signed_out_is_replaced_without_a_question() {
    let (mut browser, authkit, workos) = Browser::with_workos();
    let cookie = workos.cookie(&authkit, json!({ "sub": "user_alice" })).await;
    let value = cookie.strip_prefix("wos_session=").unwrap().to_owned();
    authkit.authenticator().sign_out(&crate::tests::headers(&[("cookie", &cookie)]));
    browser.cookies.insert("wos_session".to_owned(), value);
    let begun = browser.send("GET", "/login?return_to=%2Fx", &ELSEWHERE).await;
    let state = authorization(&begun)["state"].clone();
    workos.will(Reply::Session(json!({ "sub": "user_bob", "sid": "session_bob" })));
    let response = browser.go(&callback(&[("code", "code_1"), ("state", &state)])).await;
    assert!(matches!(outcome(&response), SignInOutcome::SignedIn(_)));
}

#[tokio::test]
async fn the_sign_in_hook_gets_the_providers_tokens_and_the_session_does_not() {
    let (authkit, workos) = authkit();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let keep = Arc::clone(&seen);
    let endpoints = Endpoints::new(&authkit).with_sign_in_hook(move |new: NewSession| {
        assert!(!format!("{new:?} {:?}", new.oauth_tokens()).contains("ya29"));
        let token = new.oauth_tokens().map(|tokens| tokens.access_token().expose().to_owned());
        keep.lock().unwrap().push(token);
        std::future::ready(HookDecision::Keep)
    });
    let mut browser = Browser::of(endpoints);
    let tokens = json!({ "provider": "GoogleOAuth", "access_token": "ya29.secret", "scopes": [] });
    workos.will(Reply::Beside(json!({ "oauth_tokens": tokens })));
    assert_eq!(browser.sign_in("/login").await.status(), 303);
    browser.cookies.clear();
    assert_eq!(browser.sign_in("/login").await.status(), 303);
    assert_eq!(*seen.lock().unwrap(), [Some("ya29.secret".to_owned()), None]);
}

/// Impersonations and invitations, and a sign-in that starts again, go where the application sends them.
#[tokio::test]
async fn what_the_application_adds_goes_with_every_sign_in() {
    let (authkit, _) = authkit();
    let mut browser = Browser::of(Endpoints::new(&authkit).with_authorization(|request, it| {
        let from = request.query("tenant").unwrap_or_else(|| "none".to_owned());
        it.with_provider("GoogleOAuth")
            .with_domain_hint(format!("{from}.test"))
            .with_provider_scopes(["calendar.read", "drive"])
    }));
    for (uri, hint) in [
        ("/login?tenant=acme&provider=GitHubOAuth&domain_hint=evil.test", "acme.test"),
        ("/login", "none.test"),
        ("/callback?code=of-an-impersonation", "none.test"),
    ] {
        let asked = browser.start(uri).await;
        assert_eq!(
            (asked["provider"].as_str(), asked["domain_hint"].as_str()),
            ("GoogleOAuth", hint)
        );
        assert_eq!(asked["provider_scopes"], "calendar.read,drive");
    }
}
