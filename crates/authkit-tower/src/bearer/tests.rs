use std::{convert::Infallible, pin::Pin, time::Duration};

use http::{Request, Response};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt};

use super::*;
use crate::{
    AuthKit, AuthKitLayer, Denial, DenialKind, Principal, Reason, Require, Revocation,
    tests::{Empty, Fields, Reply, Workos, authkit_of, header, request, set_cookies},
};

const ISSUER: &str = "https://api.workos.com/user_management/client_1";

fn handle() -> (AuthKit, Arc<Workos>) {
    authkit_of(|config| config.with_issuers([ISSUER]))
}

fn accepting(authkit: &AuthKit) -> AuthKitLayer {
    AuthKitLayer::new(authkit).with_bearer().unwrap()
}

/// The field of a good token, but for these claims.
fn bearer_of(workos: &Workos, claims: &Value) -> String {
    let mut all = json!({ "iss": ISSUER, "sid": "session_token" });
    for (name, value) in claims.as_object().unwrap() {
        all[name] = value.clone();
    }
    format!("Bearer {}", workos.token(&all))
}

/// The cookie of a session of the same issuer.
async fn cookie_of(workos: &Workos, authkit: &AuthKit) -> String {
    workos.cookie(authkit, json!({ "iss": ISSUER, "sid": "session_cookie" })).await
}

/// Says in `x-saw` who sent a request.
async fn inner(request: Request<Empty>) -> Result<Response<()>, Infallible> {
    let saw = match Principal::of(request.extensions()) {
        Some(Principal::Session(session)) => session.session_id().to_owned(),
        Some(other) => other.token().map_or(other.subject(), |it| it.session_id()).to_owned(),
        None => "nobody".to_owned(),
    };
    let mut response = Response::new(());
    response.headers_mut().insert("x-saw", saw.parse().unwrap());
    Ok(response)
}

async fn send<L, B>(layer: &L, request: Request<Empty>) -> Response<()>
where
    L: Layer<Inner>,
    L::Service: Service<Request<Empty>, Response = Response<B>, Error = Infallible>,
{
    let inner: Inner = tower::service_fn(|request| Box::pin(inner(request)));
    layer.layer(inner).oneshot(request).await.unwrap().map(drop)
}

type Inner = tower::util::ServiceFn<
    fn(Request<Empty>) -> Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>,
>;

fn get(fields: Fields<'_>) -> Request<Empty> {
    request("GET", "/a", fields)
}

/// Status, what the handler saw and the challenge.
fn seen(response: &Response<()>) -> (u16, &str, &str) {
    let status = response.status().as_u16();
    (status, header(response, "x-saw"), header(response, "www-authenticate"))
}

