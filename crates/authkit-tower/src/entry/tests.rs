use std::{
    convert::Infallible,
    future::{Ready, ready},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header::SET_COOKIE};
use serde_json::json;
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceExt, util::ServiceFn};

use super::*;
use crate::{
    Admitted, AuthKit, AuthKitLayer, Denial, DenialKind, HookDecision, Principal,
    ProtectedResource, Session,
    tests::{Empty, Reply, Workos, authkit, authkit_of, header, request, set_cookies},
};

/// Sends `request` and drops the answer's body.
async fn send<S, B>(service: S, request: Request<Empty>) -> Response<()>
where
    S: Service<Request<Empty>, Response = Response<B>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap().map(drop)
}

type Inner = ServiceFn<fn(Request<Empty>) -> Ready<Result<Response<()>, Infallible>>>;

/// A service that says in `x-saw` what the layers showed it, with the status that the request wishes.
fn inner() -> Inner {
    tower::service_fn(|request| {
        let saw = match PrincipalLookup::of(request.extensions()) {
            PrincipalLookup::Principal(PrincipalRef::Session(session)) => {
                session.session_id().to_owned()
            }
            PrincipalLookup::Principal(other) => {
                format!("bearer {}", other.token().unwrap().session_id())
            }
            PrincipalLookup::NoPrincipal(none) => format!("{:?}", none.cause()),
            PrincipalLookup::NoLayer => "nothing".to_owned(),
        };
        let mut response = Response::new(());
        response.headers_mut().insert("x-saw", saw.parse().unwrap());
        if let Some(status) = request.headers().get("x-wish") {
            *response.status_mut() = status.to_str().unwrap().parse().unwrap();
        }
        ready(Ok(response))
    })
}

fn get(cookie: &str) -> Request<Empty> {
    request(
        "GET",
        "/a",
        &[("cookie", cookie), ("sec-fetch-mode", "navigate"), ("sec-fetch-site", "none")],
    )
}

fn kind(response: &Response<()>) -> Option<DenialKind> {
    response.extensions().get::<Denial>().map(Denial::kind)
}

/// A handle, and the cookies of a good and of an expired session.
async fn sessions() -> (AuthKit, Arc<Workos>, String, String) {
    let (authkit, workos) = authkit();
    let old = workos.cookie(&authkit, json!({ "sid": "session_old" })).await;
    workos.clock().advance(Duration::from_secs(400));
    let good = workos.cookie(&authkit, json!({ "sid": "session_good" })).await;
    (authkit, workos, good, old)
}

#[tokio::test]
async fn a_required_layer_lets_nobody_through_without_a_session() {
    let (authkit, workos, good, old) = sessions().await;
    let layer = AuthKitLayer::new(&authkit);
    workos.will(Reply::Session(json!({ "sid": "session_new" })));

    let response = send(layer.layer(inner()), get(&good)).await;
    assert_eq!((header(&response, "x-saw"), kind(&response)), ("session_good", None));
    let response = send(layer.layer(inner()), get(&old)).await;
    assert_eq!((header(&response, "x-saw"), set_cookies(&response).len()), ("session_new", 1));

    for method in
        ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "FOO"]
    {
        for cookie in ["", "wos_session=garbage", "wos_session=", "wos_session.0=2.x"] {
            let response =
                send(layer.layer(inner()), request(method, "/a", &[("cookie", cookie)])).await;
            assert_eq!(kind(&response), Some(DenialKind::Unauthenticated), "{method} {cookie}");
            assert_eq!(header(&response, "x-saw"), "", "{method} {cookie}");
            assert!(set_cookies(&response).is_empty(), "{method} {cookie}");
        }
    }
    assert_eq!(workos.calls().len(), 1, "garbage is nothing to ask WorkOS about");
}

#[tokio::test]
async fn an_optional_layer_tells_nobody_from_a_fault() {
    let (authkit, workos, good, old) = sessions().await;
    let layer = AuthKitLayer::optional(&authkit);

    let response = send(layer.layer(inner()), get(&good)).await;
    assert_eq!(header(&response, "x-saw"), "session_good");
    let response = send(layer.layer(inner()), get("")).await;
    assert!(header(&response, "x-saw").starts_with("Challenge"), "{response:?}");
    assert_eq!((response.status().as_u16(), header(&response, "vary")), (200, "Cookie"));
    assert_eq!(header(&response, "cache-control"), "", "nobody's page is nobody's secret");

    workos.will(Reply::Error(400, json!({ "error": "invalid_client" })));
    let response = send(layer.layer(inner()), get(&old)).await;
    assert!(header(&response, "x-saw").starts_with("Unavailable"), "{response:?}");
    assert_eq!((response.status().as_u16(), set_cookies(&response).len()), (200, 0));
}

