//! Who judges a credential, and whom it stands for.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time;

use super::*;
use crate::{
    Revocation,
    connect::resource::{Machines, ProtectedResource},
    request::credential_kind::CredentialKind::{ApiKey, Bearer, Client, Machine},
    testing::{Endpoint, Reply, Service, key},
};

const SESSIONS: &str = "https://api.workos.com/user_management/client_1";
const DOMAIN: &str = "https://auth.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const API_KEY: &str = "sk_customer_123456";

fn service() -> Service {
    Service::new().replica(|config| config.with_issuers([SESSIONS]))
}

/// A user's token, and the id of its session.
fn session_token(service: &Service) -> String {
    let answer = service.workos.sign_in("user_1", json!({ "iss": SESSIONS, "org_id": "org_1" }));
    let answer: Value = serde_json::from_str(&answer).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

/// A token that the AuthKit domain issues now.
fn domains_token(service: &Service, claims: Value) -> String {
    let (mut all, now) = (claims, service.clock.unix());
    for (name, value) in [("iss", json!(DOMAIN)), ("iat", json!(now)), ("exp", json!(now + 300))] {
        all[name] = value;
    }
    key(0).token(&all)
}

fn accepting(service: &Service, kinds: &[CredentialKind]) -> HeaderCredentials {
    let all = service.authenticator.credential_kinds();
    kinds.iter().fold(all.none(), |credentials, kind| match kind {
        Bearer => all.accept_bearer(credentials).unwrap(),
        ApiKey => all.accept_api_keys(credentials),
        Machine => all.accept_machines(credentials, Machines::new(DOMAIN)).unwrap(),
        Client => {
            let resource = ProtectedResource::new(DOMAIN, RESOURCE);
            all.accept_clients(credentials, &resource).unwrap()
        }
    })
}

async fn judged(
    credentials: &HeaderCredentials,
    credential: &str,
) -> Result<HeaderPrincipal, Reason> {
    match credentials.authenticate(credential, &Policy::default()) {
        Decision::Admit(principal) => Ok(principal),
        Decision::Wait(waiting) => waiting.await.map_err(|refusal| refusal.reason()),
        Decision::Refuse(refusal) => Err(refusal.reason()),
    }
}

/// A credential that each kind of it proves: its subject, its user and its organization.
type Proof = (CredentialKind, String, [Option<&'static str>; 3]);

fn one_of_each_kind(service: &Service) -> [Proof; 4] {
    let owner = json!({ "type": "user", "id": "user_2", "organization_id": "org_2" });
    let key = json!({ "object": "api_key", "id": "api_key_1", "owner": owner });
    let answer = json!({ "api_key": key }).to_string();
    service.workos.usually(Endpoint::ApiKey, Reply::Instead(200, Vec::new(), answer));
    let machine = json!({ "sub": "client_m", "org_id": "org_3", "aud": "client_1" });
    let client =
        json!({ "sub": "user_4", "client_id": "client_c", "org_id": "org_4", "aud": RESOURCE });
    [
        (Bearer, session_token(service), [Some("user_1"), Some("user_1"), Some("org_1")]),
        (ApiKey, API_KEY.to_owned(), [Some("user_2"), Some("user_2"), Some("org_2")]),
        (Machine, domains_token(service, machine), [Some("client_m"), None, Some("org_3")]),
        (Client, domains_token(service, client), [Some("user_4"), Some("user_4"), Some("org_4")]),
    ]
}

#[tokio::test(start_paused = true)]
async fn each_kind_proves_its_principal_whichever_others_are_accepted() {
    let service = service();
    let proofs = one_of_each_kind(&service);
    for accepted in 0..16 {
        let kinds = [Bearer, ApiKey, Machine, Client];
        let kinds: Vec<_> = (0..4).filter(|n| accepted & 1 << n != 0).map(|n| kinds[n]).collect();
        let credentials = accepting(&service, &kinds);
        assert_eq!(credentials.accepts_bearer(), kinds.contains(&Bearer), "{kinds:?}");
        assert_eq!(credentials.accepts_api_keys(), kinds.contains(&ApiKey), "{kinds:?}");
        for (kind, credential, expected) in &proofs {
            let principal = judged(&credentials, credential).await;
            let told = principal
                .as_ref()
                .map(|it| [Some(it.subject()), it.user_id(), it.organization_id()])
                .ok();
            let expected = kinds.contains(kind).then_some(*expected);
            assert_eq!(told, expected, "{kind:?} where {kinds:?} are accepted: {principal:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_several_kinds_are_accepted_what_is_of_none_is_judged_by_nobody() {
    let service = service();
    let stranger = json!({ "iss": "https://stranger.test", "sub": "user_1", "sid": "session_1" });
    let of_a_user = json!({ "iss": SESSIONS, "sub": "user_1" });
    let cases = [
        ("garbage".to_owned(), Reason::MalformedCredential),
        ("a.b".to_owned(), Reason::MalformedCredential),
        ("a.b.c.d".to_owned(), Reason::MalformedCredential),
        ("a.b.c".to_owned(), Reason::NotOurs),
        (key(0).token(&stranger), Reason::NotOurs),
        (key(0).token(&of_a_user), Reason::WrongKind),
    ];
    for kinds in [[Bearer, Machine], [Bearer, Client], [Machine, Client]] {
        let credentials = accepting(&service, &kinds);
        for (credential, expected) in &cases {
            let refused = judged(&credentials, credential).await.unwrap_err();
            assert_eq!(refused, *expected, "{kinds:?}: {credential}");
        }
    }
    assert_eq!(service.workos.calls(Endpoint::Jwks), 0);
}

#[test]
fn an_authkit_domain_that_also_issues_session_tokens_is_refused() {
    let service = Service::new().replica(|config| config.with_issuers([SESSIONS, DOMAIN]));
    let kinds = service.authenticator.credential_kinds();
    assert!(kinds.accept_bearer(kinds.none()).is_ok());
    assert!(kinds.accept_machines(kinds.none(), Machines::new(DOMAIN)).is_err());
    let resource = ProtectedResource::new(DOMAIN, RESOURCE);
    assert!(kinds.accept_clients(kinds.none(), &resource).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_token_ends_with_its_session() {
    for (signs_out, expected) in [(false, Reason::Revoked), (true, Reason::SignedOut)] {
        let service = service();
        let credentials = accepting(&service, &[Bearer]);
        let token = session_token(&service);
        let principal = judged(&credentials, &token).await.unwrap();
        let HeaderPrincipal::Bearer(verified) = &principal else { panic!("{principal:?}") };
        if signs_out {
            let (id, now) = (verified.session_id(), service.clock.monotonic());
            service.authenticator.refresh_state().lock().lineages.end(None, Some(id), now);
        } else {
            let revocation = Revocation::session(verified.session_id(), service.clock.wall());
            service.authenticator.revoke(revocation).await.unwrap();
        }
        assert_eq!(judged(&credentials, &token).await.unwrap_err(), expected);
        let another = session_token(&service);
        assert!(judged(&credentials, &another).await.is_ok(), "another session");
    }
}

/// Anybody may make up a token of an unknown key.
#[tokio::test(start_paused = true)]
async fn a_token_waits_once_for_keys() {
    let service = service();
    let credentials = accepting(&service, &[Bearer]);
    service.workos.usually(Endpoint::Jwks, Reply::Usual(Duration::from_secs(1)));
    let header = json!({ "alg": "RS256", "kid": "unknown" });
    let now = service.clock.unix();
    let claims = json!({ "iss": SESSIONS, "sub": "user_1", "iat": now, "exp": now + 300 });
    let unknown = key(1).token_of(&header, &claims);
    assert_eq!(judged(&credentials, &unknown).await.unwrap_err(), Reason::UnknownKey);
    assert_eq!(service.workos.calls(Endpoint::Jwks), 1);

    time::sleep(Duration::from_secs(60)).await;
    let token = session_token(&service);
    assert!(judged(&credentials, &token).await.is_ok());
    assert_eq!(service.workos.calls(Endpoint::Jwks), 1);
}
