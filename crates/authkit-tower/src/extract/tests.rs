use std::time::Duration;

use axum::{body::to_bytes, routing::get};
use http::Request;
use serde_json::json;
use tower::ServiceExt;

use super::*;
use crate::{
    AuthKit, AuthKitLayer, Denial, DenialKind, Require,
    tests::{Empty, Reply, Workos, authkit, authkit_of, header, request},
};

async fn whose(session: Session) -> String {
    session.user_id().to_owned()
}

async fn maybe(session: Option<Session>) -> String {
    session.map_or_else(|| "nobody".to_owned(), |session| session.user_id().to_owned())
}

fn routes() -> Router {
    Router::new().route("/whose", get(whose).post(whose)).route("/maybe", get(maybe))
}

async fn send(app: &Router, request: Request<Empty>) -> (u16, String, Option<DenialKind>) {
    let response = app.clone().oneshot(request.map(|_| Body::empty())).await.unwrap();
    let kind = response.extensions().get::<Denial>().map(Denial::kind);
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap(), kind)
}

fn ask(path: &str, cookie: &str) -> Request<Empty> {
    request("GET", path, &[("cookie", cookie)])
}

/// A handle, and the cookies of a good and of an expired session that cannot be refreshed for two requests.
async fn sessions() -> (AuthKit, std::sync::Arc<Workos>, String, String) {
    let (authkit, workos) = authkit();
    let old = workos.cookie(&authkit, json!({})).await;
    workos.clock().advance(Duration::from_secs(400));
    let good = workos.cookie(&authkit, json!({})).await;
    for _ in 0..2 {
        workos.will(Reply::Error(401, json!({ "message": "Unauthorized" })));
    }
    (authkit, workos, good, old)
}

#[tokio::test]
async fn handlers_get_a_session_or_are_not_called() {
    let (authkit, _, good, old) = sessions().await;
    let required = routes().route_layer(AuthKitLayer::new(&authkit));
    let optional = routes().route_layer(AuthKitLayer::optional(&authkit));
    let cases = [
        ("required, signed in", &required, "/whose", &good, 200, "user_1"),
        ("required, signed in, option", &required, "/maybe", &good, 200, "user_1"),
        ("required, nobody", &required, "/whose", &String::new(), 401, "login_url"),
        ("optional, signed in", &optional, "/whose", &good, 200, "user_1"),
        ("optional, signed in, option", &optional, "/maybe", &good, 200, "user_1"),
        ("optional, nobody", &optional, "/whose", &String::new(), 401, "login_url"),
        ("optional, nobody, option", &optional, "/maybe", &String::new(), 200, "nobody"),
        ("optional, fault", &optional, "/whose", &old, 503, "Service Unavailable"),
        ("optional, fault, option", &optional, "/maybe", &old, 503, "Service Unavailable"),
    ];

    for (name, app, path, cookie, status, expected) in cases {
        let (found, body, _) = send(app, ask(path, cookie)).await;
        assert_eq!(found, status, "{name}: {body}");
        assert!(body.contains(expected), "{name}: {body}");
    }
}