#[tokio::test]
async fn a_refused_refresh_challenges_documents_and_asks_others_to_come_back() {
    let (authkit, workos, _, old) = sessions().await;
    let layer = AuthKitLayer::new(&authkit);
    workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));

    let response = send(layer.layer(inner()), get(&old)).await;
    assert_eq!(
        (response.status(), header(&response, "location")),
        (StatusCode::FOUND, "/login?return_to=%2Fa")
    );
    for fields in [&[("cookie", old.as_str())][..], &[("cookie", &old), ("hx-request", "true")]] {
        let response = send(layer.layer(inner()), request("GET", "/a", fields)).await;
        assert_eq!((response.status().as_u16(), header(&response, "retry-after")), (503, "1"));
        assert!(set_cookies(&response).is_empty());
    }
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_keeps_the_session() {
    let (authkit, workos, _, old) = sessions().await;
    workos.will(Reply::Error(500, json!({})));
    workos.will(Reply::Error(422, json!({})));
    let response = send(AuthKitLayer::new(&authkit).layer(inner()), get(&old)).await;
    assert_eq!(kind(&response), Some(DenialKind::Unavailable));
    assert!(response.headers().contains_key("retry-after") && set_cookies(&response).is_empty());
}

#[tokio::test]
async fn the_refreshed_cookie_rides_on_every_head() {
    for status in ["101", "200", "204", "304", "404", "500", "503"] {
        let (authkit, _, _, old) = sessions().await;
        let mut request = get(&old);
        request.headers_mut().insert("x-wish", status.parse().unwrap());
        let response = send(AuthKitLayer::new(&authkit).layer(inner()), request).await;
        assert_eq!(response.status().as_str(), status);
        assert_eq!(set_cookies(&response).len(), 1, "{status}");
        assert_eq!(header(&response, "cache-control"), "private, no-store", "{status}");
    }
}

#[tokio::test]
async fn the_services_own_word_about_the_cookie_wins() {
    let (authkit, _, _, old) = sessions().await;
    let clears = tower::service_fn(|_: Request<Empty>| {
        let mut response = Response::new(());
        response
            .headers_mut()
            .append(SET_COOKIE, HeaderValue::from_static("wos_session=; Path=/; Max-Age=0"));
        ready(Ok::<_, Infallible>(response))
    });
    let response = send(AuthKitLayer::new(&authkit).layer(clears), get(&old)).await;
    assert_eq!(set_cookies(&response), ["wos_session="]);
}

#[tokio::test]
async fn a_session_that_the_layer_did_not_make_is_removed() {
    let (authkit, _, good, _) = sessions().await;
    let (other, _) = crate::tests::authkit();
    let smuggled = Arc::new(std::sync::Mutex::new(None));
    let take = {
        let smuggled = Arc::clone(&smuggled);
        tower::service_fn(move |request: Request<Empty>| {
            *smuggled.lock().unwrap() = request.extensions().get::<Session>().cloned();
            ready(Ok::<_, Infallible>(Response::new(())))
        })
    };
    send(AuthKitLayer::new(&authkit).layer(take), get(&good)).await;
    let smuggled = smuggled.lock().unwrap().take().unwrap();

    for (name, layer) in [
        ("of another handle", AuthKitLayer::new(&other)),
        ("of a request that is over", AuthKitLayer::new(&authkit)),
    ] {
        let mut request = get("");
        request.extensions_mut().insert(smuggled.clone());
        let response = send(layer.layer(inner()), request).await;
        assert_eq!(kind(&response), Some(DenialKind::Unauthenticated), "{name}");
    }
    let mut request = get("");
    request.extensions_mut().insert(smuggled);
    let response = send(AuthKitLayer::optional(&authkit).layer(inner()), request).await;
    assert!(header(&response, "x-saw").starts_with("Challenge"), "{response:?}");
}

/// One look finds one of them; the other is no less false.
#[tokio::test]
async fn of_several_principals_that_the_layer_did_not_make_none_is_left() {
    let (authkit, workos, good, old) = sessions().await;
    let (other, _) = crate::tests::authkit();
    let (seen, saw) = std::sync::mpsc::channel();
    let takes = move |request: Request<Empty>| {
        seen.send(request.into_parts().0.extensions).unwrap();
        ready(Ok::<_, Infallible>(Response::new(())))
    };
    let takes = tower::service_fn(takes);
    send(AuthKitLayer::new(&authkit).layer(takes.clone()), get(&good)).await;
    let smuggled = saw.recv().unwrap().remove::<Session>().unwrap();

    workos.will(Reply::Session(json!({ "sid": "session_new" })));
    let cases = [("nobody", "", None), ("one who waits", old.as_str(), Some("session_new"))];
    for (name, cookie, expected) in cases {
        let protected = AuthKitLayer::optional(&authkit).layer(takes.clone());
        let smuggled = smuggled.clone();
        let adds = tower::util::MapRequest::new(protected, move |mut request: Request<Empty>| {
            request.extensions_mut().insert(smuggled.clone());
            request
        });
        send(AuthKitLayer::optional(&other).layer(adds), get(cookie)).await;
        let extensions = saw.recv().unwrap();
        let session = extensions.get::<Session>().map(|session| session.session_id());
        assert_eq!(session, expected, "{name}");
        assert_eq!(extensions.len(), 1, "{name}");
    }
}

