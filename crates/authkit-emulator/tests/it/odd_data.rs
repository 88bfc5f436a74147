//! Users, claims and answers with values of any type, which clients do not expect.

use authkit_emulator::{Emulator, Seed, SignIn, UserChange};
use serde_json::{Map, Value, json};

use crate::support::{ACME, Stage, answer, claims, refresh_token};

const ALICE: &str = "alice@acme.test";
const GLOBEX_NAME: &str = "Globex";

/// One of each type that JSON has, and what a member that is missing shows as.
fn values() -> Vec<(&'static str, Option<Value>)> {
    vec![
        ("number", Some(json!(5))),
        ("text", Some(json!("x"))),
        ("boolean", Some(json!(true))),
        ("object", Some(json!({ "seats": 5 }))),
        ("null", Some(Value::Null)),
        ("list", Some(json!(["a", null]))),
        ("missing", None),
    ]
}

/// Every answer that a user object comes in: a code's, a refresh's, a replay's and a session's own.
async fn answers(stage: &Stage) -> Vec<Value> {
    let session = stage.emulator.session(ALICE);
    let code = stage.code(&[("login_hint", ALICE)]).await;
    vec![
        stage.exchange(&code).await.ok(),
        stage.refresh(session.refresh_token()).await.ok(),
        stage.refresh(session.refresh_token()).await.ok(),
        session.answer(),
        session.payload(),
    ]
}

#[tokio::test]
async fn a1_every_member_of_the_user_can_be_anything() {
    let stage = Stage::new().await;
    let members = [
        "object",
        "email",
        "email_verified",
        "name",
        "first_name",
        "last_name",
        "metadata",
        "locale",
        "profile_picture_url",
        "external_id",
        "last_sign_in_at",
        "created_at",
        "updated_at",
        "new",
    ];
    for member in members {
        for (kind, value) in values() {
            let change = UserChange::new().reset();
            let change = match &value {
                Some(value) => change.field(member, value.clone()),
                None => change.without_field(member),
            };
            stage.emulator.people().change_user(ALICE, change);
            let session = stage.emulator.session(ALICE);
            for answer in [session.payload(), stage.refresh(session.refresh_token()).await.ok()] {
                let user = answer["user"].as_object().unwrap();
                assert_eq!(user.get(member), value.as_ref(), "{member}: {kind}");
                assert_eq!(user["id"], "user_01ALICE000000000000000000", "{member}: {kind}");
            }
        }
    }
    stage.emulator.people().change_user(ALICE, UserChange::new().reset());
    for answer in answers(&stage).await {
        assert_eq!(answer["user"]["email"], ALICE, "as before");
    }
}

#[tokio::test]
async fn a2_members_of_the_answer_can_be_anything() {
    let stage = Stage::new().await;
    for member in ["authentication_method", "impersonator", "organization_id", "new"] {
        for (kind, value) in values() {
            let change = UserChange::new().reset();
            let change = match &value {
                Some(value) => change.answer_field(member, value.clone()),
                None => change.without_answer_field(member),
            };
            stage.emulator.people().change_user(ALICE, change);
            for answer in answers(&stage).await {
                assert_eq!(answer.get(member), value.as_ref(), "{member}: {kind}");
                assert!(answer["access_token"].is_string(), "{member}: {kind}");
            }
        }
    }
}

#[tokio::test]
async fn an_odd_refresh_token_is_replayed_as_it_was() {
    let stage = Stage::new().await;
    stage.emulator.people().change_user(ALICE, UserChange::new().answer_field("refresh_token", 5));
    let session = stage.emulator.session(ALICE);
    let first = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(first["refresh_token"], 5);
    assert_eq!(stage.refresh(session.refresh_token()).await.ok(), first);
}

#[tokio::test]
async fn a_cookie_can_hold_anything() {
    let emulator = Emulator::start().await;
    let session = emulator
        .session(ALICE)
        .sealed_field("impersonator", json!({}))
        .sealed_field("authentication_method", 7)
        .sealed_field("user", json!({ "id": "user_x" }))
        .without_sealed_field("refresh_token");
    let payload = session.payload();
    let expected = json!({
        "access_token": session.access_token(),
        "impersonator": {},
        "authentication_method": 7,
        "user": { "id": "user_x" },
    });
    assert_eq!(payload, expected);
    assert_eq!(session.answer()["user"]["email"], ALICE, "WorkOS's answer is not the cookie's");
}

