use std::convert::Infallible;

use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer};

use super::*;
use crate::{
    AuthKit, AuthKitLayer, Denial, DenialKind, ProtectedResource,
    tests::{Empty, authkit, authkit_of, header, request},
};

async fn ok(_: Request<Empty>) -> Result<Response<()>, Infallible> {
    Ok(Response::new(()))
}

async fn send(authkit: &AuthKit, require: Require, request: Request<Empty>) -> Response<()> {
    let service =
        ServiceBuilder::new().layer(AuthKitLayer::new(authkit)).layer(require).service_fn(ok);
    service.oneshot(request).await.unwrap().map(drop)
}

/// What a session of these claims, signed in 60 seconds ago, is answered by `require`.
async fn judged(require: Require, claims: Value) -> (u16, String) {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, claims).await;
    workos.clock().advance(Duration::from_secs(60));
    let response = send(&authkit, require, request("GET", "/a", &[("cookie", &cookie)])).await;
    let denial = response.extensions().get::<Denial>();
    (response.status().as_u16(), denial.and_then(Denial::login_url).unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_condition_asks_the_signed_claims() {
    let member = || {
        json!({
            "org_id": "org_1", "role": "member", "roles": ["member", "auditor"], "permissions": ["audit:read"],
            "entitlements": ["sso"], "feature_flags": ["beta"],
        })
    };
    let impersonated = json!({ "act": { "sub": "support@example.com" } });
    let no_auth_time = json!({ "auth_time": null });
    let minutes = |minutes: u64| Require::recent_sign_in(Duration::from_secs(minutes * 60));
    let cases = [
        ("main role", Require::role("member"), member(), 200),
        ("one of several roles", Require::role("auditor"), member(), 200),
        ("another role", Require::role("admin"), member(), 403),
        ("part of a role", Require::role("mem"), member(), 403),
        ("a role nobody has", Require::role(""), json!({}), 403),
        ("permission", Require::permission("audit:read"), member(), 200),
        ("another permission", Require::permission("audit:write"), member(), 403),
        ("a role is no permission", Require::permission("member"), member(), 403),
        ("organization", Require::organization("org_1"), member(), 200),
        ("another organization", Require::organization("org_2"), member(), 403),
        ("no organization", Require::organization("org_1"), json!({}), 403),
        ("entitlement", Require::entitlement("sso"), member(), 200),
        ("another entitlement", Require::entitlement("scim"), member(), 403),
        ("feature flag", Require::feature_flag("beta"), member(), 200),
        ("another feature flag", Require::feature_flag("alpha"), member(), 403),
        ("not impersonated", Require::not_impersonated(), member(), 200),
        ("impersonated", Require::not_impersonated(), impersonated, 403),
        (
            "that holds",
            Require::that(|session| session.user().email.as_deref() == Some("alice@example.com")),
            member(),
            200,
        ),
        ("that does not", Require::that(|session| session.roles().is_empty()), member(), 403),
        (
            "that of any principal",
            Require::that_principal(|principal| principal.role() == Some("member")),
            member(),
            200,
        ),
        ("that of no principal", Require::that_principal(|_| false), member(), 403),
        ("recent", minutes(1), member(), 200),
        ("not recent", minutes(0), member(), 401),
        ("never said when", minutes(60), no_auth_time, 403),
        (
            "and, both",
            Require::role("member").and(Require::permission("audit:read")),
            member(),
            200,
        ),
        ("and, first", Require::role("member").and(Require::permission("x")), member(), 403),
        ("and, second", Require::role("x").and(Require::permission("audit:read")), member(), 403),
        ("or, first", Require::role("member").or(Require::role("x")), member(), 200),
        ("or, second", Require::role("x").or(Require::role("member")), member(), 200),
        ("or, neither", Require::role("x").or(Require::role("y")), member(), 403),
        (
            "and, forbidden beats signing in again",
            minutes(0).and(Require::role("x")),
            member(),
            403,
        ),
        ("and, only recency is missing", minutes(0).and(Require::role("member")), member(), 401),
        ("or, signing in again would help", minutes(0).or(Require::role("x")), member(), 401),
        ("or, no need to sign in again", minutes(0).or(Require::role("member")), member(), 200),
    ];

    for (name, require, claims, expected) in cases {
        assert_eq!(judged(require, claims).await.0, expected, "{name}");
    }
}

#[tokio::test]
async fn a3_no_guard_opens_for_a_claim_of_another_type() {
    let minutes = || Require::recent_sign_in(Duration::from_secs(3_600));
    // Each guard, the claim that it asks for, and what that has to be.
    let guards = [
        ("role", Require::role("admin"), json!("admin")),
        ("roles", Require::role("admin"), json!(["admin"])),
        ("permissions", Require::permission("admin"), json!(["admin"])),
        ("entitlements", Require::entitlement("admin"), json!(["admin"])),
        ("feature_flags", Require::feature_flag("admin"), json!(["admin"])),
        ("auth_time", minutes(), Value::Null),
    ];
    let wrong = [
        json!({ "slug": "admin" }),
        json!({ "admin": true }),
        json!("admin sso"),
        json!([["admin"]]),
        json!(["admin", null]),
        json!(["admin", 5]),
        json!([{ "slug": "admin" }]),
        json!({}),
        json!([]),
        json!(true),
        json!(5.5e300),
        json!(-5),
        Value::Null,
    ];
    let (authkit, workos) = authkit();
    let now = workos.clock().unix();
    for (claim, guard, right) in guards {
        let right = if right.is_null() { json!(now) } else { right };
        let answer = async |value: &Value, guard: Require| {
            let cookie = workos.cookie(&authkit, json!({ claim: value })).await;
            let request = || request("GET", "/a", &[("cookie", &cookie)]);
            let anybody = Require::that(|session| session.user_id() == "user_1");
            let guarded = send(&authkit, guard, request()).await.status().as_u16();
            let unguarded = send(&authkit, anybody, request()).await.status().as_u16();
            (guarded, unguarded)
        };
        assert_eq!(answer(&right, guard.clone()).await, (200, 200), "{claim}: {right}");
        for value in &wrong {
            let expected = (403, 200);
            assert_eq!(answer(value, guard.clone()).await, expected, "{claim}: {value}");
            let either = guard.clone().or(Require::permission("x"));
            assert_eq!(answer(value, either).await, expected, "{claim}, or another: {value}");
        }
        // The scalar claims take no list and the lists no scalar.
        let other = if right.is_array() { json!("admin") } else { json!(["admin"]) };
        assert_eq!(answer(&other, guard).await, (403, 200), "{claim}: {other}");
    }
    assert_eq!(workos.calls().len(), 0, "nothing is refreshed for it");
}

#[tokio::test]
async fn a3_an_organization_or_an_actor_of_another_type_lets_nobody_in() {
    const ISSUER: &str = "https://api.workos.com/user_management/client_1";
    let (authkit, workos) = authkit_of(|config| config.with_issuers([ISSUER]));
    let layer = AuthKitLayer::new(&authkit).with_bearer().unwrap();
    let guards = [
        ("act", Require::not_impersonated()),
        ("org_id", Require::organization("org_1")),
        ("act", Require::that_token(|_| true)),
        ("org_id", Require::that_token(|_| true)),
    ];
    for (claim, guard) in guards {
        for value in
            [json!({}), json!([]), json!(false), json!(5), json!(["org_1"]), json!({ "sub": 5 })]
        {
            let token = workos.token(&json!({ "iss": ISSUER, claim: value }));
            let field = format!("Bearer {token}");
            let service = ServiceBuilder::new().layer(&layer).layer(guard.clone()).service_fn(ok);
            let request = request("GET", "/a", &[("authorization", &field)]);
            let response = service.oneshot(request).await.unwrap();
            let reason = response.extensions().get::<Denial>().and_then(Denial::reason).unwrap();
            assert_eq!(response.status(), 401, "{claim}: {value}");
            assert_eq!(reason.as_str(), format!("invalid_{claim}"), "{claim}: {value}");
        }
    }
}

/// An application that asks the user for a scope is not refused for something else then.
#[tokio::test]
async fn a_challenge_names_the_scope_that_is_all_that_is_missing() {
    const ISSUER: &str = "https://api.workos.com/user_management/client_1";
    const DOMAIN: &str = "https://example.authkit.app";
    let (authkit, workos) = authkit_of(|config| config.with_issuers([ISSUER]));
    let resource = ProtectedResource::new(DOMAIN, "https://mcp.example.com/mcp");
    let layer = AuthKitLayer::new(&authkit).with_bearer().unwrap().with_machines(DOMAIN).unwrap();
    let layer = layer.with_protected_resource(resource).unwrap();
    let token = |claims: Value| workos.token(&claims);
    let user = token(json!({ "iss": ISSUER, "scope": "read" }));
    let machine = token(json!({
        "iss": DOMAIN, "aud": "client_1", "sub": "client_m", "client_id": "client_m", "sid": null, "scope": "read",
    }));
    let client = token(json!({
        "iss": DOMAIN, "aud": "https://mcp.example.com/mcp", "sub": "user_2", "client_id": "client_app",
        "sid": null, "org_id": "org_1", "scope": "read",
    }));
    let scope = |scope: &str| Require::scope(scope);
    let (member, stranger) = (|| Require::organization("org_1"), || Require::organization("org_2"));
    // A condition, who meets it or not, the status, and the scope that the challenge names.
    let cases = [
        ("held", scope("read"), &machine, 200, None),
        ("held too", scope("read"), &client, 200, None),
        ("lacking", scope("write"), &machine, 403, Some("write")),
        ("lacking too", scope("write"), &client, 403, Some("write")),
        ("a user has no scopes", scope("write"), &user, 403, None),
        ("whatever the token says", scope("read"), &user, 403, None),
        ("no scope at all", scope("a\"b"), &client, 403, None),
        ("no scope, of a machine", scope(""), &machine, 403, None),
        ("something else", stranger(), &client, 403, None),
        ("and, first", scope("write").and(member()), &client, 403, Some("write")),
        ("and, second", member().and(scope("write")), &client, 403, Some("write")),
        ("and, one held", scope("read").and(scope("write")), &client, 403, Some("write")),
        ("and, two", scope("write").and(scope("delete")), &client, 403, Some("write")),
        ("and, more than a scope", scope("write").and(stranger()), &client, 403, None),
        ("and, more at first", stranger().and(scope("write")), &client, 403, None),
        ("and, held is not enough", scope("read").and(stranger()), &client, 403, None),
        ("or, first", scope("write").or(stranger()), &client, 403, Some("write")),
        ("or, second", stranger().or(scope("write")), &client, 403, Some("write")),
        ("or, two", scope("write").or(scope("delete")), &client, 403, Some("write")),
        ("or, nothing missing", scope("write").or(member()), &client, 200, None),
        (
            "what is met already is not asked for",
            scope("delete").or(member()).and(scope("write")),
            &client,
            403,
            Some("write"),
        ),
        (
            "nor in the other order",
            member().or(scope("delete")).and(scope("write")),
            &client,
            403,
            Some("write"),
        ),
    ];
    for (name, guard, token, status, expected) in cases {
        let service = ServiceBuilder::new().layer(&layer).layer(guard).service_fn(ok);
        let field = format!("Bearer {token}");
        let request = request("GET", "/a", &[("authorization", &field)]);
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), status, "{name}");
        let challenge = header(&response, "www-authenticate");
        let named = challenge.split_once("scope=\"").and_then(|(_, rest)| rest.split('"').next());
        assert_eq!(named, expected, "{name}: {challenge}");
        assert_eq!(challenge.contains("insufficient_scope"), status == 403, "{name}: {challenge}");
    }
}