const ISSUER: &str = "https://api.workos.com/user_management/client_1";
const DOMAIN: &str = "https://example.authkit.app";
const RESOURCE: &str = "https://mcp.example.com/mcp";

/// The field of a machine's token, or of an application's for a user, with these scopes.
fn connect_token(workos: &Workos, audience: &str, subject: &str, scopes: &str) -> String {
    let claims = json!({
        "iss": DOMAIN, "aud": audience, "sub": subject, "client_id": "client_m", "sid": null, "scope": scopes,
    });
    format!("Bearer {}", workos.token(&claims))
}

/// A handle, an optional layer of it that takes every kind of credential, and a credential of each kind.
fn every_kind() -> (AuthKit, Arc<Workos>, AuthKitLayer, [(&'static str, String); 4]) {
    let (authkit, workos) = authkit_of(|config| config.with_issuers([ISSUER]));
    let layer = AuthKitLayer::optional(&authkit).with_bearer().unwrap().with_api_keys();
    let layer = layer.with_machines(DOMAIN).unwrap();
    let layer = layer.with_protected_resource(ProtectedResource::new(DOMAIN, RESOURCE)).unwrap();
    let credentials = [
        ("bearer", format!("Bearer {}", workos.token(&json!({ "iss": ISSUER })))),
        ("key", "Bearer sk_live_123456".to_owned()),
        ("machine", connect_token(&workos, "client_1", "client_m", "")),
        ("client", connect_token(&workos, RESOURCE, "user_2", "")),
    ];
    (authkit, workos, layer, credentials)
}

/// A service that answers everybody.
async fn answers(_: Request<Empty>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

/// The layer outside may take what this one does not.
#[tokio::test]
async fn a_layer_inside_takes_over_no_credential_that_it_does_not_accept() {
    let (authkit, _workos, taking, credentials) = every_kind();
    let (none, optional) = (AuthKitLayer::new(&authkit), AuthKitLayer::optional(&authkit));
    let (bearers, keys) = (none.clone().with_bearer().unwrap(), none.clone().with_api_keys());
    for (kind, field) in &credentials {
        let another = if *kind == "bearer" { &keys } else { &bearers };
        for (name, inside, status) in [
            ("takes it too", &taking, 200),
            ("takes none", &none, 401),
            ("takes none, and needs none", &optional, 200),
            ("takes another kind", another, 401),
        ] {
            let service = taking.layer(inside.layer(tower::service_fn(answers)));
            let request = request("GET", "/a", &[("authorization", field)]);
            assert_eq!(send(service, request).await.status(), status, "{kind}: {name}");
        }
    }
}

/// WorkOS is asked again about a key although the layer outside remembers its answer.
#[tokio::test]
async fn a_layer_inside_may_ask_for_a_key_that_was_checked_more_recently() {
    let (authkit, workos, taking, credentials) = every_kind();
    let young = AuthKitLayer::new(&authkit).with_api_keys();
    let young = young.with_max_token_age(Duration::from_secs(30));
    for (after, checks) in [(0, 1), (29, 1), (1, 2), (29, 2)] {
        workos.clock().advance(Duration::from_secs(after));
        let service = taking.layer(young.layer(tower::service_fn(answers)));
        let request = request("GET", "/a", &[("authorization", &credentials[1].1)]);
        assert_eq!(send(service, request).await.status(), 200, "after {after} s more");
        assert_eq!(workos.key_checks(), checks, "after {after} s more");
    }
}

#[tokio::test]
async fn a_resource_asks_for_every_scope_that_it_requires() {
    let (authkit, workos) = authkit();
    let resource = ProtectedResource::new(DOMAIN, RESOURCE).with_required_scopes(["read", "write"]);
    let layer = AuthKitLayer::new(&authkit).with_machines(DOMAIN).unwrap();
    let layer = layer.with_protected_resource(resource).unwrap();
    for (scopes, status) in
        [("read write", 200), ("write all read", 200), ("read", 403), ("write", 403), ("", 403)]
    {
        for (audience, subject) in [("client_1", "client_m"), (RESOURCE, "user_2")] {
            let field = connect_token(&workos, audience, subject, scopes);
            let request = request("GET", "/a", &[("authorization", &field)]);
            let response = send(layer.layer(tower::service_fn(answers)), request).await;
            assert_eq!(response.status(), status, "{subject}: {scopes}");
        }
    }
}

/// A layer of another handle vouches for nobody here, whatever kind of principal it attached.
#[tokio::test]
async fn what_a_layer_of_another_handle_attached_is_removed_whatever_its_kind() {
    let (other, workos, layer, credentials) = every_kind();
    let theirs = workos.cookie(&other, json!({ "iss": ISSUER })).await;
    let (authkit, _, good, _) = sessions().await;
    let (seen, saw) = std::sync::mpsc::channel();
    let takes = tower::service_fn(move |request: Request<Empty>| {
        seen.send(request.into_parts().0.extensions).unwrap();
        ready(Ok::<_, Infallible>(Response::new(())))
    });
    let fields = credentials.iter().map(|(kind, field)| (*kind, ("authorization", field.as_str())));
    let others = [("session", ("cookie", theirs.as_str())), ("nobody", ("x-nothing", ""))];
    for (kind, field) in fields.chain(others) {
        send(layer.layer(takes.clone()), request("GET", "/a", &[field])).await;
        let attached = saw.recv().unwrap();
        let is_this = match PrincipalLookup::of(&attached) {
            PrincipalLookup::Principal(PrincipalRef::Session(_)) => kind == "session",
            PrincipalLookup::Principal(PrincipalRef::Bearer(_)) => kind == "bearer",
            PrincipalLookup::Principal(PrincipalRef::ApiKey(_)) => kind == "key",
            PrincipalLookup::Principal(PrincipalRef::Machine(_)) => kind == "machine",
            PrincipalLookup::Principal(PrincipalRef::Client(_)) => kind == "client",
            PrincipalLookup::NoPrincipal(_) => kind == "nobody",
            PrincipalLookup::NoLayer => false,
        };
        assert!(is_this, "{kind} was not attached");
        for (cookie, expected) in [("", None), (good.as_str(), Some("session_good"))] {
            let mut request = get(cookie);
            *request.extensions_mut() = attached.clone();
            send(AuthKitLayer::optional(&authkit).layer(takes.clone()), request).await;
            let extensions = saw.recv().unwrap();
            let session = extensions.get::<Session>().map(|session| session.session_id());
            assert_eq!((session, extensions.len()), (expected, 1), "{kind}, {expected:?}");
        }
    }
}

#[tokio::test]
async fn a_layer_inside_adds_its_requirement_and_no_cookie() {
    let (authkit, workos, good, old) = sessions().await;
    let (required, optional) = (AuthKitLayer::new(&authkit), AuthKitLayer::optional(&authkit));

    let response = send(optional.layer(required.layer(inner())), get("")).await;
    assert_eq!(
        (kind(&response), header(&response, "x-saw")),
        (Some(DenialKind::Unauthenticated), "")
    );
    let response = send(optional.layer(optional.layer(inner())), get("")).await;
    assert!(header(&response, "x-saw").starts_with("Challenge"));
    let response = send(required.layer(optional.layer(inner())), get(&good)).await;
    assert_eq!(header(&response, "x-saw"), "session_good");

    workos.will(Reply::Session(json!({ "sid": "session_new" })));
    let response = send(optional.layer(required.layer(inner())), get(&old)).await;
    assert_eq!((header(&response, "x-saw"), set_cookies(&response).len()), ("session_new", 1));
    assert_eq!(workos.calls().len(), 1, "asked once");
}

#[tokio::test]
async fn a_layer_inside_may_ask_for_a_younger_token() {
    let (authkit, workos, good, _) = sessions().await;
    let any = AuthKitLayer::optional(&authkit);
    let young = AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(30));
    let nested = || any.layer(young.layer(inner()));

    let response = send(nested(), get(&good)).await;
    assert_eq!((header(&response, "x-saw"), set_cookies(&response).len()), ("session_good", 0));

    workos.clock().advance(Duration::from_secs(30));
    workos.will(Reply::Session(json!({ "sid": "session_young" })));
    let response = send(any.layer(inner()), get(&good)).await;
    assert_eq!(header(&response, "x-saw"), "session_good", "good enough outside");
    let response = send(nested(), get(&good)).await;
    assert_eq!(header(&response, "x-saw"), "session_young");
    assert_eq!(set_cookies(&response).len(), 1, "the layer outside sets the cookie, once");
    let admitted = response.extensions().get::<Admitted>().and_then(Admitted::session_id);
    assert_eq!(admitted, Some("session_young"), "the newer session is the one that counts");

    let (authkit, workos, good, _) = sessions().await;
    workos.clock().advance(Duration::from_secs(60));
    workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
    let young = AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(30));
    let response =
        send(AuthKitLayer::optional(&authkit).layer(young.layer(inner())), get(&good)).await;
    assert_eq!(
        (kind(&response), header(&response, "x-saw")),
        (Some(DenialKind::Unauthenticated), ""),
        "only a new pair admits"
    );
}

/// Which cookie the browser keeps is the business of the layer outside, which admitted the session.
#[tokio::test(start_paused = true)]
async fn a_layer_inside_that_refuses_a_session_does_not_delete_its_cookie() {
    for (name, nested) in [("alone", false), ("inside", true)] {
        let (authkit, workos, good, _) = sessions().await;
        let young = AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(30));
        let document = async || {
            workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
            if nested {
                send(AuthKitLayer::optional(&authkit).layer(young.layer(inner())), get(&good)).await
            } else {
                send(young.layer(inner()), get(&good)).await
            }
        };
        workos.clock().advance(Duration::from_secs(60));
        assert!(set_cookies(&document().await).is_empty(), "{name}: refused once");
        workos.clock().advance(Duration::from_secs(61));
        let response = document().await;
        assert_eq!(workos.calls().len(), 2, "{name}: refused twice");
        assert_eq!(kind(&response), Some(DenialKind::Unauthenticated), "{name}");
        let deleted: &[&str] = if nested { &[] } else { &["wos_session="] };
        assert_eq!(set_cookies(&response), deleted, "{name}");
    }
}