#[tokio::test]
async fn a3_every_claim_but_the_reserved_ones_can_be_anything() {
    let stage = Stage::new().await;
    let names = [
        "role",
        "roles",
        "permissions",
        "entitlements",
        "feature_flags",
        "auth_time",
        "act",
        "scope",
        "client_id",
        "sid",
        "org_id",
        "aud",
        "urn:acme:tenant",
    ];
    for name in names {
        for value in
            [json!(5), json!("a b"), json!(true), json!({ "slug": "x" }), json!(["a", null])]
        {
            stage.emulator.set_claim(ALICE, name, value.clone());
            let session = stage.emulator.session(ALICE);
            assert_eq!(session.claims()[name], value, "{name}");
            let refreshed = stage.refresh(session.refresh_token()).await.ok();
            assert_eq!(claims(&refreshed)[name], value, "{name}");
        }
        stage.emulator.set_claim(ALICE, name, Value::Null);
    }
    let (odd, standard) = (stage.emulator.session(ALICE), Emulator::start().await.session(ALICE));
    let names = |claims: &Value| claims.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&odd.claims()), names(&standard.claims()), "a null leaves the standard claim");

    for name in ["iss", "sub", "exp", "iat", "nbf", "jti"] {
        stage.emulator.set_claim(ALICE, name, json!("mine"));
        assert_ne!(stage.emulator.session(ALICE).claims()[name], "mine", "{name} is reserved");
    }
}

#[tokio::test]
async fn claims_of_the_user_win_over_the_organizations_and_these_over_everybodys() {
    let stage = Stage::new().await;
    let people = stage.emulator.people();
    for name in ["a", "b", "c"] {
        people.set_claim_for_all(name, json!("all"));
    }
    for name in ["a", "b"] {
        people.set_organization_claim("Acme Corp", name, json!("acme"));
    }
    people.set_claim(ALICE, "a", json!("alice"));

    let found = |session: &authkit_emulator::TestSession| {
        let claims = session.claims();
        ["a", "b", "c"].map(|name| claims[name].as_str().unwrap().to_owned())
    };
    let session = stage.emulator.session(ALICE);
    assert_eq!(found(&session), ["alice", "acme", "all"]);
    assert_eq!(found(&stage.emulator.session("bob@acme.test")), ["acme", "acme", "all"]);
    let elsewhere = session.organization(GLOBEX_NAME);
    assert_eq!(found(&elsewhere), ["alice", "all", "all"]);
    assert_eq!(found(&elsewhere.without_organization()), ["alice", "all", "all"]);
}

#[tokio::test]
async fn seeds_hold_odd_data_too() {
    let seed: Seed = "
claims: { plan: { tier: 3 } }
users:
  - id: user_zoe
    email: zoe@initech.test
    last_name: Z
    fields: { email: null, locale: {}, metadata: { seats: 5, plan: null }, first_name: [1] }
    without_fields: [last_name, object]
    answer_fields: { authentication_method: 7, impersonator: [] }
    without_answer_fields: [organization_id]
    claims: { role: { slug: admin }, permissions: a b, roles: [a, null], auth_time: x }
organizations:
  - name: Initech
    claims: { entitlements: {}, role: of the organization }
    memberships: [{ email: zoe@initech.test }]
"
    .parse()
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed).sign_in(SignIn::Automatic)).await;
    let answer =
        stage.exchange(&stage.code(&[("login_hint", "zoe@initech.test")]).await).await.ok();

    let user = answer["user"].as_object().unwrap();
    for (name, value) in [
        ("id", json!("user_zoe")),
        ("email", Value::Null),
        ("locale", json!({})),
        ("metadata", json!({ "seats": 5, "plan": null })),
        ("first_name", json!([1])),
    ] {
        assert_eq!(user[name], value, "{name}");
    }
    assert!(!user.contains_key("last_name") && !user.contains_key("object"));
    assert_eq!(
        (&answer["authentication_method"], &answer["impersonator"]),
        (&json!(7), &json!([]))
    );
    assert!(answer.get("organization_id").is_none());
    let claims = claims(&answer);
    for (name, value) in [
        ("role", json!({ "slug": "admin" })),
        ("permissions", json!("a b")),
        ("roles", json!(["a", null])),
        ("auth_time", json!("x")),
        ("entitlements", json!({})),
        ("plan", json!({ "tier": 3 })),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert!(claims["org_id"].is_string());
    assert_eq!(stage.emulator.users()[0].email, "zoe@initech.test", "she is still found by it");
}