const INVALID: (u16, &str, &str) =
    (401, "", r#"Bearer realm="https://app.example.com", error="invalid_token""#);
const TWO: (u16, &str, &str) =
    (400, "", r#"Bearer realm="https://app.example.com", error="invalid_request""#);
const NOTHING: (u16, &str, &str) = (401, "", r#"Bearer realm="https://app.example.com""#);
const NOT_ENOUGH: (u16, &str, &str) =
    (403, "", r#"Bearer realm="https://app.example.com", error="insufficient_scope""#);

#[tokio::test]
async fn rd_10_a_token_counts_alone_and_by_every_rule() {
    let (authkit, workos) = handle();
    let layer = accepting(&authkit);
    let cookie = cookie_of(&workos, &authkit).await;
    let now = workos.clock().unix();
    let good = bearer_of(&workos, &json!({}));
    let of = |claims: Value| bearer_of(&workos, &claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other_payload = of(json!({ "sub": "user_2" }));
    let forged = format!("{}.{signature}", other_payload.rsplit_once('.').unwrap().0);
    let admitted = (200, "session_token", "");

    let cases = [
        ("good", good.clone(), admitted),
        ("scheme of another case", good.replacen("Bearer", "bearer", 1), admitted),
        ("no client id", of(json!({ "client_id": null })), admitted),
        ("nearly over", of(json!({ "iat": now - 299, "exp": now + 1 })), admitted),
        ("over", of(json!({ "iat": now - 400, "exp": now - 100 })), INVALID),
        ("another client's", of(json!({ "client_id": "client_2" })), INVALID),
        ("another issuer's", of(json!({ "iss": "https://evil.example" })), INVALID),
        ("an issuer with a slash", of(json!({ "iss": format!("{ISSUER}/") })), INVALID),
        ("no issuer", of(json!({ "iss": null })), INVALID),
        ("with a scope of the template's", of(json!({ "scope": "read:reports" })), admitted),
        ("of a connected app", of(json!({ "sid": "app_consent_1", "scope": "openid" })), INVALID),
        ("of no session", of(json!({ "sid": null })), INVALID),
        ("of another kind of session", of(json!({ "sid": "app_session_1" })), INVALID),
        ("of nobody", of(json!({ "sub": "" })), INVALID),
        ("another's signature", forged, INVALID),
        ("no signature", format!("{signed}."), INVALID),
        ("no token", "Bearer".to_owned(), INVALID),
        ("garbage", "Bearer x".to_owned(), INVALID),
        ("two tokens", format!("{good}, {good}"), INVALID),
        ("too long", format!("{good}{}", "A".repeat(17_000)), INVALID),
        ("too long, and signed", of(json!({ "pad": "A".repeat(17_000) })), INVALID),
        ("long, and signed", of(json!({ "pad": "A".repeat(8_000) })), admitted),
    ];
    for (name, field, expected) in &cases {
        for fields in [
            &[("authorization", field.as_str())][..],
            &[("authorization", field), ("cookie", &cookie)],
        ] {
            let response = send(&layer, get(fields)).await;
            assert_eq!(seen(&response), *expected, "{name}");
            assert!(set_cookies(&response).is_empty(), "{name}");
            assert_eq!(header(&response, "cache-control"), "private, no-store", "{name}");
            assert_eq!(header(&response, "vary"), "Cookie, Authorization", "{name}");
        }
    }
    let early = of(json!({ "nbf": now + 60 }));
    let response = send(&layer, get(&[("authorization", &early)])).await;
    assert_eq!(seen(&response), (503, "", ""), "a wrong clock is nobody's fault");
    assert!(workos.calls().is_empty(), "nothing is refreshed");
}

#[tokio::test]
async fn rd_10_a_challenge_names_no_error_where_nothing_was_brought() {
    let (authkit, workos) = handle();
    let layer = accepting(&authkit);
    let cookie = cookie_of(&workos, &authkit).await;
    for fields in [
        &[][..],
        &[("cookie", "wos_session=garbage")],
        &[("authorization", "Basic YTpi")],
        &[("accept", "text/event-stream")],
    ] {
        let response = send(&layer, get(fields)).await;
        let bare = r#"Bearer realm="https://app.example.com""#;
        assert_eq!(seen(&response), (401, "", bare), "{fields:?}");
        assert_eq!(header(&response, "vary"), "Cookie, Authorization", "{fields:?}");
    }
    let response = send(&layer, get(&[("cookie", &cookie)])).await;
    assert_eq!(seen(&response), (200, "session_cookie", ""), "browsers are served as before");
    assert_eq!(header(&response, "vary"), "Cookie, Authorization");

    let page = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
    let response = send(&layer, get(&page)).await;
    assert_eq!(
        (response.status().as_u16(), header(&response, "location")),
        (302, "/login?return_to=%2Fa")
    );
    // Java's `HttpURLConnection` says that it accepts pages, whoever uses it.
    let java = [("accept", "text/html, image/gif, */*; q=.2"), ("authorization", "Bearer x")];
    assert_eq!(seen(&send(&layer, get(&java)).await), INVALID);

    let not_taking = AuthKitLayer::new(&authkit);
    let good = bearer_of(&workos, &json!({}));
    let response = send(&not_taking, get(&[("authorization", &good), ("cookie", &cookie)])).await;
    assert_eq!(seen(&response).1, "session_cookie", "without bearer tokens nobody looks at them");
    let response = send(&not_taking, get(&[("authorization", &good)])).await;
    assert_eq!(seen(&response), (401, "", r#"Cookie cookie-name="wos_session""#));
}

#[tokio::test]
async fn without_issuers_there_is_no_such_layer() {
    let none: [&str; 0] = [];
    for (authkit, _) in
        [authkit_of(|config| config), authkit_of(|config| config.with_issuers(none))]
    {
        let error = AuthKitLayer::new(&authkit).with_bearer().unwrap_err().to_string();
        assert!(error.contains("WORKOS_ISSUER"), "{error}");
    }
}

#[tokio::test]
async fn nothing_is_refreshed_and_an_old_token_is_asked_to_be_replaced() {
    let (authkit, workos) = handle();
    let layer = accepting(&authkit).with_max_token_age(Duration::from_secs(30));
    let (field, cookie) = (bearer_of(&workos, &json!({})), cookie_of(&workos, &authkit).await);
    assert_eq!(seen(&send(&layer, get(&[("authorization", &field)])).await).0, 200);

    workos.clock().advance(Duration::from_secs(31));
    let response = send(&layer, get(&[("authorization", &field), ("cookie", &cookie)])).await;
    assert_eq!(seen(&response), INVALID);
    assert_eq!(response.extensions().get::<Denial>().unwrap().reason(), Some(Reason::Expired));
    assert!(workos.calls().is_empty());

    workos.will(Reply::Session(json!({ "iss": ISSUER, "sid": "session_new" })));
    let response = send(&layer, get(&[("cookie", &cookie)])).await;
    assert_eq!((seen(&response).1, set_cookies(&response).len()), ("session_new", 1));
}

#[tokio::test]
async fn a_session_that_has_ended_here_ends_its_tokens_too() {
    let (authkit, workos) = handle();
    let layer = accepting(&authkit);
    let of = |sid: &str, sub: &str| bearer_of(&workos, &json!({ "sid": sid, "sub": sub }));
    let (signed_out, revoked, other) =
        (of("session_cookie", "user_1"), of("session_2", "user_2"), of("session_3", "user_3"));
    let cookie = cookie_of(&workos, &authkit).await;
    let reason = async |field: &str| {
        let response = send(&layer, get(&[("authorization", field)])).await;
        response.extensions().get::<Denial>().and_then(Denial::reason)
    };
    assert_eq!(reason(&signed_out).await, None);

    authkit.authenticator().sign_out(&crate::tests::headers(&[("cookie", &cookie)]));
    assert_eq!(reason(&signed_out).await, Some(Reason::SignedOut));
    authkit.revoke(Revocation::user("user_2", workos.clock().wall())).await.unwrap();
    assert_eq!(reason(&revoked).await, Some(Reason::Revoked));
    assert_eq!(reason(&other).await, None);
}

#[tokio::test]
async fn made_up_keys_cost_one_fetch_and_no_cookie_its_own() {
    let (authkit, workos) = handle();
    let layer = accepting(&authkit);
    let known = bearer_of(&workos, &json!({}));
    assert_eq!(seen(&send(&layer, get(&[("authorization", &known)])).await).0, 200);
    assert_eq!(workos.key_fetches(), 1);

    workos.rename_key("made up");
    let made_up = bearer_of(&workos, &json!({}));
    workos.rename_key("key_1");
    for _ in 0..100 {
        let response = send(&layer, get(&[("authorization", &made_up)])).await;
        assert_eq!(seen(&response), (503, "", ""));
    }
    assert_eq!(workos.key_fetches(), 2);
    assert_eq!(seen(&send(&layer, get(&[("authorization", &known)])).await).0, 200);

    // A key that is new indeed, in a cookie of another replica.
    workos.rename_key("key_2");
    let replica = workos.authkit_of(|config| config.with_issuers([ISSUER]));
    let cookie = cookie_of(&workos, &replica).await;
    let fetches = workos.key_fetches();
    let response = send(&layer, get(&[("cookie", &cookie)])).await;
    assert_eq!(seen(&response).1, "session_cookie", "the cookie's budget is its own");
    assert_eq!(workos.key_fetches(), fetches + 1);

    // And the other way round: made-up cookies do not exist, but a cookie's fetch uses up nothing of a token's.
    workos.clock().advance(Duration::from_secs(31));
    workos.rename_key("key_3");
    let cookie = cookie_of(&workos, &replica).await;
    assert_eq!(seen(&send(&layer, get(&[("cookie", &cookie)])).await).1, "session_cookie");
    workos.rename_key("key_4");
    let field = bearer_of(&workos, &json!({}));
    assert_eq!(seen(&send(&layer, get(&[("authorization", &field)])).await).0, 200);
}

#[tokio::test]
async fn garbage_is_nothing_to_fetch_keys_for() {
    let (authkit, workos) = handle();
    assert_eq!(
        seen(&send(&accepting(&authkit), get(&[("authorization", "Bearer x")])).await),
        INVALID
    );
    assert_eq!(workos.key_fetches(), 0);
}

#[tokio::test]
async fn no_other_site_can_send_a_token() {
    let (authkit, workos) = handle();
    let (field, cookie) = (bearer_of(&workos, &json!({})), cookie_of(&workos, &authkit).await);
    let cross = [("sec-fetch-site", "cross-site"), ("cookie", cookie.as_str())];
    let fields = [cross[0], cross[1], ("authorization", field.as_str())];
    let layer = accepting(&authkit);
    assert_eq!(seen(&send(&layer, request("POST", "/a", &fields)).await).1, "session_token");
    let response = send(&layer, request("POST", "/a", &cross)).await;
    assert_eq!(response.extensions().get::<Denial>().unwrap().kind(), DenialKind::CrossOrigin);
    let fields = [cross[0], cross[1], ("authorization", "Basic x")];
    assert_eq!(send(&layer, request("POST", "/a", &fields)).await.status(), 403);
}

#[tokio::test]
async fn an_optional_layer_lets_nobody_in_by_a_bad_token() {
    let (authkit, workos) = handle();
    let layer = AuthKitLayer::optional(&authkit).with_bearer().unwrap();
    let (field, cookie) = (bearer_of(&workos, &json!({})), cookie_of(&workos, &authkit).await);
    let response = send(&layer, get(&[("authorization", &field)])).await;
    assert_eq!(seen(&response).1, "session_token");
    let response = send(&layer, get(&[("authorization", "Bearer x"), ("cookie", &cookie)])).await;
    assert_eq!(seen(&response), (200, "nobody", ""));
    assert_eq!(header(&response, "vary"), "Cookie, Authorization");
}

#[tokio::test]
async fn of_nested_layers_each_takes_tokens_for_itself() {
    let (authkit, workos) = handle();
    let (plain, taking) = (AuthKitLayer::new(&authkit), accepting(&authkit));
    let optional = AuthKitLayer::optional(&authkit);
    let optional_taking = optional.clone().with_bearer().unwrap();
    let (field, cookie) = (bearer_of(&workos, &json!({})), cookie_of(&workos, &authkit).await);
    let good = [("authorization", field.as_str()), ("cookie", cookie.as_str())];
    let bad = [("authorization", "Bearer x"), good[1]];
    let alone = [good[0], ("accept", "*/*")];
    let session = [("accept", "*/*"), good[1]];
    let twice = [good[0], good[0], good[1]];
    let tokens_only = || taking.clone().without_sessions();
    let young = || taking.clone().with_max_token_age(Duration::from_secs(30));
    let stack = |outer: &AuthKitLayer, inner: &AuthKitLayer| {
        tower::layer::util::Stack::new(inner.clone(), outer.clone())
    };

    let inside = "session_token";
    let cases = [
        ("both take it", stack(&taking, &taking), &good, (200, inside, "")),
        ("both take it, a bad one", stack(&optional_taking, &taking), &bad, INVALID),
        ("only inside", stack(&optional, &taking), &good, (200, inside, "")),
        ("only inside, a bad one", stack(&optional, &taking), &bad, INVALID),
        ("only inside, behind a required one", stack(&plain, &taking), &good, (200, inside, "")),
        (
            "only outside",
            stack(&taking, &plain),
            &good,
            (401, "", r#"Cookie cookie-name="wos_session""#),
        ),
        ("only outside, optional inside", stack(&taking, &optional), &good, (200, inside, "")),
        ("young enough", stack(&taking, &young()), &good, (200, inside, "")),
        ("only inside, without a session", stack(&optional, &taking), &alone, (200, inside, "")),
        ("only a token counts inside", stack(&plain, &tokens_only()), &good, (200, inside, "")),
        ("no session counts inside", stack(&plain, &tokens_only()), &session, NOTHING),
    ];
    for (name, layers, fields, expected) in &cases {
        let response = send(layers, get(*fields)).await;
        assert_eq!(seen(&response), *expected, "{name}");
        let varies = header(&response, "vary");
        assert!(varies.contains("Cookie"), "{name}: {varies}");
        assert!(expected.1 != inside || varies == "Cookie, Authorization", "{name}: {varies}");
        assert!(set_cookies(&response).is_empty(), "{name}");
    }
    for layers in [stack(&plain, &taking), stack(&optional, &taking), stack(&taking, &plain)] {
        assert_eq!(seen(&send(&layers, get(&twice)).await), TWO, "nobody knows which one counts");
    }
    workos.clock().advance(Duration::from_secs(31));
    assert_eq!(seen(&send(&stack(&taking, &young()), get(&good)).await), INVALID, "too old inside");
}

#[tokio::test]
async fn of_nested_layers_each_takes_keys_for_itself() {
    let (authkit, _workos) = handle();
    let (tokens, keys) = (accepting(&authkit), AuthKitLayer::new(&authkit).with_api_keys());
    let both = accepting(&authkit).with_api_keys();
    let key = [("authorization", "Bearer sk_live_123456")];
    for (name, outer, inner, expected) in [
        ("both take it", &both, &keys, (200, "org_1", "")),
        ("only outside", &both, &tokens, INVALID),
        ("only inside", &AuthKitLayer::optional(&authkit), &keys, (200, "org_1", "")),
    ] {
        let layers = tower::layer::util::Stack::new(inner.clone(), outer.clone());
        assert_eq!(seen(&send(&layers, get(&key)).await), expected, "{name}");
    }
}

#[tokio::test]
async fn rd_10_guards_judge_what_a_token_says() {
    let (authkit, workos) = handle();
    let claims =
        json!({ "role": "admin", "permissions": ["a:b"], "org_id": "org_1", "plan": "pro" });
    let field = bearer_of(&workos, &claims);
    let recent = |seconds| Require::recent_sign_in(Duration::from_secs(seconds));
    let again = (
        401,
        "",
        r#"Bearer realm="https://app.example.com", error="insufficient_user_authentication", max_age="5""#,
    );
    let cases = [
        ("role", Require::role("admin"), (200, "session_token", "")),
        ("another role", Require::role("owner"), NOT_ENOUGH),
        (
            "joined",
            Require::permission("a:b").and(Require::organization("org_1")),
            (200, "session_token", ""),
        ),
        ("recent", recent(60), (200, "session_token", "")),
        ("too long ago", recent(5), again),
        ("of sessions only", Require::that(|_| true), NOT_ENOUGH),
        (
            "or one for tokens",
            Require::that(|_| true).or(Require::role("admin")),
            (200, "session_token", ""),
        ),
        (
            "of tokens",
            Require::that_token(|token| {
                token.claims::<Value>().is_ok_and(|claims| claims["plan"] == "pro")
            }),
            (200, "session_token", ""),
        ),
        ("of tokens, not met", Require::that_token(|token| token.roles().len() > 9), NOT_ENOUGH),
    ];
    workos.clock().advance(Duration::from_secs(30));
    for (name, require, expected) in cases {
        let layers = tower::layer::util::Stack::new(require, accepting(&authkit));
        let response = send(&layers, get(&[("authorization", &field)])).await;
        assert_eq!(seen(&response), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bearer_knows_when_it_ends_and_tells_no_secret() {
    let (authkit, workos) = handle();
    let field = bearer_of(&workos, &json!({ "act": { "sub": "support@example.com" } }));
    let clock = workos.clock().clone();
    let looks = tower::service_fn(move |request: Request<Empty>| {
        let clock = clock.clone();
        async move {
            let principal = Principal::of(request.extensions()).unwrap();
            let before = Instant::now();
            let start = principal.deadline().unwrap() - Duration::from_secs(300);
            assert!((before..=Instant::now()).contains(&start), "{start:?}");
            tokio_test::assert_pending!(tokio_test::task::spawn(principal.expired()).poll());
            clock.advance(Duration::from_secs(300));
            tokio_test::assert_ready!(tokio_test::task::spawn(principal.expired()).poll());
            assert_eq!(
                principal.token().unwrap().impersonator().unwrap().email,
                "support@example.com"
            );
            let shown = format!("{principal:?}");
            assert!(
                shown.contains("user_1") && !shown.contains("eyJ") && !shown.contains('@'),
                "{shown}"
            );
            Ok::<_, Infallible>(Response::new(()))
        }
    });
    let response =
        accepting(&authkit).layer(looks).oneshot(get(&[("authorization", &field)])).await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn a_response_to_a_bearer_says_who_was_admitted() {
    let (authkit, workos) = handle();
    let field = bearer_of(&workos, &json!({ "org_id": "org_1" }));
    let response = send(&accepting(&authkit), get(&[("authorization", &field)])).await;
    let admitted = response.extensions().get::<crate::Admitted>().unwrap();
    assert_eq!((admitted.user_id(), admitted.organization_id()), (Some("user_1"), Some("org_1")));
}