/// An application that acts for an impersonated user says so too; a machine acts for nobody.
#[tokio::test]
async fn whoever_impersonates_is_refused_with_every_kind_of_token() {
    const ISSUER: &str = "https://api.workos.com/user_management/client_1";
    const DOMAIN: &str = "https://example.authkit.app";
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    let (authkit, workos) = authkit_of(|config| config.with_issuers([ISSUER]));
    let layer = AuthKitLayer::new(&authkit).with_bearer().unwrap();
    let layer = layer.with_protected_resource(ProtectedResource::new(DOMAIN, RESOURCE)).unwrap();
    let user = json!({ "iss": ISSUER });
    let client = json!({
        "iss": DOMAIN, "aud": RESOURCE, "sub": "user_2", "client_id": "client_app", "sid": null,
    });
    for claims in [user, client] {
        for (actor, status) in [(json!(null), 200), (json!({ "sub": "admin@example.com" }), 403)] {
            let mut claims = claims.clone();
            claims["act"] = actor;
            let field = format!("Bearer {}", workos.token(&claims));
            let guard = Require::not_impersonated();
            let service = ServiceBuilder::new().layer(&layer).layer(guard).service_fn(ok);
            let request = request("GET", "/a", &[("authorization", &field)]);
            let response = service.oneshot(request).await.unwrap();
            assert_eq!(response.status(), status, "{claims}");
        }
    }
}