#[tokio::test]
async fn a_seeds_jwt_template_is_rendered_into_every_token() {
    let seed = Seed::from_json(json!({
        "users": [{
            "email": "zoe@initech.test", "first_name": "Zoë", "oauth_provider": "GoogleOAuth", "oauth_idp_id": "108",
            "metadata": { "seats": 5 }
        }, { "email": "max@initech.test" }],
        "organizations": [{
            "id": "org_initech", "name": "Initech", "metadata": { "tenant_id": "t1" },
            "memberships": [{ "email": "zoe@initech.test", "role": "owner" }]
        }],
        "jwtTemplate": { "content": r#"{
            "urn:myapp:tenant": "{{ organization.metadata.tenant_id || 'none' }}",
            "name": "{{ user.first_name || user.email }} of {{ organization.name }}",
            "meta": {{ user.metadata }},
            "google": {{ user.identities.GoogleOAuth }},
            "was": {{ organization_membership.role }},
            "nested": { "role": {{ organization_membership.role }} },
            "role": "from the template"
        }"# },
        "claims": { "was": "set for all" }
    }))
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed)).await;
    let zoe = stage.emulator.session("zoe@initech.test");
    let refreshed = claims(&stage.refresh(zoe.refresh_token()).await.ok());
    for claims in [zoe.claims(), refreshed] {
        for (name, value) in [
            ("urn:myapp:tenant", json!("t1")),
            ("name", json!("Zoë of Initech")),
            ("meta", json!({ "seats": 5 })),
            ("google", json!("108")),
            ("was", json!("set for all")),
            ("nested", json!({ "role": "owner" })),
            ("role", json!("from the template")),
        ] {
            assert_eq!(claims[name], value, "{name}");
        }
    }
    let max = stage.emulator.session("max@initech.test").claims();
    assert_eq!(
        (&max["urn:myapp:tenant"], &max["name"]),
        (&json!("none"), &json!("max@initech.test of "))
    );
    assert_eq!(max["nested"], json!({ "role": null }));
    assert!(max.get("google").is_none(), "a null on top is left out");
}

#[tokio::test]
async fn odd_data_travels_over_http_too() {
    let stage = Stage::new().await;
    let patch = |user: &str, body: Value| {
        let request = stage.http.patch(stage.url(&format!("/_emulator/users/{user}"))).json(&body);
        async { answer(request.send().await.unwrap()).await }
    };
    let change = json!({
        "fields": { "locale": {}, "email": null },
        "without_fields": ["name"],
        "answer_fields": { "impersonator": false },
        "without_answer_fields": ["authentication_method"],
        "claims": { "permissions": "a b" },
    });
    let user = patch(ALICE, change).await.ok();
    assert_eq!((&user["locale"], &user["email"]), (&json!({}), &Value::Null));
    let by_id = patch("user_01ALICE000000000000000000", json!({ "fields": { "locale": 5 } })).await;
    assert_eq!(by_id.ok()["locale"], 5);

    let session = stage.emulator.session(ALICE);
    let refreshed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(
        (&refreshed["user"]["locale"], &refreshed["impersonator"]),
        (&json!(5), &json!(false))
    );
    assert!(refreshed["user"].get("name").is_none());
    assert!(refreshed.get("authentication_method").is_none());
    assert_eq!(claims(&refreshed)["permissions"], "a b");

    patch(ALICE, json!({ "reset": true })).await.ok();
    let refreshed = stage.refresh(refresh_token(&refreshed)).await.ok();
    assert_eq!(refreshed["user"]["email"], ALICE);
    assert!(claims(&refreshed)["permissions"].is_array());

    for (claims, status) in [
        (json!({ "claims": { "x": [1] } }), 204),
        (json!({ "claims": { "x": 2 }, "organization": ACME }), 204),
        (json!({ "claims": { "x": 2 }, "organization": "Nowhere" }), 404),
        (json!({ "claims": [] }), 422),
    ] {
        assert_eq!(stage.post("/_emulator/claims", &claims).await.status, status, "{claims}");
    }
    assert_eq!(stage.emulator.session("carol@example.test").claims()["x"], json!([1]));
    assert_eq!(stage.emulator.session(ALICE).claims()["x"], 2);
    assert_eq!(patch("nobody@acme.test", json!({})).await.status, 404);
    assert_eq!(patch(ALICE, json!({ "field": {} })).await.status, 422);
}

