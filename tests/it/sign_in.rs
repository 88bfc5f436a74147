//! A sign-in ends at the page where it began. If WorkOS fails or the browser keeps no cookies, a page says so.

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, Session};
use axum::{Router, extract::Path, routing::get};
use http::{Method, StatusCode, header::SET_COOKIE};
use support::{Answer, Browser, Harness, Running};
use url::Url;

fn app(authkit: &AuthKit) -> Router {
    Router::new()
        .route(
            "/page/{n}",
            get(async |session: Session, Path(n): Path<u8>| {
                format!("{n} {}", session.user().email.as_ref().unwrap())
            }),
        )
        .route_layer(AuthKitLayer::new(authkit))
        .route("/", get(async || "home"))
        .merge(Endpoints::new(authkit))
}

async fn running() -> Running {
    let harness = Harness::start().await;
    let app = app(&harness.authkit);
    harness.serve(app)
}

/// Follows redirects up to the callback, and returns its URL without opening it.
async fn up_to_the_callback(browser: &Browser, url: &str) -> Url {
    let mut answer = browser.navigate(url).await;
    loop {
        let target = browser.target(&answer);
        if target.path() == "/callback" {
            return target;
        }
        answer = browser.navigate(target.as_str()).await;
    }
}

#[tokio::test]
async fn cb_01_an_impersonation_begun_at_workos_is_begun_again_here() {
    let running = running().await;
    let browser = running.browser();
    let code = running.emulator.authorization_code("bob@acme.test");

    let page = browser.open(&running.url(&format!("/callback?code={code}"))).await;

    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/"));
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1, "the code was never exchanged");
    let page = browser.navigate(&running.url("/page/1")).await;
    assert_eq!(
        page.text(),
        "1 alice@acme.test",
        "the user whom AuthKit signs in, and not the code's"
    );
}

/// RD-12: the browser keeps no cookie at all.
#[tokio::test]
async fn cb_02_rd_12_a_browser_without_cookies_is_told_so_after_three_tries() {
    let running = running().await;
    let mut url = running.url("/page/1");
    let mut tries = 0;
    let page = loop {
        let browser = Browser::new();
        let answer = browser.navigate(&url).await;
        if !answer.status.is_redirection() {
            break answer;
        }
        url = browser.target(&answer).into();
        tries += usize::from(url.contains("/user_management/authorize"));
    };

    assert_eq!((page.status, page.url.path(), tries), (StatusCode::BAD_REQUEST, "/callback", 3));
    assert!(page.text().contains("Your browser does not keep our cookies"), "{}", page.text());
    assert!(page.text().contains(&running.url("")), "the usual address is named: {}", page.text());
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 0);
}

#[tokio::test]
async fn cb_03_a_callback_counts_once_and_in_its_own_browser() {
    let running = running().await;
    let (browser, victim) = (running.browser(), running.browser());
    let back = up_to_the_callback(&browser, &running.url("/page/3")).await;

    let stolen = victim.navigate(back.as_str()).await;
    assert_eq!(stolen.status, StatusCode::FOUND, "the victim signs in as herself, or not at all");
    assert!(stolen.set_cookies("wos_session").is_empty());
    let signed_in = browser.navigate(back.as_str()).await;
    assert_eq!(
        (signed_in.status, signed_in.header("location")),
        (StatusCode::SEE_OTHER, "/page/3")
    );
    let again = browser.navigate(back.as_str()).await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, "/"));
    assert!(again.set_cookies("wos_session").is_empty());
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1);
}

#[tokio::test]
async fn cb_04_five_tabs_end_where_they_began_in_any_order() {
    let running = running().await;
    let browser = running.browser();
    let mut tabs = Vec::new();
    for n in 0..5_u8 {
        tabs.push(up_to_the_callback(&browser, &running.url(&format!("/page/{n}"))).await);
    }
    for n in [2, 4, 0, 3, 1] {
        let page = browser.open(tabs[n].as_str()).await;
        assert_eq!((page.status, page.text()), (StatusCode::OK, format!("{n} alice@acme.test")));
    }
    assert_eq!(browser.cookie_names(), ["wos_session"]);
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 5);
}

/// Neither a protected page nor the sign-in endpoint sets a cookie for a script or a prefetch.
#[tokio::test]
async fn cb_05_two_hundred_scripts_and_prefetches_leave_no_cookie_and_a_navigation_one() {
    let running = running().await;
    let browser = running.browser();
    for path in ["/page/1", "/login"] {
        for _ in 0..50 {
            let fetched = browser.fetch(Method::GET, &running.url(path), "").await;
            let headers = [("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate")];
            let url = running.url(path);
            let prefetched = browser.send(Method::GET, &url, headers, "".into()).await;
            for answer in [fetched, prefetched] {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
                assert!(!answer.headers.contains_key(SET_COOKIE), "{path}");
            }
        }
    }

    let answer = browser.navigate(&running.url("/login")).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    let [flow] = &browser.cookie_names()[..] else { panic!("{:?}", browser.cookie_names()) };
    let [cookie] = answer.set_cookies(flow).try_into().expect("one cookie");
    assert!(flow.starts_with("wos_auth_") && cookie.contains("; Max-Age=600"), "{cookie}");
}