/// For frameworks without tower layers.
#[tokio::test]
async fn a_request_is_checked_without_a_layer_of_its_own() {
    async fn checked(request: Request<Empty>) -> Result<Response<()>, Infallible> {
        let (parts, _) = request.into_parts();
        Ok(match Require::role("admin").check(&parts) {
            Ok(()) => Response::new(()),
            Err(rejection) => rejection.into_http_response().map(drop),
        })
    }

    let (authkit, workos) = authkit();
    let optional = AuthKitLayer::optional(&authkit);
    for (name, role, expected) in
        [("an admin", Some("admin"), 200), ("a member", Some("member"), 403), ("nobody", None, 401)]
    {
        let cookie = match role {
            Some(role) => workos.cookie(&authkit, json!({ "role": role })).await,
            None => String::new(),
        };
        let request = || request("GET", "/a", &[("cookie", &cookie)]);
        let service = ServiceBuilder::new().layer(&optional).service_fn(checked);
        let response = service.oneshot(request()).await.unwrap().map(drop);
        assert_eq!(response.status(), expected, "{name}");
        assert_eq!(checked(request()).await.unwrap().status(), 500, "{name}, without a layer");
    }
}

#[test]
fn a_challenge_names_no_scope_that_would_end_its_quotes() {
    let cases = [
        ("notes:write", true),
        ("!", true),
        ("~", true),
        ("", false),
        ("two words", false),
        ("a\"b", false),
        ("a\\b", false),
        ("a\r\nb", false),
        ("\u{7f}", false),
        ("Noten\u{e4}", false),
    ];
    for (scope, expected) in cases {
        assert_eq!(is_scope(scope), expected, "{scope:?}");
    }
}