#[tokio::test]
async fn users_and_organizations_can_be_added_and_removed() {
    let stage = Stage::new().await;
    let people = stage.emulator.people();
    let zoe = people.add_user(json!({ "email": "zoe@initech.test", "fields": { "locale": {} } }));
    let id = people.add_organization(json!({
        "name": "Initech", "claims": { "x": 1 }, "memberships": [{ "email": "zoe@initech.test", "role": "admin" }],
    }));
    assert!(zoe.memberships.is_empty() && id.starts_with("org_"));
    let session = stage.emulator.session(&zoe.email);
    assert_eq!((&session.claims()["role"], &session.claims()["x"]), (&json!("admin"), &json!(1)));
    assert_eq!(session.payload()["user"]["locale"], json!({}));

    people.remove_organization("Initech");
    assert_eq!(
        stage.refresh(session.refresh_token()).await.error(),
        (400, "organization_not_found")
    );

    let added = stage.post("/_emulator/users", &json!({ "email": "max@initech.test" })).await;
    assert_eq!((added.status, &added.body["email"]), (201, &json!("max@initech.test")));
    let organization =
        json!({ "name": "Initrode", "memberships": [{ "email": "max@initech.test" }] });
    let added = stage.post("/_emulator/organizations", &organization).await;
    assert_eq!((added.status, &added.body["name"]), (201, &json!("Initrode")));
    assert_eq!(stage.emulator.session("max@initech.test").claims()["role"], "member");
    for (path, body) in [
        ("/_emulator/users", json!({ "email": ALICE })),
        ("/_emulator/users", json!({ "email": "no address" })),
        ("/_emulator/users", json!({ "mail": "x@y.z" })),
        (
            "/_emulator/organizations",
            json!({ "name": "X", "memberships": [{ "email": "no@one.test" }] }),
        ),
    ] {
        assert_eq!(stage.post(path, &body).await.status, 422, "{path}: {body}");
    }
}

#[tokio::test]
#[should_panic(expected = "there twice")]
async fn a_user_who_exists_cannot_be_added() {
    Emulator::start().await.people().add_user(json!({ "email": ALICE }));
}

#[test]
fn a_seed_in_rust_is_the_same_as_a_file() {
    let error = Seed::from_json(json!({ "users": [{ "mail": "a@b.c" }] })).unwrap_err();
    assert!(error.to_string().contains("unknown field `mail`"), "{error}");
    let error =
        Seed::from_json(json!({ "jwtTemplate": { "content": "{{ usr.x }}" } })).unwrap_err();
    assert!(error.to_string().contains("jwtTemplate.content: `usr.x`"), "{error}");
    assert!(Seed::from_json(Value::Object(Map::new())).is_ok());
}

#[tokio::test]
async fn a_template_that_one_user_cannot_fill_leaves_its_claims_out() {
    let seed = Seed::from_json(json!({
        "users": [{ "email": "zoe@initech.test", "first_name": "Zoe" }, { "email": "max@initech.test" }],
        "jwtTemplate": { "content": "{ {{ user.first_name }}: 1 }" },
        "claims": { "plan": 2 },
    }));
    let emulator = Emulator::builder().seed(seed.unwrap()).start().await.unwrap();
    assert_eq!(emulator.session("zoe@initech.test").claims()["Zoe"], 1);
    let max = emulator.session("max@initech.test").claims();
    assert_eq!((max.get("null"), &max["plan"]), (None, &json!(2)));
}
