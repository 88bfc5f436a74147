//! Faults and counts for a grant, a user, a session, an organization.

use authkit_emulator::{Emulator, Endpoint, Fault, Grant, SignIn, Target};
use serde_json::json;

use crate::support::{ACME, GLOBEX, Stage, claims, refresh_token};

const ALICE: &str = "alice@acme.test";
const BOB: &str = "bob@acme.test";

#[tokio::test]
async fn a_fault_of_one_grant_leaves_the_others_alone() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::answer("1").on(Grant::RefreshToken).until_cleared());
    stage.emulator.fault(Fault::answer("36").on(Grant::AuthorizationCode));

    let session = stage.emulator.session(BOB);
    assert_eq!(stage.refresh(session.refresh_token()).await.error(), (400, "invalid_grant"));
    let code = stage.code(&[("login_hint", BOB)]).await;
    assert_eq!(stage.exchange(&code).await.error(), (403, "organization_selection_required"));
    let signed_in = stage.exchange(&code).await.ok();
    assert_eq!(stage.refresh(refresh_token(&signed_in)).await.error(), (400, "invalid_grant"));
    let body = json!({ "grant_type": "password", "email": BOB, "password": "bob-password" });
    stage.authenticate(body).await.ok();

    assert_eq!(stage.emulator.calls(Grant::RefreshToken), 2);
    assert_eq!(stage.emulator.calls(Grant::AuthorizationCode), 2);
    assert_eq!(stage.emulator.calls(Grant::Password), 1);
    assert_eq!(stage.emulator.calls(Endpoint::Authenticate), 5);
}

#[tokio::test]
async fn a_fault_of_one_user_leaves_strangers_alone() {
    let stage = Stage::new().await;
    let [alice, bob] = [ALICE, BOB].map(|email| stage.emulator.session(email));
    let by_id = stage.emulator.users()[1].id.clone();
    for named in [BOB.to_owned(), BOB.to_uppercase(), by_id] {
        let target = Target::default().user(named.clone());
        stage.emulator.fault(Fault::answer("12").on(target.clone()));
        stage.refresh(alice.refresh_token()).await.ok();
        let refused = stage.refresh(bob.refresh_token()).await;
        assert_eq!(refused.error(), (400, "token_too_big"), "{named}");
        stage.emulator.fault(Fault::answer("41").on(target.grant(Grant::Password)));
        let body = json!({ "grant_type": "password", "email": BOB, "password": "bob-password" });
        assert_eq!(stage.authenticate(body).await.error(), (403, "email_password_auth_disabled"));
    }
    stage.emulator.fault(Fault::answer("13").on(Target::default().user(BOB)));
    let code = stage.code(&[("login_hint", BOB)]).await;
    let refused = stage.exchange(&code).await;
    assert_eq!(refused.error(), (400, "authentication_method_not_allowed"));
    assert_eq!(stage.emulator.calls(Target::from(Grant::RefreshToken).user(BOB)), 3);
    assert_eq!(stage.emulator.calls(Target::from(Grant::AuthorizationCode).user(BOB)), 1);
    assert_eq!(stage.emulator.calls(Target::default().user(ALICE)), 3);
}