#[tokio::test]
async fn a_pair_that_a_layer_inside_obtained_and_refused_goes_out() {
    let (authkit, workos) =
        authkit_of(|config| config.with_refresh_hook(async |_| HookDecision::Undecided));
    let good = workos.cookie(&authkit, json!({ "sid": "session_good" })).await;
    workos.clock().advance(Duration::from_secs(60));
    workos.will(Reply::Session(json!({ "sid": "session_good" })));
    let young = AuthKitLayer::new(&authkit).with_max_token_age(Duration::from_secs(30));
    let response =
        send(AuthKitLayer::optional(&authkit).layer(young.layer(inner())), get(&good)).await;
    assert_eq!(
        (kind(&response), set_cookies(&response).len()),
        (Some(DenialKind::Unavailable), 1),
        "the old token is spent"
    );
}

#[tokio::test]
async fn cb_09_the_sign_in_endpoints_are_never_behind_a_required_layer() {
    let (authkit, _, good, _) = sessions().await;
    for path in ["/login", "/callback", "/logout", "/login?return_to=/x"] {
        for cookie in ["", good.as_str()] {
            let request = || request("GET", path, &[("cookie", cookie)]);
            let response = send(AuthKitLayer::new(&authkit).layer(inner()), request()).await;
            assert_eq!(
                (response.status().as_u16(), kind(&response)),
                (500, Some(DenialKind::Misconfigured)),
                "{path}"
            );
            let response = send(AuthKitLayer::optional(&authkit).layer(inner()), request()).await;
            assert_eq!(
                (response.status().as_u16(), header(&response, "x-saw")),
                (200, "nothing"),
                "{path}"
            );
        }
    }
}