#[tokio::test]
async fn a_principal_is_a_browser_or_a_program_and_a_session_only_a_browser() {
    let issuer = "https://issuer.example";
    let (authkit, workos) = authkit_of(|config| config.with_issuers([issuer]));
    let cookie = workos.cookie(&authkit, json!({ "iss": issuer })).await;
    let token = format!("Bearer {}", workos.token(&json!({ "iss": issuer, "sub": "user_2" })));
    let who = async |principal: Principal| principal.subject().to_owned();
    let perhaps = async |principal: Option<Principal>| {
        principal.map_or_else(|| "nobody".to_owned(), |principal| principal.subject().to_owned())
    };
    let app = |layer: AuthKitLayer| {
        let principals = Router::new().route("/who", get(who)).route("/perhaps", get(perhaps));
        routes().merge(principals).route_layer(layer.with_bearer().unwrap())
    };
    let required = app(AuthKitLayer::new(&authkit));
    let optional = app(AuthKitLayer::optional(&authkit));
    let outside = Router::new().route("/who", get(who)).route("/perhaps", get(perhaps));

    let by_cookie = &[("cookie", cookie.as_str())][..];
    let by_token = &[("authorization", token.as_str()), ("cookie", &cookie)][..];
    let cases = [
        ("browser", &required, "/who", by_cookie, 200, "user_1"),
        ("browser, perhaps", &required, "/perhaps", by_cookie, 200, "user_1"),
        ("program", &required, "/who", by_token, 200, "user_2"),
        ("program, perhaps", &optional, "/perhaps", by_token, 200, "user_2"),
        ("nobody", &optional, "/who", &[], 401, "login_url"),
        ("nobody, perhaps", &optional, "/perhaps", &[], 200, "nobody"),
        ("a program has no session", &required, "/whose", by_token, 403, "access token"),
        ("nor perhaps one", &optional, "/maybe", by_token, 403, "access token"),
        ("no layer", &outside, "/who", by_cookie, 500, "AuthKitLayer"),
        ("no layer, perhaps", &outside, "/perhaps", by_token, 500, "AuthKitLayer"),
    ];
    for (name, app, path, fields, status, expected) in cases {
        let (found, body, _) = send(app, request("GET", path, fields)).await;
        assert_eq!(found, status, "{name}: {body}");
        assert!(body.contains(expected), "{name}: {body}");
    }
}

#[tokio::test]
async fn without_a_layer_the_answer_names_it() {
    let (_, _, good, _) = sessions().await;
    for path in ["/whose", "/maybe"] {
        let (status, body, kind) = send(&routes(), ask(path, &good)).await;
        assert_eq!((status, kind), (500, Some(DenialKind::Misconfigured)), "{path}");
        assert!(body.contains("AuthKitLayer") && body.contains("route_layer"), "{body}");
    }
}

#[tokio::test]
async fn guards_and_endpoints_fit_into_a_router() {
    let (authkit, workos, _, _) = sessions().await;
    let admin = workos.cookie(&authkit, json!({ "role": "admin" })).await;
    let member = workos.cookie(&authkit, json!({ "role": "member" })).await;
    let app = Router::new()
        .route("/admin", get(whose).route_layer(Require::role("admin")))
        .route("/any", get(whose))
        .route_layer(AuthKitLayer::new(&authkit))
        .merge(Endpoints::new(&authkit));

    assert_eq!(send(&app, ask("/admin", &admin)).await.0, 200);
    assert_eq!(send(&app, ask("/admin", &member)).await.0, 403);
    assert_eq!(send(&app, ask("/any", &member)).await.0, 200);
    assert_eq!(send(&app, ask("/admin", "")).await.0, 401);
    assert_eq!(send(&app, ask("/login", "")).await.0, 302);
    assert_eq!(send(&app, ask("/callback?code=x&state=y", "")).await.0, 400);
    assert_eq!(send(&app, ask("/logout", "")).await.0, 200);

    let covered = routes().merge(Endpoints::new(&authkit)).layer(AuthKitLayer::new(&authkit));
    let (status, body, _) = send(&covered, ask("/login", "")).await;
    assert_eq!(status, 500);
    assert!(body.contains("Endpoints"), "{body}");
    let optional = routes().merge(Endpoints::new(&authkit)).layer(AuthKitLayer::optional(&authkit));
    assert_eq!(send(&optional, ask("/login", "")).await.0, 302);
}

#[tokio::test]
async fn under_nest_the_browsers_path_counts() {
    let (authkit, _, _, _) = sessions().await;
    let deep = Router::new().nest("/deep", routes().route_layer(AuthKitLayer::new(&authkit)));
    let document = request("GET", "/deep/whose?tab=caf%C3%A9", &[("sec-fetch-mode", "navigate")]);
    let response = deep.oneshot(document.map(|_| Body::empty())).await.unwrap();
    assert_eq!(
        header(&response, "location"),
        "/login?return_to=%2Fdeep%2Fwhose%3Ftab%3Dcaf%25C3%25A9"
    );

    // `/login` inside a nest is not ours; ours is where the browser sees `/login`.
    let elsewhere = Router::new().nest(
        "/deep",
        Router::new().route("/login", get(whose)).route_layer(AuthKitLayer::new(&authkit)),
    );
    assert_eq!(send(&elsewhere, ask("/deep/login", "")).await.0, 401);
}