#[tokio::test]
async fn a_fault_of_one_session_leaves_the_users_others_alone() {
    let stage = Stage::new().await;
    let [one, other] = [BOB, BOB].map(|email| stage.emulator.session(email));
    let target = Target::from(Grant::RefreshToken).session(one.session_id());
    stage.emulator.fault(Fault::answer("1").on(target).until_cleared());
    let refreshed = stage.refresh(other.refresh_token()).await.ok();
    assert_eq!(stage.refresh(one.refresh_token()).await.status, 400);
    stage.refresh(refresh_token(&refreshed)).await.ok();

    let target = Target::from(Endpoint::Revoke).session(other.session_id());
    stage.emulator.fault(Fault::answer("revoke-503").on(target.clone()));
    for (session, status) in [(&one, 200), (&other, 503), (&other, 200)] {
        let request = stage.http.post(stage.url("/user_management/sessions/revoke"));
        let body = json!({ "session_id": session.session_id() });
        let request = request.bearer_auth(stage.emulator.api_key()).json(&body);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(stage.emulator.calls(target), 2);
    let logout = Target::from(Endpoint::Logout).session(one.session_id());
    stage.emulator.fault(Fault::status(500).on(logout));
    let path = format!("/user_management/sessions/logout?session_id={}", one.session_id());
    assert_eq!(stage.get(&path).await.status(), 500);
}

#[tokio::test]
async fn a_fault_of_one_organization_meets_who_is_in_it_or_asks_for_it() {
    let stage = Stage::new().await;
    let session = stage.emulator.session(ALICE);
    let target = Target::from(Grant::RefreshToken).organization("Globex");
    stage.emulator.fault(Fault::answer("22").on(target).until_cleared());

    let in_acme = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(claims(&in_acme)["org_id"], ACME);
    let refused = stage.switch(refresh_token(&in_acme), GLOBEX).await;
    assert_eq!(refused.body["message"], "Must use SSO for selected organization");
    let in_globex = stage.emulator.session(ALICE).organization("Globex");
    assert_eq!(stage.refresh(in_globex.refresh_token()).await.status, 400, "the session's own");
    stage.switch(in_globex.refresh_token(), ACME).await.ok();
}

#[tokio::test]
async fn what_does_not_exist_cannot_be_a_target() {
    let stage = Stage::new().await;
    for (member, value) in
        [("user", "nobody@acme.test"), ("session", "session_1"), ("organization", "Nowhere")]
    {
        let mut fault = json!({ "kind": "html" });
        fault[member] = json!(value);
        let refused = stage.post("/_emulator/faults", &fault).await;
        assert_eq!(refused.status, 422, "{fault}");
        assert!(refused.body["message"].as_str().unwrap().contains(value), "{fault}");
    }
    assert_eq!(stage.emulator.pending_faults(), 0);
}

#[tokio::test]
#[should_panic(expected = "knows no user nobody@acme.test")]
async fn a_fault_that_could_never_happen_stops_the_test() {
    let fault = Fault::answer("1").on(Target::default().user("nobody@acme.test"));
    Emulator::start().await.fault(fault);
}

#[tokio::test]
#[should_panic(expected = "knows no organization Nowhere")]
async fn counting_what_does_not_exist_stops_the_test() {
    Emulator::start().await.calls(Target::default().organization("Nowhere"));
}

#[tokio::test]
async fn forms_are_read_as_json_is() {
    let stage = Stage::with(Emulator::builder().sign_in(SignIn::Automatic)).await;
    let session = stage.emulator.session(BOB);
    stage.emulator.fault(Fault::answer("1").on(Target::from(Grant::RefreshToken).user(BOB)));
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", "client_emulator"),
        ("client_secret", stage.emulator.api_key()),
        ("refresh_token", session.refresh_token()),
    ];
    let request = stage.http.post(stage.url("/user_management/authenticate")).form(&form);
    assert_eq!(request.send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn a_token_can_be_issued_with_any_security_claim() {
    let stage = Stage::new().await;
    let session = stage.emulator.session(BOB);
    for (name, value) in [
        ("exp", json!("x")),
        ("nbf", json!({})),
        ("iat", json!(null)),
        ("sub", json!(5)),
        ("sid", json!(["session_1"])),
        ("iss", json!(true)),
        ("client_id", json!([])),
        ("act", json!("support@acme.test")),
        ("aud", json!(7)),
        ("jti", json!({})),
    ] {
        let claims_of = |answer: &serde_json::Value| claims(answer);
        stage.emulator.fault(Fault::claims(json!({ name: value })).on(Grant::RefreshToken));
        let bob = stage.emulator.session(BOB);
        let odd = stage.refresh(bob.refresh_token()).await.ok();
        assert_eq!(claims_of(&odd)[name], value, "{name}");
        assert_eq!(stage.refresh(bob.refresh_token()).await.ok(), odd, "the replay is the same");
        let right = stage.refresh(refresh_token(&odd)).await.ok();
        assert_ne!(claims_of(&right).get(name), Some(&value), "{name}: once");
    }
    let without = json!({ "kind": "claims", "claims": { "plan": 5 }, "without": ["sub", "exp"] });
    assert_eq!(stage.post("/_emulator/faults", &without).await.status, 201);
    let odd = claims(&stage.refresh(session.refresh_token()).await.ok());
    assert!(odd.get("sub").is_none() && odd.get("exp").is_none() && odd["plan"] == 5, "{odd}");
}

#[tokio::test]
async fn an_answer_can_have_members_of_any_type_once() {
    let stage = Stage::new().await;
    let session = stage.emulator.session(BOB);
    let fields = json!({ "impersonator": [], "authentication_method": 7, "user": null });
    stage.emulator.fault(Fault::fields(fields.clone()).without("organization_id"));
    let odd = stage.refresh(session.refresh_token()).await.ok();
    for (name, value) in fields.as_object().unwrap() {
        assert_eq!(&odd[name], value, "{name}");
    }
    assert!(odd.get("organization_id").is_none());
    let replayed = stage.refresh(session.refresh_token()).await.ok();
    assert_eq!(replayed["user"]["email"], BOB, "what was issued is as always");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_and_counted_as_nobodys() {
    let stage = Stage::new().await;
    stage.emulator.fault(Fault::answer("1").on(Grant::RefreshToken));
    let body = json!({ "grant_type": "refresh_token", "refresh_token": "x".repeat(70_000) });
    let refused = stage.post("/user_management/authenticate", &body).await;
    assert_eq!(refused.error(), (400, "invalid_request"));
    assert_eq!(stage.emulator.calls(Endpoint::Authenticate), 1);
    assert_eq!(
        (stage.emulator.calls(Grant::RefreshToken), stage.emulator.pending_faults()),
        (0, 1)
    );
}
