use authkit_session::Reason;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::*;
use crate::{
    site::Site,
    tests::{Fields, body, header, request},
};

fn site() -> Site {
    crate::tests::authkit().0.site().clone()
}

fn run(cause: &Cause, method: &str, uri: &str, fields: Fields<'_>) -> Response<Bytes> {
    answer(cause, Caller::of(&request(method, uri, fields)), Some(&site()), Scheme::Cookie).1
}

const DOCUMENT: &[(&str, &str)] = &[("sec-fetch-mode", "navigate")];
const FETCH: &[(&str, &str)] = &[("sec-fetch-mode", "cors")];
const HTMX: &[(&str, &str)] =
    &[("hx-request", "true"), ("hx-current-url", "https://app.example.com/list?page=2")];
const SOCKET: &[(&str, &str)] = &[("upgrade", "websocket")];
const EVENTS: &[(&str, &str)] = &[("accept", "text/event-stream")];
const GRPC: &[(&str, &str)] = &[("content-type", "application/grpc+proto")];
const GRPC_WEB: &[(&str, &str)] =
    &[("content-type", "application/grpc-web"), ("sec-fetch-mode", "cors")];
const PREFETCH: &[(&str, &str)] = &[("sec-purpose", "prefetch"), ("sec-fetch-mode", "navigate")];
const PREFLIGHT: &[(&str, &str)] =
    &[("origin", "https://a"), ("access-control-request-method", "PUT")];

/// Status, gRPC status, Location, HX-Redirect and content type, for who asks how in the table of the design.
type Row = (&'static str, &'static str, Fields<'static>, [(u16, &'static str); 7]);

#[test]
fn everybody_is_answered_in_their_own_protocol() {
    const PROBLEM: &str = "application/problem+json";
    const PAGE: &str = "text/html; charset=utf-8";
    const STREAM: &str = "text/event-stream";
    let causes = [
        Cause::NOT_SIGNED_IN,
        Cause::Forbidden,
        Cause::CrossOrigin(CrossOrigin::OtherSite),
        Cause::Unavailable { retry_after: Duration::from_millis(1_500), reason: Reason::Upstream },
        Cause::Misconfigured(Mistake::LayerOverEndpoints),
        Cause::Misconfigured(Mistake::NestedEndpoints),
        Cause::RepeatedCredentials,
    ];
    let of = |statuses: [u16; 7], name| statuses.map(|status| (status, name));
    let problems = |unauthenticated| of([unauthenticated, 403, 403, 503, 500, 500, 400], PROBLEM);
    let pages = |redirect| {
        let mut pages = of([redirect, 403, 403, 503, 500, 500, 400], PAGE);
        pages[0].1 = "";
        pages
    };
    let nothing = of([401, 403, 403, 503, 500, 500, 400], "");
    let grpc = |name| of([16, 7, 7, 14, 13, 13, 3], name);
    let mut events = problems(401);
    events[3] = (200, STREAM);
    let rows: [Row; 13] = [
        ("events", "GET", EVENTS, events),
        ("document", "GET", DOCUMENT, pages(302)),
        ("document HEAD", "HEAD", DOCUMENT, pages(302)),
        ("document POST", "POST", DOCUMENT, pages(303)),
        ("document DELETE", "DELETE", DOCUMENT, pages(303)),
        ("fetch", "GET", FETCH, problems(401)),
        ("htmx", "POST", HTMX, problems(401)),
        ("WebSocket", "GET", SOCKET, problems(401)),
        ("events by POST", "POST", EVENTS, problems(401)),
        ("preflight", "OPTIONS", PREFLIGHT, problems(401)),
        ("prefetch", "GET", PREFETCH, nothing),
        ("gRPC", "POST", GRPC, grpc("application/grpc+proto")),
        ("gRPC-Web", "POST", GRPC_WEB, grpc("application/grpc-web")),
    ];

    for (name, method, fields, expected) in rows {
        for (cause, (status, content_type)) in causes.iter().zip(expected) {
            let name = format!("{name}, {cause:?}");
            let response = run(cause, method, "/a?b=c", fields);
            let is_grpc =
                response.extensions().get::<Denial>().unwrap().client() == ClientKind::Grpc;
            let found = if is_grpc {
                header(&response, "grpc-status").parse().unwrap()
            } else {
                response.status().as_u16()
            };
            assert_eq!(
                (found, header(&response, "content-type")),
                (status, content_type),
                "{name}"
            );
            let is_stream = content_type == STREAM;
            assert_eq!(is_grpc || is_stream, response.status() == StatusCode::OK, "{name}");
            assert!(
                !is_grpc
                    || response.body().is_empty() && !header(&response, "grpc-message").is_empty(),
                "{name}"
            );

            let status = response.status().as_u16();
            assert_eq!(
                response.headers().contains_key("location"),
                matches!(status, 302 | 303),
                "{name}"
            );
            assert_eq!(
                response.headers().contains_key("www-authenticate"),
                matches!(status, 400 | 401),
                "{name}"
            );
            assert_eq!(
                response.headers().contains_key("hx-redirect"),
                fields == HTMX && status == 401,
                "{name}"
            );
            assert_eq!(
                header(&response, "retry-after"),
                if status == 503 { "2" } else { "" },
                "{name}"
            );
            assert_eq!(header(&response, "cache-control"), "private, no-store", "{name}");
            assert!(!response.headers().contains_key("set-cookie"), "{name}");
        }
    }
}