#[tokio::test]
async fn nested_endpoints_answer_below_a_prefix_that_their_paths_have_and_say_so_elsewhere() {
    let (authkit, _) = authkit();
    let (prefixed, _) =
        authkit_of(|config| config.with_login_path("/auth/login").with_logout_path("/auth/logout"));
    let nested = |authkit: &AuthKit| {
        Router::<()>::new().nest("/auth", Router::from(Endpoints::new(authkit)))
    };
    let service =
        |authkit: &AuthKit| Router::<()>::new().nest_service("/auth", Endpoints::new(authkit));
    let cases = [
        ("a router", nested(&authkit), "/auth/login", 500),
        ("a router, callback", nested(&authkit), "/auth/callback?code=x&state=y", 500),
        ("a service", service(&authkit), "/auth/logout", 500),
        ("a service, no path of ours", service(&authkit), "/auth/other", 404),
        ("a service whose paths have the prefix", service(&prefixed), "/auth/login", 302),
        ("the same, no path of ours", service(&prefixed), "/auth/auth/login", 404),
    ];
    for (name, app, path, expected) in cases {
        let (status, body, kind) = send(&app, ask(path, "")).await;
        assert_eq!(status, expected, "{name}: {body}");
        let is_mistake = expected == 500;
        assert_eq!(kind == Some(DenialKind::Misconfigured), is_mistake, "{name}");
        assert_eq!(body.contains(".nest_service("), is_mistake, "{name}: {body}");
    }
}

#[tokio::test]
async fn a_fallback_is_as_protected_as_its_layer_says_and_leaves_the_endpoints_alone() {
    let (authkit, _, good, _) = sessions().await;
    let app = || routes().fallback(get(whose));
    let all = AuthKitLayer::new(&authkit).except(["/"]).unwrap();
    let cases = [
        ("layer", app().layer(all.clone()).merge(Endpoints::new(&authkit)), "", 401),
        ("layer, signed in", app().layer(all).merge(Endpoints::new(&authkit)), &*good, 200),
        (
            "endpoints first",
            Router::from(Endpoints::new(&authkit)).merge(app().layer(AuthKitLayer::new(&authkit))),
            "",
            401,
        ),
        (
            "route_layer leaves the fallback out",
            app().route_layer(AuthKitLayer::new(&authkit)).merge(Endpoints::new(&authkit)),
            &*good,
            500,
        ),
    ];
    for (name, app, cookie, expected) in cases {
        let (status, body, _) = send(&app, ask("/no/such/page", cookie)).await;
        assert_eq!(status, expected, "{name}: {body}");
        if expected == 500 {
            assert!(body.contains("`.fallback(..)` takes `.layer(..)`"), "{name}: {body}");
        }
        assert_eq!(send(&app, ask("/login", "")).await.0, 302, "{name}");
    }
}

#[tokio::test]
async fn a_rejection_says_why() {
    let (authkit, _, _, _) = sessions().await;
    let app = Router::new()
        .route(
            "/",
            get(async |session: Result<Session, SessionRejection>| {
                let rejection = session.unwrap_err();
                assert_eq!(rejection.denial().unwrap().kind(), DenialKind::Unauthenticated);
                assert!(format!("{rejection:?}").contains("Unauthenticated"));
                assert_eq!(rejection.to_string(), "not signed in");
                rejection
            }),
        )
        .route(
            "/by-hand",
            get(async |session: Result<Session, SessionRejection>| {
                let response = http::Response::<bytes::Bytes>::from(session.unwrap_err());
                response.map(Body::from)
            }),
        )
        .route_layer(AuthKitLayer::optional(&authkit));
    let (status, body, kind) = send(&app, ask("/", "")).await;
    assert_eq!((status, kind), (401, Some(DenialKind::Unauthenticated)));
    assert_eq!(send(&app, ask("/by-hand", "")).await, (status, body, kind));
}