#[tokio::test]
async fn signing_in_again_asks_for_the_shortest_time() {
    let seconds = |seconds| Require::recent_sign_in(Duration::from_secs(seconds));
    assert_eq!(judged(seconds(30), json!({})).await.1, "/login?max_age=30");
    assert_eq!(judged(seconds(30).and(seconds(5)), json!({})).await.1, "/login?max_age=5");
    assert_eq!(judged(seconds(5).and(seconds(30)), json!({})).await.1, "/login?max_age=5");
    assert_eq!(judged(seconds(5).or(seconds(30)), json!({})).await.1, "/login?max_age=30");
}

#[tokio::test]
async fn a_guard_lets_nobody_through_without_a_layer() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "role": "admin" })).await;
    let admin = || Require::role("admin");
    let get = |cookie: &str| request("GET", "/a", &[("cookie", cookie)]);

    let bare = ServiceBuilder::new().layer(admin()).service_fn(ok);
    let response = bare.oneshot(get(&cookie)).await.unwrap();
    assert_eq!(response.status(), 500);
    assert_eq!(response.extensions().get::<Denial>().unwrap().kind(), DenialKind::Misconfigured);

    // The wrong way round: the guard outside the layer.
    let wrong =
        ServiceBuilder::new().layer(admin()).layer(AuthKitLayer::new(&authkit)).service_fn(ok);
    assert_eq!(wrong.oneshot(get(&cookie)).await.unwrap().status(), 500);

    let optional = AuthKitLayer::optional(&authkit).edit_denials(|_, response| {
        response.headers_mut().insert("x-edited", "yes".parse().unwrap());
    });
    let service = || ServiceBuilder::new().layer(optional.clone()).layer(admin()).service_fn(ok);
    let response = service().oneshot(get("")).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), header(&response, "x-edited")),
        (401, "yes"),
        "that layer's challenge"
    );
    assert_eq!(service().oneshot(get(&cookie)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_guard_gives_back_what_it_does_not_use() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({})).await;
    let permits = Arc::new(Semaphore::new(1));
    let limit = GlobalConcurrencyLimitLayer::with_semaphore(Arc::clone(&permits));
    let mut guarded = Require::role("admin").layer(limit.layer(tower::service_fn(ok)));
    guarded.ready().await.unwrap();
    assert_eq!(permits.available_permits(), 0);
    let response = guarded.call(request("GET", "/", &[("cookie", &cookie)])).await.unwrap();
    assert_eq!((response.status().as_u16(), permits.available_permits()), (500, 1));
}

/// The log names the guard that refused a request, and `Debug` texts get into logs too.
#[test]
fn every_guard_is_named_in_words_and_shows_no_closure() {
    let cases = [
        (Require::role("admin"), "role `admin`", "Role(\"admin\")"),
        (Require::permission("a:b"), "permission `a:b`", "Permission(\"a:b\")"),
        (Require::organization("org_1"), "organization `org_1`", "Organization(\"org_1\")"),
        (Require::entitlement("sso"), "entitlement `sso`", "Entitlement(\"sso\")"),
        (Require::feature_flag("beta"), "feature flag `beta`", "FeatureFlag(\"beta\")"),
        (Require::scope("a:b"), "scope `a:b`", "Scope(\"a:b\")"),
        (
            Require::recent_sign_in(Duration::from_secs(300)),
            "a sign-in of the last 300s",
            "RecentSignIn(300s)",
        ),
        (Require::not_impersonated(), "no impersonation", "NotImpersonated"),
        (Require::that(|_| true), "a condition of the application", "That(..)"),
        (Require::that_token(|_| true), "a condition of the application", "ThatToken(..)"),
        (Require::that_principal(|_| true), "a condition of the application", "ThatPrincipal(..)"),
        (
            Require::role("a").and(Require::role("b").or(Require::role("c"))),
            "(role `a` and (role `b` or role `c`))",
            "And(Require { rule: Role(\"a\") }, Require { rule: Or(Require { rule: Role(\"b\") }, \
             Require { rule: Role(\"c\") }) })",
        ),
    ];
    for (require, words, debug) in cases {
        assert_eq!(require.to_string(), words);
        assert_eq!(format!("{require:?}"), format!("Require {{ rule: {debug} }}"));
    }
}
