use std::{
    error::Error,
    time::{Duration, Instant, SystemTime},
};

use authkit_session::{Authenticator, integration::is_loopback_host};
use reqwest::{Client, Response, StatusCode, header::DATE, redirect};
use serde_json::{Value, json};
use url::Url;

use crate::{doctor::report::Report, variables};

/// Fetches the key set from WorkOS, compares the clocks, and checks the API key.
pub(super) async fn check(report: &mut Report, authenticator: &Authenticator) {
    let key_set = authenticator.client().key_set_url();
    let Ok(url) = Url::parse(&key_set) else { return };
    let client = match client(&url) {
        Ok(client) => client,
        Err(error) => {
            let cause = cause(&error);
            report.problem(
                "workos",
                format!("no call can be made: {cause}; check the proxy variables"),
            );
            return;
        }
    };
    let asked = Instant::now();
    let answer = match client.get(url.clone()).send().await {
        Ok(answer) => answer,
        Err(error) => {
            report.problem("workos", unreachable(&error, &url));
            return;
        }
    };
    clock(report, &answer, asked.elapsed());
    key_set_answer(report, answer, authenticator.settings().client_id()).await;
    credentials(report, &client, &url, authenticator.settings().client_id()).await;
}

/// Calls as the service's own transport does.
fn client(url: &Url) -> Result<Client, reqwest::Error> {
    let builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .user_agent(concat!("authkit-doctor/", env!("CARGO_PKG_VERSION")));
    let is_local = url.host_str().is_some_and(is_loopback_host);
    let builder = if is_local { builder.no_proxy() } else { builder };
    let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
    builder.build()
}

fn unreachable(error: &reqwest::Error, url: &Url) -> String {
    let place = url.origin().ascii_serialization();
    let cause = cause(error);
    let advice = if cause.to_ascii_lowercase().contains("certificate") {
        "install the system's certificates (`ca-certificates`) and those of a proxy that opens TLS, or name them in \
         SSL_CERT_FILE"
    } else if error.is_timeout() {
        "a firewall drops the calls, or a proxy is needed: let the service call it on port 443, or set https_proxy"
    } else {
        "check WORKOS_BASE_URL, the name server, the firewall and https_proxy on the machine of the service"
    };
    format!("{place} cannot be reached ({cause}): {advice}")
}

/// The innermost cause, which names neither URL nor proxy.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if cause.source().is_none() && !std::ptr::addr_eq(cause, std::ptr::from_ref(error)) {
        return cause.to_string();
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { "no connection".to_owned() }
}

/// Compares this machine's clock with the `Date` of an answer that took this long.
fn clock(report: &mut Report, answer: &Response, took: Duration) {
    let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok());
    let Some(theirs) = date.and_then(|date| httpdate::parse_http_date(date).ok()) else {
        report.warning(
            "clock",
            "the answer of WorkOS has no date to compare with; a proxy may have taken it out",
        );
        return;
    };
    // The date has whole seconds and was written at some time during the call.
    let ours = SystemTime::now() - took / 2;
    let theirs = theirs + Duration::from_millis(500);
    let (off, direction) = match ours.duration_since(theirs) {
        Ok(ahead) => (ahead, "ahead of"),
        Err(behind) => (behind.duration(), "behind"),
    };
    let seconds = off.as_secs();
    let found = format!("this machine's clock is {seconds} s {direction} WorkOS's");
    let advice = "let it be set by NTP (`timedatectl set-ntp true`; in a container, on its host)";
    if off > LEEWAY * 6 {
        report.problem(
            "clock",
            format!("{found}, so that good sessions count as expired or not yet valid: {advice}"),
        );
    } else if off > LEEWAY {
        report.warning("clock", format!("{found}, more than the leeway of 5 s: {advice}"));
    } else {
        report.ok("clock", "as WorkOS's");
    }
}

async fn key_set_answer(report: &mut Report, answer: Response, client_id: &str) {
    let status = answer.status();
    if status == StatusCode::NOT_FOUND {
        report.problem(
            "keys",
            format!(
                "WorkOS has no key set for the client id {client_id} (404): compare WORKOS_CLIENT_ID with the \
                 dashboard, and WORKOS_BASE_URL with the environment"
            ),
        );
        return;
    }
    if !status.is_success() {
        report.problem(
            "keys",
            format!(
                "the key set is answered with {status}, so that no session can be verified: check WORKOS_BASE_URL, \
                 the proxy and status.workos.com"
            ),
        );
        return;
    }
    let body = answer.bytes().await.unwrap_or_default();
    let keys = serde_json::from_slice::<Value>(&body).ok();
    match keys.as_ref().and_then(|set| set["keys"].as_array()).map(Vec::len) {
        Some(0) | None => report.problem(
            "keys",
            "what WORKOS_BASE_URL answers is no key set of WorkOS: check the variable, and whether a proxy or a \
             sign-in page of the network answers in its place",
        ),
        Some(keys) => report.ok("keys", format!("the key set has {keys} key(s)")),
    }
}

/// Refreshes with a made-up token: WorkOS checks client id and API key first.
async fn credentials(report: &mut Report, client: &Client, key_set: &Url, client_id: &str) {
    let Some(api_key) = variables::secret("WORKOS_API_KEY") else { return };
    let Some((base, _)) = key_set.as_str().split_once("/sso/jwks/") else { return };
    let body = json!({
        "client_id": client_id,
        "client_secret": api_key,
        "grant_type": "refresh_token",
        "refresh_token": "authkit-doctor",
    });
    let call = client.post(format!("{base}/user_management/authenticate"));
    let call = call.bearer_auth(&api_key).json(&body);
    let (status, body) = match call.send().await {
        Ok(answer) => (answer.status(), answer.text().await.unwrap_or_default()),
        Err(error) => {
            report.warning(
                "api key",
                format!("could not be tried: {}", unreachable(&error, key_set)),
            );
            return;
        }
    };
    let refused = ["invalid_client", "unauthorized_client"].iter().any(|code| body.contains(code));
    if body.contains("invalid_grant") {
        report.ok("api key", "WorkOS accepts it for this client id");
    } else if refused || [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status) {
        report.problem(
            "api key",
            format!(
                "WorkOS refuses WORKOS_API_KEY for WORKOS_CLIENT_ID ({status}): copy both from the same environment \
                 of the dashboard; the key may have been revoked"
            ),
        );
    } else {
        report.warning(
            "api key",
            format!("WorkOS answered {status} when it was tried: try again later"),
        );
    }
}

/// The default difference that a service allows between clocks.
const LEEWAY: Duration = Duration::from_secs(5);
