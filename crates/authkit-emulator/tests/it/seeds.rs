use authkit_emulator::{Emulator, Seed, SignIn};
use serde_json::json;

use crate::support::{Stage, claims};

/// What the official emulator's documentation shows, and every section that it has.
const OFFICIAL: &str = r#"
users:
  - email: alice@acme.com
    first_name: Alice
    password: test123
    email_verified: true
    totp: true
    oauth_provider: GoogleOAuth
    oauth_idp_id: "108872335"
  - id: user_01XYZ
    email: bob@acme.com
    name: Bob
    external_id: ext-1
    metadata: { team: blue }
    impersonator: { email: admin@support.test, reason: "ticket #42" }
organizations:
  - id: org_01ABC
    name: Acme Corp
    external_id: acme
    metadata: { tenant_id: t1 }
    allow_profiles_outside_organization: true
    domains:
      - { domain: acme.com, state: verified }
    entitlements: [audit-logs, sso]
    memberships:
      - { email: Alice@acme.com, role: admin, status: active }
      - { email: bob@acme.com, status: pending }
    groups:
      - { name: Engineers, description: null, members: [alice@acme.com] }
roles:
  - { slug: admin, name: Admin, description: All, type: EnvironmentRole, is_default_role: true, priority: 1, permissions: [posts:read, posts:write] }
permissions:
  - { slug: posts:read, name: Read Posts }
  - { slug: posts:write, name: Write Posts, description: Write }
connections:
  - { name: SSO, connection_type: GoogleOAuth, organization: Acme Corp }
pipeConnections: []
connectedAccounts: []
invitations:
  - { email: new@acme.com, organization_id: org_01ABC }
webhookEndpoints:
  - { endpoint_url: "http://localhost:3000/webhooks", events: [session.created], secret: shh }
connectApplications: []
apiKeys:
  sk_test_other: { environment: test }
jwtTemplate: { content: "{}" }
"#;

#[tokio::test]
async fn the_official_emulators_file_works_as_it_is() {
    let stage =
        Stage::with(Emulator::builder().seed(OFFICIAL.parse().unwrap()).sign_in(SignIn::Automatic))
            .await;

    let alice = stage.exchange(&stage.code(&[]).await).await.ok();
    assert_eq!(alice["organization_id"], "org_01ABC");
    assert_eq!(alice["authentication_method"], "GoogleOAuth");
    assert_eq!(claims(&alice)["permissions"], json!(["posts:read", "posts:write"]));
    assert_eq!(claims(&alice)["entitlements"], json!(["audit-logs", "sso"]));

    let bob = stage.exchange(&stage.code(&[("login_hint", "bob@acme.com")]).await).await.ok();
    assert_eq!(bob["user"]["id"], "user_01XYZ");
    assert_eq!(
        (&bob["user"]["external_id"], &bob["user"]["metadata"]),
        (&json!("ext-1"), &json!({ "team": "blue" }))
    );
    assert_eq!(
        bob["impersonator"],
        json!({ "email": "admin@support.test", "reason": "ticket #42" })
    );
    assert!(bob.get("organization_id").is_none(), "a pending member is none yet");

    let mut request =
        json!({ "grant_type": "refresh_token", "refresh_token": alice["refresh_token"] });
    request["client_secret"] = json!("sk_test_other");
    assert_eq!(stage.authenticate_publicly(request).await.status, 200, "a seeded API key is valid");
}

#[tokio::test]
async fn json_and_our_additions_work_too() {
    let seed: Seed = r#"{
        "users": [{
            "id": "user_zoe", "email": "zoe@initech.test", "locale": "de-DE",
            "profile_picture_url": "https://initech.test/zoe.png", "feature_flags": ["dark"],
            "claims": { "tenant": 7, "exp": 1, "nothing": null }
        }],
        "organizations": [{
            "name": "Initech", "feature_flags": ["beta"], "memberships": [{ "user_id": "user_zoe" }]
        }],
        "apiKeys": [{ "name": "ci", "value": "sk_test_ci" }]
    }"#
    .parse()
    .unwrap();
    let stage = Stage::with(Emulator::builder().seed(seed)).await;
    let session = stage.emulator.session("zoe@initech.test");

    let claims = session.claims();
    assert_eq!((&claims["tenant"], &claims["role"]), (&json!(7), &json!("member")));
    assert_eq!(claims["feature_flags"], json!(["dark", "beta"]));
    assert_eq!(claims["permissions"], json!([]), "a role that the seed does not describe");
    assert_ne!(claims["exp"], 1);
    assert!(claims.get("nothing").is_none());
    assert_eq!(session.payload()["user"]["locale"], "de-DE");
}

#[test]
fn mistakes_name_their_place() {
    for (seed, place) in [
        ("users: [{ mail: a@b.c }]", "mail"),
        ("users: [{ email: nonsense }]", "users[0]"),
        ("users: [{ email: a@b.c }, { email: A@B.c }]", "users[1]"),
        ("users: [{ email: a@b.c, id: x }, { email: d@e.f, id: x }]", "users[1]"),
        ("users: [{ email: a@b.c, id: 'a/b' }]", "a/b"),
        ("users: [{ email: a@b.c, email_verified: sometimes }]", "sometimes"),
        ("organizations: [{ id: org_1 }]", "name"),
        (
            "organizations: [{ name: A, memberships: [{ email: a@b.c }] }]",
            "organizations[0]: memberships[0]",
        ),
        (
            "organizations: [{ name: A, memberships: [{ role: admin }] }]",
            "organizations[0]: memberships[0]",
        ),
        ("organizations: [{ name: A, id: org_1 }, { name: B, id: org_1 }]", "organizations[1]"),
        ("user: []", "user"),
        ("users: {", "line 1"),
        ("{\"users\": 5}", "line 1"),
        ("[]", "invalid"),
    ] {
        let error = seed.parse::<Seed>().unwrap_err().to_string();
        assert!(error.contains(place), "{seed}: {error}");
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Seed::from_file("/nowhere/seed.yaml").unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/seed.yaml: "), "{error}");
}

#[tokio::test]
async fn an_empty_seed_knows_nobody() {
    let stage = Stage::with(Emulator::builder().seed("".parse().unwrap())).await;
    assert_eq!(stage.emulator.users(), []);
    let page = stage.http.get(stage.authorize_url(&[])).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Nobody in the seed"));
}

#[tokio::test]
async fn the_default_users_are_listed() {
    let emulator = Emulator::start().await;
    let users = emulator.users();
    let emails: Vec<&str> = users.iter().map(|user| user.email.as_str()).collect();
    assert_eq!(
        emails,
        ["alice@acme.test", "bob@acme.test", "carol@example.test", "dave@acme.test"]
    );
    let roles: Vec<&str> =
        users[0].memberships.iter().map(|membership| membership.role.as_str()).collect();
    assert_eq!(
        (users[0].name.as_str(), roles.as_slice()),
        ("Alice Ångström", &["admin", "member"][..])
    );
    assert_eq!(users[3].impersonated_by.as_deref(), Some("support@acme.test"));
}
