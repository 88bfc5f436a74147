//! The function as a process, with a runtime API that freezes the process between requests, as Lambda does.

#![cfg(unix)]
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod gateway;
mod runtime;

use std::time::Duration;

use authkit_emulator::{Endpoint, Fault};
use bytes::Bytes;
use http::Request;
use suite::{Browser, Exchange, Site};

use crate::{
    gateway::{Gateway, STAGE},
    runtime::Lambda,
};

/// Behind a function URL.
async fn site() -> Site {
    started(Gateway::FunctionUrl, "https://abcdef.lambda-url.eu-central-1.on.aws", "", &[]).await
}

async fn started(
    gateway: Gateway,
    origin: &str,
    base: &str,
    variables: &[(&'static str, &str)],
) -> Site {
    let emulator = Site::emulator().await;
    let mut all = emulator.env();
    all.push(("WORKOS_REDIRECT_URI", format!("{origin}{base}/callback")));
    all.push(("WORKOS_COOKIE_PASSWORD", Site::PASSWORD.to_owned()));
    all.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let lambda = Lambda::start(gateway, origin, all).await;
    let application: Exchange = Box::new(move |request| Box::pin(lambda.clone().invoke(request)));
    Site::new(emulator, origin.to_owned(), application)
}

suite::behaviour!(crate::site);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_out_has_reached_workos_before_the_process_is_frozen() {
    let site = site().await;
    let session = site.workos().session("alice@acme.test");
    site.workos().fault(Fault::latency(Duration::from_millis(300)).on(Endpoint::Revoke));
    let sign_out = Request::post("/logout").header("cookie", Site::cookie(&session));
    let answer = site.ask(sign_out.body(Bytes::new()).unwrap()).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert!(!site.workos().is_active(session.session_id()), "the process is frozen by now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_stage_that_browsers_see_every_address_has_it() {
    let base = format!("/{STAGE}");
    let variables = [("AWS_LAMBDA_HTTP_IGNORE_STAGE_IN_PATH", "1"), ("WORKOS_BASE_PATH", &base)];
    let origin = "https://abcdef1234.execute-api.eu-central-1.amazonaws.com";
    let site = started(Gateway::RestApi, origin, &base, &variables).await;

    let nobody = Request::get("/prod/dashboard").header("accept", "application/json");
    let nobody = site.ask(nobody.body(Bytes::new()).unwrap()).await;
    let problem: serde_json::Value = serde_json::from_slice(nobody.body()).unwrap();
    assert_eq!((nobody.status().as_u16(), &problem["login_url"]), (401, &"/prod/login".into()));

    let mut browser = Browser::new(&site);
    let (address, dashboard) = browser.open("/prod/dashboard").await;
    assert!(address.ends_with("/prod/dashboard"), "{address}");
    assert!(dashboard.body().starts_with(b"Hello "), "{dashboard:?}");
    let signed_out = browser.submit("/prod/logout").await;
    assert_eq!((signed_out.status().as_u16(), browser.is_signed_in()), (303, false));
}
