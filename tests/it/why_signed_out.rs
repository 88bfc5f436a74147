//! "Why was I signed out?" Log lines and metrics lead from a user to the reason, as `docs/reasons.md` says.

use std::{collections::BTreeSet, process::Command, time::Duration};

use authkit_emulator::{Endpoint, Fault, TestSession};
use authkit_tower::{AuthKit, AuthKitLayer, Endpoints, HookDecision, Revocation, Session};
use axum::{
    Router,
    routing::{get, post},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use support::{Browser, Events, Harness, Running};

const ALICE: &str = "alice@acme.test";
const GLOBEX: &str = "org_01GLOBEX00000000000000000";
const REASONS: &str = include_str!("../../docs/reasons.md");

/// Reasons of requests with a session, which log lines name.
const OF_A_SESSION: [&str; 26] = [
    "signed_out",
    "revoked",
    "bad_signature",
    "wrong_subject",
    "not_ours",
    "invalid_exp",
    "invalid_nbf",
    "invalid_iat",
    "invalid_sub",
    "invalid_sid",
    "invalid_iss",
    "invalid_client_id",
    "invalid_aud",
    "invalid_act",
    "invalid_org_id",
    "expired",
    "refused_just_now",
    "refused",
    "refused_again",
    "organization_gone",
    "interaction_needed",
    "rejected",
    "other_organization",
    "hook_refused",
    "session_too_old",
    "session_idle",
];
/// Reasons of requests without a session of one user.
const OF_NOBODY: [&str; 4] = ["no_cookie", "unreadable_cookie", "not_a_session", "ambiguous"];
/// Reasons of programs' credentials, with which nobody signs in.
const OF_PROGRAMS: [&str; 6] = [
    "no_credential",
    "other_scheme",
    "malformed_credential",
    "wrong_kind",
    "unknown_api_key",
    "own_api_key",
];

fn app(authkit: &AuthKit, reason: &str) -> Router {
    let layer = AuthKitLayer::new(authkit);
    let layer = match reason {
        "session_too_old" => layer.with_max_session_age(Duration::from_secs(3_600)),
        "session_idle" => layer.with_idle_timeout(Duration::from_secs(600)),
        _ => layer,
    };
    Router::new()
        .route("/page", get(async |session: Session| session.user_id().to_owned()))
        .route(
            "/switch",
            post(async |session: Session| {
                session.switch_organization(GLOBEX).await.map(drop).unwrap()
            }),
        )
        .route_layer(layer)
        .merge(Endpoints::new(authkit))
}

async fn running(reason: &'static str) -> Running {
    let harness = Harness::with(
        |emulator| emulator,
        |config| {
            let config = match reason {
                "invalid_aud" => config.with_audiences(["client_123"]),
                _ => config,
            };
            config.with_refresh_hook(move |_| async move {
                match reason {
                    "hook_refused" => HookDecision::Refuse,
                    _ => HookDecision::Keep,
                }
            })
        },
    )
    .await;
    let app = app(&harness.authkit, reason);
    harness.serve(app)
}

/// A session for this reason: its cookie is wrong if the reason is about the cookie.
fn session(running: &Running, reason: &str) -> TestSession {
    let session = running.emulator.session(ALICE);
    match reason {
        "bad_signature" => {
            let token = session.access_token();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let forged: String = signature.chars().rev().collect();
            let forged = format!("{signed}.{forged}");
            session.sealed_field("access_token", forged).without_sealed_field("refresh_token")
        }
        "wrong_subject" => {
            let mut user = session.payload()["user"].clone();
            user["id"] = "user_of_somebody_else".into();
            session.sealed_field("user", user)
        }
        "not_ours" => session.claim("client_id", "client_of_somebody_else"),
        "invalid_exp" => session.claim("exp", "soon"),
        "invalid_nbf" => session.claim("nbf", "now"),
        "invalid_iat" => session.claim("iat", "now"),
        "invalid_sub" => session.claim("sub", 7),
        "invalid_sid" => session.claim("sid", 7),
        "invalid_iss" => session.claim("iss", 7),
        "invalid_aud" => session.claim("aud", 7),
        "invalid_client_id" => session.claim("client_id", 7),
        "invalid_act" => session.claim("act", "somebody"),
        "invalid_org_id" => session.claim("org_id", 7),
        "expired" => session.expired().without_sealed_field("refresh_token"),
        "refused_just_now" | "refused" | "refused_again" | "organization_gone"
        | "interaction_needed" | "rejected" | "hook_refused" => session.expired(),
        _ => session,
    }
}

/// Brings about what the next request is refused for.
async fn happen(running: &Running, browser: &Browser, session: &TestSession, reason: &str) {
    let answer_with = |fault: Fault| {
        running.emulator.fault(fault.on(Endpoint::Authenticate).until_cleared());
    };
    match reason {
        "signed_out" => {
            let other_tab = running.holding(session);
            other_tab.send(Method::POST, &running.url("/logout"), [], Bytes::new()).await;
        }
        "revoked" => {
            let now = running.authkit.settings().clock().wall();
            let ended = Revocation::session(session.session_id(), now);
            running.authkit.revoke(ended).await.unwrap();
        }
        "refused_just_now" | "refused" | "refused_again" => {
            answer_with(Fault::oauth_error("invalid_grant"));
            let waits: &[u64] = match reason {
                "refused_just_now" => &[],
                "refused" => &[15],
                _ => &[65],
            };
            for wait in waits {
                browser.fetch(Method::GET, &running.url("/page"), "").await;
                running.advance(Duration::from_secs(*wait));
            }
        }
        "organization_gone" => answer_with(Fault::error(400, "organization_not_found")),
        "interaction_needed" => answer_with(Fault::error(403, "sso_required")),
        "other_organization" => {
            let other_tab = running.holding(session);
            other_tab.send(Method::POST, &running.url("/switch"), [], Bytes::new()).await;
            running.advance(Duration::from_secs(310));
        }
        "session_too_old" => running.advance(Duration::from_secs(3_700)),
        "session_idle" => running.advance(Duration::from_secs(700)),
        "rejected" => answer_with(Fault::error(409, "a_word_of_tomorrow")),
        _ => {}
    }
}

fn counted(metrics: &PrometheusHandle, reason: &str) -> bool {
    let label = format!("reason=\"{reason}\"}}");
    let text = metrics.render();
    let lines = text.lines().filter(|line| line.starts_with("authkit_decisions_total{"));
    lines.filter(|line| line.contains(&label)).any(|line| !line.ends_with(" 0"))
}

#[tokio::test]
async fn each_reason_that_ends_a_session_is_found_by_the_log_ids_of_session_and_user() {
    for reason in OF_A_SESSION {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let running = running(reason).await;
        let session = session(&running, reason);
        let browser = running.holding(&session);
        let events = Events::listen();
        happen(&running, &browser, &session, reason).await;
        let before = events.take();
        let answer = browser.navigate(&running.url("/page")).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{reason}: {}", answer.text());

        let authkit = &running.authkit;
        let user = running.emulator.session(ALICE).claims()["sub"].as_str().unwrap().to_owned();
        let (session, user) = (authkit.log_id(session.session_id()), authkit.log_id(&user));
        let told = events.take();
        // An unreadable `sub` or `sid` gives no log id; the line has the id of the other.
        let ids = match reason {
            "invalid_sub" => [Some(&session), None],
            "invalid_sid" => [None, Some(&user)],
            _ => [Some(&session), Some(&user)],
        };
        let ids = ids.into_iter().flatten().map(|id| format!("{id:?}"));
        let parts: Vec<_> = ids.chain([format!("reason={reason}")]).collect();
        let names = |line: &&String| parts.iter().all(|part| line.contains(part.as_str()));
        assert_eq!(told.iter().filter(names).count(), 1, "{reason}: {parts:?} in {told:#?}");
        let ends = match reason {
            "signed_out" => Some("signed out"),
            "revoked" => Some("revoked"),
            _ => None,
        };
        if let Some(end) = ends {
            let is_told = |line: &&String| line.contains(end) && line.contains(&session);
            assert_eq!(before.iter().filter(is_told).count(), 1, "{reason}: {before:#?}");
        }
        assert!(counted(&recorder.handle(), reason), "{reason}");
    }
}

#[tokio::test]
async fn each_reason_of_a_request_without_a_session_is_told_and_counted() {
    for reason in OF_NOBODY {
        let recorder = PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&recorder);
        let running = running(reason).await;
        let of = |email: &str| running.emulator.session(email).cookie(support::PASSWORD);
        let cookies = match reason {
            "no_cookie" => String::new(),
            "unreadable_cookie" => "wos_session=garbage".to_owned(),
            "not_a_session" => {
                let session = running.emulator.session(ALICE).without_sealed_field("access_token");
                format!("wos_session={}", session.cookie(support::PASSWORD))
            }
            _ => format!("wos_session={}; wos_session={}", of(ALICE), of("bob@acme.test")),
        };
        let events = Events::listen();
        let headers = [("cookie", &*cookies), ("sec-fetch-mode", "navigate")];
        let url = running.url("/page");
        let answer = running.browser().send(Method::GET, &url, headers, Bytes::new()).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{reason}");
        let told = events.take();
        let is_told = told.iter().any(|line| line.contains(&format!("reason={reason}")));
        // The service logs nothing about a request without a cookie.
        assert_eq!(is_told, reason != "no_cookie", "{told:#?}");
        assert!(counted(&recorder.handle(), reason), "{reason}");
    }
}

#[test]
fn no_reason_to_sign_in_is_left_out() {
    let challenges: BTreeSet<_> = REASONS
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells[2].starts_with("challenge"))
        .map(|cells| cells[1].trim_matches('`'))
        .collect();
    let here: BTreeSet<_> = OF_A_SESSION.into_iter().chain(OF_NOBODY).chain(OF_PROGRAMS).collect();
    assert_eq!(here, challenges);
}

/// The command that the document tells an operator to run.
#[tokio::test]
async fn the_documents_command_makes_a_log_id() {
    let harness = Harness::start().await;
    let line = REASONS.lines().find(|line| line.contains("openssl dgst")).unwrap();
    let id = "user_01HJTGY3F4W8XRN5B0C2D6E7A9";
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("WORKOS_API_KEY", harness.emulator.api_key()).env("ID", id);
    let output = shell.output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed.trim(), harness.authkit.log_id(id), "{line}");
}