/// A session of another handle's layer around this one is not shown to what this layer lets through.
#[tokio::test]
async fn another_handles_session_is_forgotten_at_a_page_and_at_an_endpoint() {
    let (outer, workos, good, _) = sessions().await;
    let other = workos
        .authkit_of(|config| config.with_cookie_name("other_session").with_login_path("/sign-in"));
    let layer = AuthKitLayer::optional(&other);
    let no_cookie = "Challenge { organization: None, reason: NoCookie }";
    for (path, expected) in [("/a", no_cookie), ("/sign-in", "nothing")] {
        let service = AuthKitLayer::new(&outer).layer(layer.layer(inner()));
        let response = send(service, request("GET", path, &[("cookie", &good)])).await;
        assert_eq!(header(&response, "x-saw"), expected, "{path}");
    }
}

#[tokio::test]
async fn another_sites_request_is_refused_before_the_cookie_is_opened() {
    let (authkit, workos, good, old) = sessions().await;
    let cross = [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
    let post = |cookie: &str| request("POST", "/a", &[("cookie", cookie), cross[0], cross[1]]);
    let (name, value) = good.split_once('=').unwrap();
    let (one, other) = value.split_at(value.len() / 2);
    let parts = format!("{name}.0=2.{one}; {name}.1={other}");
    assert_eq!(
        header(&send(AuthKitLayer::new(&authkit).layer(inner()), get(&parts)).await, "x-saw"),
        "session_good"
    );
    for layer in [AuthKitLayer::new(&authkit), AuthKitLayer::optional(&authkit)] {
        for cookie in [&good, &old, &parts] {
            let response = send(layer.layer(inner()), post(cookie)).await;
            assert_eq!(
                (response.status().as_u16(), kind(&response)),
                (403, Some(DenialKind::CrossOrigin))
            );
        }
    }
    assert!(workos.calls().is_empty(), "nothing was refreshed");

    // Of a browser that does not send `Sec-Fetch-Site`, the origin has to be the service's own.
    for (origin, expected) in
        [("https://app.example.com", "session_good"), ("https://evil.example", "")]
    {
        let request = request("POST", "/a", &[("cookie", &good), ("origin", origin)]);
        let response = send(AuthKitLayer::new(&authkit).layer(inner()), request).await;
        assert_eq!(header(&response, "x-saw"), expected, "{origin}");
    }

    let trusting =
        AuthKitLayer::new(&authkit).with_trusted_origins(["https://evil.example"]).unwrap();
    assert_eq!(header(&send(trusting.layer(inner()), post(&good)).await, "x-saw"), "session_good");
    let response = send(AuthKitLayer::new(&authkit).layer(inner()), post("theme=dark")).await;
    assert_eq!(
        kind(&response),
        Some(DenialKind::Unauthenticated),
        "without a session there is nothing to protect"
    );
    let link = request("GET", "/a", &[("cookie", &old), cross[0], ("sec-fetch-mode", "navigate")]);
    assert_eq!(
        send(AuthKitLayer::new(&authkit).layer(inner()), link).await.status(),
        200,
        "a link in a mail"
    );
}

#[tokio::test]
async fn preflights_go_in_only_on_request_and_without_a_session() {
    let (authkit, _, good, _) = sessions().await;
    let fields = [
        ("origin", "https://a"),
        ("access-control-request-method", "PUT"),
        ("cookie", good.as_str()),
    ];
    let preflight = || request("OPTIONS", "/a", &fields[..2]);
    let layer = AuthKitLayer::new(&authkit);
    assert_eq!(send(layer.layer(inner()), preflight()).await.status(), 401);
    let layer = layer.with_insecure_preflight_passthrough();
    assert!(
        header(&send(layer.layer(inner()), preflight()).await, "x-saw").starts_with("Challenge")
    );
    let with_cookie = request("OPTIONS", "/a", &fields);
    assert!(
        header(&send(layer.layer(inner()), with_cookie).await, "x-saw").starts_with("Challenge")
    );
    let bare = request("OPTIONS", "/a", &fields[..1]);
    assert_eq!(
        send(layer.layer(inner()), bare).await.status(),
        401,
        "a bare OPTIONS is no way round"
    );
}

#[tokio::test]
async fn native_grpc_is_not_refreshed() {
    let (authkit, workos, good, old) = sessions().await;
    let layer = AuthKitLayer::new(&authkit);
    let grpc = |cookie: &str| {
        request(
            "POST",
            "/pkg.Service/Method",
            &[("content-type", "application/grpc"), ("cookie", cookie)],
        )
    };
    assert_eq!(header(&send(layer.layer(inner()), grpc(&good)).await, "x-saw"), "session_good");
    let response = send(layer.layer(inner()), grpc(&old)).await;
    assert_eq!((response.status().as_u16(), header(&response, "grpc-status")), (200, "16"));
    assert_eq!(
        response.extensions().get::<Denial>().unwrap().reason(),
        Some(authkit_session::Reason::Expired)
    );
    assert!(workos.calls().is_empty());

    let age = Duration::from_secs(250);
    workos.clock().advance(age);
    let response = send(layer.layer(inner()), grpc(&good)).await;
    assert_eq!(header(&response, "x-saw"), "session_good", "what expires soon is good enough");
    let young = layer.clone().with_max_token_age(age);
    let response = send(young.layer(inner()), grpc(&good)).await;
    assert_eq!(header(&response, "grpc-status"), "16", "too old for this layer");
    assert!(workos.calls().is_empty());

    workos.rename_key("key_2");
    let renamed = workos.cookie(&workos.authkit_of(|config| config), json!({})).await;
    workos.clock().advance(Duration::from_secs(31));
    assert_eq!(header(&send(layer.layer(inner()), grpc(&renamed)).await, "x-saw"), "session_1");
    assert!(workos.calls().is_empty(), "keys are waited for, without a refresh");
}

#[tokio::test]
async fn an_answer_can_be_edited() {
    let (authkit, ..) = sessions().await;
    let layer = AuthKitLayer::new(&authkit).edit_denials(|denial, response| {
        let kind = format!("{:?}", denial.kind());
        response.headers_mut().insert("x-kind", kind.parse().unwrap());
        *response.body_mut() = Bytes::from("edited");
    });
    let response = layer.layer(inner()).oneshot(get("")).await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, "x-kind")), (302, "Unauthenticated"));
    assert!(response.extensions().get::<Denial>().is_some());
}

