use std::time::Duration;

use serde_json::json;

use crate::{
    Reason,
    testing::{Endpoint, Service},
};

/// D2 of the field's list: whoever signs in over another session ends it as a sign-out does.
#[tokio::test(start_paused = true)]
async fn d2_a_session_that_a_sign_in_replaces_is_revoked_at_workos() {
    let service = Service::new();
    let bob = service.sign_in("user_b").await;
    let answer = service.workos.sign_in("user_a", json!({}));
    let mut browser = bob.clone();
    let headers = browser.headers();
    let signed_in = service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
    browser.take(&signed_in.set_cookies);

    assert!(service.authenticator.drain(Duration::from_secs(5)).await);
    assert_eq!(service.workos.calls(Endpoint::Revoke), 1);
    let mut old = bob;
    assert_eq!(service.get(&mut old).await.refusal().0, Reason::SignedOut);
    assert_eq!(service.get(&mut browser).await.session().user_id(), "user_a");
}

/// The same answer of WorkOS installed twice, as when a callback is loaded again, ends nothing.
#[tokio::test(start_paused = true)]
async fn a_session_that_replaces_itself_goes_on() {
    let service = Service::new();
    let answer = service.workos.sign_in("user_a", json!({}));
    let mut browser = crate::testing::Browser::default();
    for _ in 0..2 {
        let headers = browser.headers();
        let signed_in =
            service.authenticator.start_session(answer.as_bytes(), &headers).await.unwrap();
        browser.take(&signed_in.set_cookies);
    }
    assert_eq!(service.workos.calls(Endpoint::Revoke), 0);
    service.get(&mut browser).await.session();
}