#[tokio::test]
async fn cb_08_a_code_is_sent_once_and_the_user_may_try_again() {
    for fault in [
        Fault::status(503),
        Fault::status(429),
        Fault::reset_after(),
        Fault::html(),
        Fault::truncated(),
    ] {
        let running = running().await;
        let browser = running.browser();
        let back = up_to_the_callback(&browser, &running.url("/page/8")).await;
        running.emulator.fault(fault);

        let page = browser.navigate(back.as_str()).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(page.header("retry-after"), "5");
        assert!(
            page.text().contains("/login?return_to=%2Fpage%2F8\">Try again"),
            "{}",
            page.text()
        );
        assert_eq!(
            running.emulator.calls(Endpoint::Authenticate),
            1,
            "the outcome of the first call is unknown"
        );
        assert!(browser.cookie_names().is_empty());

        let page = browser.open(&running.url("/login?return_to=%2Fpage%2F8")).await;
        assert_eq!(page.text(), "8 alice@acme.test");
    }
}

#[tokio::test]
async fn cb_09_success_leaves_no_trace_of_the_code() {
    let running = running().await;
    let browser = running.browser();
    let back = up_to_the_callback(&browser, &running.url("/page/9")).await;

    let answer = browser.navigate(back.as_str()).await;

    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("location"), "/page/9");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert!(answer.body.is_empty());
    let [session] = answer.set_cookies("wos_session").try_into().expect("one session");
    assert!(session.contains("HttpOnly") && session.contains("SameSite=Lax"), "{session}");
    assert_eq!(browser.cookie_names(), ["wos_session"], "the flow's cookie is gone");
}

/// When a new session begins, the old one ends, in the browser and in the service.
#[tokio::test]
async fn cb_09_another_user_takes_the_place_of_the_one_before() {
    let running = running().await;
    let browser = running.signed_in("bob@acme.test");
    let old = browser.cookie("wos_session").unwrap();

    let page = browser.open(&running.url("/login?prompt=login&return_to=%2Fpage%2F1")).await;
    assert_eq!(page.text(), "1 alice@acme.test");

    let replay = Browser::new();
    replay.keep(&running.url("/"), "wos_session", &old);
    let page: Answer = replay.navigate(&running.url("/page/1")).await;
    assert_eq!(page.status, StatusCode::FOUND, "the old cookie opens nothing");
}

#[tokio::test]
async fn rd_12_a_clock_that_is_ten_minutes_off_is_named() {
    let running = running().await;
    let browser = running.browser();
    let back = up_to_the_callback(&browser, &running.url("/page/1")).await;
    running.emulator.fault(Fault::clock_behind(Duration::from_secs(600)));

    let page = browser.navigate(back.as_str()).await;

    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.text().contains("A clock is wrong"), "{}", page.text());
    assert!(browser.cookie_names().is_empty());
}

/// A service at two hosts: the sign-in begins at one, and the redirect URI is the other's.
#[tokio::test]
async fn e13_a_sign_in_begun_on_a_sibling_host_ends_where_it_was_going() {
    let running = running().await;
    let sibling = Browser::new();
    let back = up_to_the_callback(&sibling, &running.url("/page/7")).await;
    // The host of the redirect URI has no cookie of the other one.
    let browser = running.browser();

    let page = browser.open(back.as_str()).await;

    assert_eq!((page.url.path(), page.text()), ("/page/7", "7 alice@acme.test".to_owned()));
    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1);
}

#[tokio::test]
async fn c1_one_state_brings_one_call_to_workos_however_often_it_is_brought() {
    let running = running().await;
    let browser = running.browser();
    let back = up_to_the_callback(&browser, &running.url("/page/1")).await;
    let [flow] = &browser.cookie_names()[..] else { panic!("{:?}", browser.cookie_names()) };
    let kept = browser.cookie(flow).unwrap();
    let state = back.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();

    for n in 0..300 {
        browser.keep(&running.url("/"), flow, &kept);
        let url = running.url(&format!("/callback?code=junk{n}&state={state}"));
        let answer = browser.navigate(&url).await;
        assert_eq!(answer.status.is_redirection(), n > 0, "{n}: {}", answer.text());
    }

    assert_eq!(running.emulator.calls(Endpoint::Authenticate), 1);
}

/// The headers that a browser sends after a click on a link of another site.
const ELSEWHERE: [(&str, &str); 3] = [
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-dest", "document"),
];

/// Follows a link on another site to `url`, and all redirects, with the headers of a navigation that another site began.
async fn linked_from_elsewhere(browser: &Browser, url: &str) -> Answer {
    let mut url = url.to_owned();
    loop {
        let answer = browser.send(Method::GET, &url, ELSEWHERE, "".into()).await;
        if !answer.status.is_redirection() {
            return answer;
        }
        url = browser.target(&answer).into();
    }
}

#[tokio::test]
async fn e1_another_site_does_not_make_somebody_else_of_a_user_without_a_click() {
    let running = running().await;
    let browser = running.signed_in("bob@acme.test");
    let evil = running.url("/login?organization_id=org_evil&return_to=%2Fpage%2F1");

    let page = linked_from_elsewhere(&browser, &evil).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/login"));
    assert!(page.text().contains("Go on only if you expected that"), "{}", page.text());
    assert!(!page.text().contains("org_evil"), "{}", page.text());

    // Without an organization the question comes after the sign-in, when it is known that another user signed in: Alice.
    let url = running.url("/login?prompt=login&return_to=%2Fpage%2F1");
    let page = linked_from_elsewhere(&browser, &url).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/callback"));
    let mine = browser.navigate(&running.url("/page/1")).await;
    assert_eq!(mine.text(), "1 bob@acme.test", "nothing has changed yet");

    let agreed = browser.press(&page, "Sign in as somebody else").await;
    let page = browser.open(browser.target(&agreed).as_str()).await;
    assert_eq!((page.url.path(), page.text()), ("/page/1", "1 alice@acme.test".to_owned()));
    let again = linked_from_elsewhere(&browser, &url).await;
    assert_eq!(again.text(), "1 alice@acme.test", "the same user is not asked");
}