/// E11 of docs/cases.md.
#[test]
fn e11_an_event_source_is_told_when_to_come_back() {
    for (millis, expected) in
        [(1_000, "retry: 1000\n\n"), (1_500, "retry: 1500\n\n"), (120_000, "retry: 120000\n\n")]
    {
        let retry_after = Duration::from_millis(millis);
        let cause = Cause::Unavailable { retry_after, reason: Reason::Upstream };
        let response = run(&cause, "GET", "/events", EVENTS);
        assert_eq!((response.status().as_u16(), body(&response)), (200, expected));
        assert!(!response.headers().contains_key("retry-after"));
        let denial = response.extensions().get::<Denial>().unwrap();
        assert_eq!(denial.kind(), DenialKind::Unavailable, "logs and counters see a denial");
        assert_eq!(denial.retry_after(), Some(retry_after));

        for method in ["HEAD", "POST"] {
            let response = run(&cause, method, "/events", EVENTS);
            assert_eq!(response.status().as_u16(), 503, "{method}: no EventSource sends that");
        }
    }
}

#[test]
fn a_problem_says_what_a_program_needs() {
    let response = run(&Cause::NOT_SIGNED_IN, "GET", "/a?b=c", FETCH);
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(
        problem,
        serde_json::json!({
            "type": "about:blank", "title": "Unauthorized", "status": 401,
            "detail": "You need to be signed in to see this.", "login_url": "/login",
        })
    );
    assert_eq!(header(&response, "www-authenticate"), r#"Cookie cookie-name="wos_session""#);

    let response = run(&Cause::Forbidden, "GET", "/a?b=c", FETCH);
    let problem: Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((&problem["status"], &problem["title"]), (&403.into(), &"Forbidden".into()));
    assert!(problem.get("login_url").is_none(), "signing in would not help");
}

#[test]
fn the_way_to_sign_in_knows_the_way_back() {
    let at_organization = Cause::Challenge {
        organization: Some("org_1&x".into()),
        reason: Reason::InteractionNeeded,
    };
    let again = Cause::SignInAgain { max_age: Duration::from_secs(300), reason: None };
    let form = &[DOCUMENT[0], ("referer", "https://app.example.com/form?x=1")];
    let cases: [(&str, &Cause, &str, &str, Fields<'_>, &str); 9] = [
        (
            "document",
            &Cause::NOT_SIGNED_IN,
            "GET",
            "/dash?tab=1&x=a%20b",
            DOCUMENT,
            "/login?return_to=%2Fdash%3Ftab%3D1%26x%3Da%2520b",
        ),
        (
            "document POST",
            &Cause::NOT_SIGNED_IN,
            "POST",
            "/dash",
            form,
            "/login?return_to=%2Fform%3Fx%3D1",
        ),
        (
            "document, hostile path",
            &Cause::NOT_SIGNED_IN,
            "GET",
            "//evil.example/x",
            DOCUMENT,
            "/login?return_to=%2F",
        ),
        (
            "htmx",
            &Cause::NOT_SIGNED_IN,
            "GET",
            "/rows",
            HTMX,
            "/login?return_to=%2Flist%3Fpage%3D2",
        ),
        ("fetch", &Cause::NOT_SIGNED_IN, "GET", "/api", FETCH, "/login"),
        (
            "organization",
            &at_organization,
            "GET",
            "/a",
            DOCUMENT,
            "/login?return_to=%2Fa&organization_id=org_1%26x",
        ),
        (
            "organization, fetch",
            &at_organization,
            "GET",
            "/a",
            FETCH,
            "/login?organization_id=org_1%26x",
        ),
        (
            "signed in too long ago",
            &again,
            "GET",
            "/a",
            DOCUMENT,
            "/login?return_to=%2Fa&max_age=300",
        ),
        ("signed in too long ago, fetch", &again, "GET", "/a", FETCH, "/login?max_age=300"),
    ];

    for (name, cause, method, uri, fields, expected) in cases {
        let response = run(cause, method, uri, fields);
        let denial = response.extensions().get::<Denial>().unwrap();
        assert_eq!(denial.login_url(), Some(expected), "{name}");
        assert_eq!(denial.kind(), DenialKind::Unauthenticated, "{name}");
        for sent in ["location", "hx-redirect"].map(|field| header(&response, field)) {
            assert!(sent.is_empty() || sent == expected, "{name}: {sent}");
        }
    }

    let response = run(&again, "GET", "/a", FETCH);
    assert_eq!(
        header(&response, "www-authenticate"),
        r#"Cookie cookie-name="wos_session", error="insufficient_user_authentication", max_age="300""#
    );
}

#[test]
fn pages_show_nothing_of_the_request_but_its_encoded_path() {
    let fields = [DOCUMENT[0], ("referer", "https://x/<script>"), ("user-agent", "<b>")];
    let cross_origin = Cause::CrossOrigin(CrossOrigin::OtherSite);
    let outage = Cause::Unavailable { retry_after: Duration::ZERO, reason: Reason::Busy };
    for cause in [Cause::Forbidden, cross_origin, outage] {
        let here = run(&cause, "GET", "/secret?q=%3Cscript%3E", &fields);
        let there = run(&cause, "GET", "/", DOCUMENT);
        let path = "return_to=%2Fsecret%3Fq%3D%253Cscript%253E\"";
        assert_eq!(body(&here).replace(path, "return_to=%2F\""), body(&there), "{cause:?}");
        assert!(header(&here, "content-security-policy").starts_with("default-src 'none'"));
    }
}

/// Nobody is left where going back is all that can be done.
#[test]
fn a_page_that_refuses_has_a_way_on() {
    let ways = |cause: &Cause, method| {
        let response = run(cause, method, "/admin?a", DOCUMENT);
        let links = body(&response).split("href=\"").skip(1);
        links.map(|rest| rest.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let here = "/login?prompt=login&amp;return_to=%2Fadmin%3Fa";
    assert_eq!(ways(&Cause::Forbidden, "GET"), ["/", here]);
    let home = "/login?prompt=login&amp;return_to=%2F";
    assert_eq!(ways(&Cause::Forbidden, "POST"), ["/", home], "no form is sent twice");
    assert_eq!(ways(&Cause::CrossOrigin(CrossOrigin::OtherSite), "POST"), ["/"]);
    let outage = Cause::Unavailable { retry_after: Duration::ZERO, reason: Reason::Busy };
    let again = "/login?return_to=%2Fadmin%3Fa";
    assert_eq!(ways(&outage, "GET"), ["", again], "b3: the page again, or a new session");
    assert_eq!(ways(&outage, "POST"), ["/login?return_to=%2F"]);
    let useless =
        Challenge { scheme: Scheme::AnotherBearer, offer: SignInOffer::Useless, resource: None };
    let request = request("GET", "/admin", DOCUMENT);
    let (_, page) = answer(&outage, Caller::of(&request), Some(&site()), useless);
    assert!(!body(&page).contains("/login"), "no session counts there: {}", body(&page));
}

#[test]
fn outside_every_layer_there_is_still_an_answer() {
    let request = request("GET", "/", FETCH);
    let cause = Cause::Misconfigured(Mistake::GuardOutsideLayer);
    let (denial, response) = answer(&cause, Caller::of(&request), None, Scheme::Cookie);
    assert_eq!(response.status(), 500);
    assert_eq!((denial.kind(), denial.login_url()), (DenialKind::Misconfigured, None));
    let by_grpc = run(&cause, "POST", "/", GRPC);
    for word in ["AuthKitLayer", "Require", "axum", "ServiceBuilder", "tonic"] {
        assert!(body(&response).contains(word), "{word}");
        assert!(header(&by_grpc, "grpc-message").contains(word), "{word}");
    }
}

#[test]
fn mistakes_are_told_to_grpc_as_they_are() {
    for mistake in [
        Mistake::SessionOutsideLayer,
        Mistake::GuardOutsideLayer,
        Mistake::LayerOverEndpoints,
        Mistake::NestedEndpoints,
    ] {
        // gRPC over HTTP/2, `Percent-Encoded`: everything else would have to be encoded.
        let is_plain = |byte| matches!(byte, b' '..=b'~') && byte != b'%';
        assert!(mistake.text().bytes().all(is_plain), "{}", mistake.text());
    }
}