#[tokio::test]
async fn shared_caching_is_an_opt_out() {
    let (authkit, _, good, old) = sessions().await;
    let layer = AuthKitLayer::new(&authkit);
    assert_eq!(
        header(&send(layer.layer(inner()), get(&good)).await, "cache-control"),
        "private, no-store"
    );
    let layer = layer.with_insecure_shared_caching();
    assert_eq!(header(&send(layer.layer(inner()), get(&good)).await, "cache-control"), "");
    assert_eq!(
        header(&send(layer.layer(inner()), get(&old)).await, "cache-control"),
        "private, no-store"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_knows_when_it_ends() {
    let (authkit, workos, good, _) = sessions().await;
    let clock = workos.clock().clone();
    let ends = tower::service_fn(move |request: Request<Empty>| {
        let clock = clock.clone();
        async move {
            let session = request.extensions().get::<Session>().unwrap().clone();
            let before = Instant::now();
            let start = session.deadline() - Duration::from_secs(300);
            assert!((before..=Instant::now()).contains(&start), "{start:?}");
            let mut expired = tokio_test::task::spawn(session.expired());
            tokio_test::assert_pending!(expired.poll());
            clock.advance(Duration::from_secs(300));
            tokio_test::assert_ready!(tokio_test::task::spawn(session.expired()).poll());
            assert!(session.deadline() <= Instant::now());
            assert!(!format!("{session:?}").contains("alice"));
            Ok::<_, Infallible>(Response::new(()))
        }
    });
    assert_eq!(send(AuthKitLayer::new(&authkit).layer(ends), get(&good)).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_end_outlives_the_handler() {
    let (authkit, workos, good, _) = sessions().await;
    let waits = tower::service_fn(|request: Request<Empty>| {
        let session = request.extensions().get::<Session>().unwrap().clone();
        let principal = Principal::of(request.extensions()).unwrap();
        let waiting = [tokio::spawn(session.expired()), tokio::spawn(principal.expired())];
        let mut response = Response::new(());
        response.extensions_mut().insert(Arc::new(waiting));
        ready(Ok::<_, Infallible>(response))
    });
    let response = send(AuthKitLayer::new(&authkit).layer(waits), get(&good)).await;
    let waiting = response.extensions().get::<Arc<[JoinHandle<()>; 2]>>().unwrap();
    let a_while = || tokio::time::sleep(Duration::from_secs(3));

    a_while().await;
    assert!(waiting.iter().all(|one| !one.is_finished()), "the token is still good");
    workos.clock().advance(Duration::from_secs(300));
    a_while().await;
    assert!(waiting.iter().all(JoinHandle::is_finished), "it has ended");
}

#[tokio::test]
async fn an_admitted_response_says_who_was_admitted_and_a_denied_one_does_not() {
    let (authkit, workos, good, old) = sessions().await;
    let who = |response: &Response<()>| {
        let admitted = response.extensions().get::<Admitted>()?;
        assert!(!format!("{admitted:?}").contains("session_"), "{admitted:?}");
        Some((admitted.user_id()?.to_owned(), admitted.session_id()?.to_owned()))
    };
    let user = |session: &str| Some(("user_1".to_owned(), session.to_owned()));
    workos.will(Reply::Session(json!({ "sid": "session_new" })));
    let (required, optional) = (AuthKitLayer::new(&authkit), AuthKitLayer::optional(&authkit));
    for (name, layer, cookie, expected) in [
        ("good", &required, good.as_str(), user("session_good")),
        ("refreshed", &required, &old, user("session_new")),
        ("nobody", &required, "", None),
        ("good, optional", &optional, &good, user("session_good")),
        ("nobody, optional", &optional, "", None),
    ] {
        let response = send(layer.layer(inner()), get(cookie)).await;
        assert_eq!(who(&response), expected, "{name}");
        assert_eq!(kind(&response).is_some(), name == "nobody", "{name}");
    }
    let nested = required.layer(required.layer(inner()));
    assert_eq!(who(&send(nested, get(&good)).await), user("session_good"));

    let leaves = tower::service_fn(|request: Request<Empty>| {
        let session = request.extensions().get::<Session>().unwrap();
        let _ = session.sign_out().unwrap();
        ready(Ok::<_, Infallible>(Response::new(())))
    });
    let response = send(required.layer(leaves), get(&good)).await;
    assert_eq!(who(&response), user("session_good"), "who signed out had been admitted");
}

/// The limits count from what the token says, and no refresh is tried for a session beyond them.
#[tokio::test]
async fn a_session_beyond_a_layers_limits_has_to_sign_in_again() {
    use authkit_session::Reason;

    let hours = |n: u64| Duration::from_secs(n * 3_600);
    let document = |cookie: &str| {
        let fields = [("cookie", cookie), ("sec-fetch-mode", "navigate")];
        request("GET", "/a?b", &fields)
    };
    let (authkit, workos) = authkit();
    let now = workos.clock().unix();
    let signed_in = |hours: u64| json!({ "sid": "session_1", "auth_time": now - hours * 3_600 });
    let (recent, old) = (signed_in(1), signed_in(9));
    let recent = workos.cookie(&authkit, recent).await;
    let old = workos.cookie(&authkit, old).await;
    let silent = workos.cookie(&authkit, json!({ "auth_time": null })).await;
    let daily = AuthKitLayer::new(&authkit).with_max_session_age(hours(8));
    assert_eq!(header(&send(daily.layer(inner()), get(&recent)).await, "x-saw"), "session_1");
    let fetch =
        |cookie: &str| request("GET", "/a", &[("cookie", cookie), ("sec-fetch-mode", "cors")]);
    for cookie in [&old, &silent] {
        let response = send(daily.layer(inner()), fetch(cookie)).await;
        let denial = response.extensions().get::<Denial>().unwrap();
        assert_eq!(
            (denial.kind(), denial.reason()),
            (DenialKind::Unauthenticated, Some(Reason::SessionTooOld))
        );
        assert!(header(&response, "www-authenticate").contains(r#"max_age="28800""#));
        assert_eq!(set_cookies(&response).len(), 0, "the cookie stays");
        let response = send(daily.layer(inner()), document(cookie)).await;
        assert_eq!(header(&response, "location"), "/login?return_to=%2Fa%3Fb&max_age=28800");
        let response = send(AuthKitLayer::new(&authkit).layer(inner()), get(cookie)).await;
        assert_eq!(response.status(), 200, "another layer has other limits");
    }
    // An optional layer lets the request through without a session, and one inside may be stricter.
    let optional = AuthKitLayer::optional(&authkit);
    let limited = optional.clone().with_max_session_age(hours(8));
    let response = send(limited.layer(inner()), get(&old)).await;
    assert!(header(&response, "x-saw").starts_with("SignInAgain"), "{response:?}");
    let response = send(optional.layer(daily.layer(inner())), get(&old)).await;
    assert_eq!(kind(&response), Some(DenialKind::Unauthenticated));

    let idle = AuthKitLayer::new(&authkit).with_idle_timeout(Duration::from_secs(1_800));
    workos.clock().advance(Duration::from_secs(1_799));
    workos.will(Reply::Session(json!({ "sid": "session_2" })));
    let response = send(idle.layer(inner()), get(&recent)).await;
    assert_eq!((header(&response, "x-saw"), set_cookies(&response).len()), ("session_2", 1));
    let calls = workos.calls().len();
    workos.clock().advance(Duration::from_secs(1));
    let response = send(idle.layer(inner()), fetch(&silent)).await;
    let denial = response.extensions().get::<Denial>().unwrap();
    assert_eq!(denial.reason(), Some(Reason::SessionIdle));
    assert_eq!(denial.login_url(), Some("/login?max_age=1800"));
    assert_eq!(workos.calls().len(), calls, "it is not refreshed");

    // One inside may be stricter about this too.
    let unused = workos.cookie(&authkit, json!({ "sid": "session_3" })).await;
    let idle = AuthKitLayer::new(&authkit).with_idle_timeout(Duration::from_secs(200));
    for (after, saw, reason) in [(99, "session_3", None), (101, "", Some(Reason::SessionIdle))] {
        workos.clock().advance(Duration::from_secs(after));
        let response = send(optional.layer(idle.layer(inner())), fetch(&unused)).await;
        assert_eq!(header(&response, "x-saw"), saw, "after {after} s more");
        let denial = response.extensions().get::<Denial>();
        assert_eq!(denial.and_then(Denial::reason), reason, "after {after} s more");
    }
}

/// A token that is still good is refreshed halfway, so that its age says that the session is in use.
#[tokio::test]
async fn a_session_in_use_never_counts_as_idle() {
    let (authkit, workos) = authkit();
    let mut cookie = workos.cookie(&authkit, json!({ "exp": workos.clock().unix() + 7_200 })).await;
    let idle = AuthKitLayer::new(&authkit).with_idle_timeout(Duration::from_secs(600));
    for minute in 0..40 {
        let exp = workos.clock().unix() + 7_200;
        workos.will(Reply::Session(json!({ "exp": exp })));
        let response = send(idle.layer(inner()), get(&cookie)).await;
        assert_eq!(response.status(), 200, "minute {minute}");
        let renewed = response.headers().get("set-cookie").map(|it| it.to_str().unwrap());
        if let Some(renewed) = renewed {
            cookie = renewed.split(';').next().unwrap().to_owned();
        }
        workos.clock().advance(Duration::from_secs(60));
    }
    assert_eq!(workos.calls().len(), 7, "every five minutes, though a token lives two hours");
    workos.clock().advance(Duration::from_secs(600));
    assert_eq!(send(idle.layer(inner()), get(&cookie)).await.status(), 302);
}

/// An endpoint's path lets nobody to another one, whatever has rewritten it.
#[cfg(feature = "axum")]
#[tokio::test]
async fn a_path_of_an_endpoint_opens_no_other_path() {
    let (authkit, _) = authkit();
    let excepting = || AuthKitLayer::new(&authkit).except(["/about"]).unwrap();
    let cases = [
        ("/login", "/login", true),
        ("/auth/login", "/login", false),
        ("/login", "/", true),
        ("/login", "/admin", false),
        ("/callback", "/admin/callback", false),
        ("/logout", "/login", false),
        ("/login/", "/login/", false),
        ("//login", "//login", false),
        ("/%6cogin", "/%6cogin", false),
        ("/login;x", "/login;x", false),
        ("/LOGIN", "/LOGIN", false),
        ("/x/../login", "/x/../login", false),
    ];
    for (sent, left, passes) in cases {
        for layer in [excepting(), excepting().with_max_token_age(Duration::from_secs(60))] {
            let mut request = request("GET", left, &[("accept", "application/json")]);
            request.extensions_mut().insert(crate::OriginalUri(sent.parse().unwrap()));
            let response = send(layer.layer(inner()), request).await;
            let expected = if passes { (200, "nothing") } else { (401, "") };
            let got = (response.status().as_u16(), header(&response, "x-saw"));
            assert_eq!(got, expected, "{sent}, {left}");
        }
    }
}
