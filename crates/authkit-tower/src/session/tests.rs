use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use authkit_session::{Error, ErrorKind};
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::{join, sync::Mutex, task::yield_now};
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    AuthKit, AuthKitLayer, Principal, Revocation, Session, Switched,
    tests::{Empty, Reply, Workos, authkit, header, request, set_cookies},
};

/// Sends a request with this cookie to a service behind a layer, which does `work` with its session.
async fn handled<W>(
    authkit: &AuthKit,
    cookie: &str,
    work: impl Fn(Session) -> W + Clone + Send + 'static,
) -> Response<()>
where
    W: Future<Output = ()> + Send + 'static,
{
    let inner = service_fn(move |request: Request<Empty>| {
        let session =
            request.extensions().get::<Session>().expect("the layer requires one").clone();
        let work = work.clone();
        async move {
            work(session).await;
            Ok::<_, Infallible>(Response::new(()))
        }
    });
    let request = request("POST", "/organization", &[("cookie", cookie)]);
    AuthKitLayer::new(authkit).layer(inner).oneshot(request).await.unwrap().map(drop)
}

/// What `work` made of the session, and the response.
async fn result<W, T>(
    authkit: &AuthKit,
    cookie: &str,
    work: impl Fn(Session) -> W + Clone + Send + Sync + 'static,
) -> (T, Response<()>)
where
    W: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let made = Arc::new(Mutex::new(None));
    let cell = Arc::clone(&made);
    let response = handled(authkit, cookie, move |session| {
        let (work, cell) = (work.clone(), Arc::clone(&cell));
        async move {
            let value = work(session).await;
            *cell.lock().await = Some(value);
        }
    })
    .await;
    let value = made.lock().await.take().expect("the handler ran");
    (value, response)
}

fn calls(workos: &Workos) -> Vec<Value> {
    workos.calls().iter().map(|call| serde_json::from_str(call).unwrap()).collect()
}

fn session_of(switched: Result<Switched, Error>) -> Session {
    match switched {
        Ok(Switched::Session(session)) => session,
        Ok(Switched::SignIn(redirect)) => panic!("has to sign in at {redirect}"),
        Err(error) => panic!("{error}"),
    }
}

fn new_cookie(response: &Response<()>) -> String {
    let [cookie] = set_cookies(response).try_into().expect("one cookie is set");
    assert!(cookie.starts_with("wos_session=") && cookie.len() > 100, "{cookie}");
    cookie
}

#[tokio::test]
async fn a_switch_brings_a_session_of_that_organization_and_its_cookie() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.will(Reply::Session(json!({ "org_id": "org_2", "role": "owner" })));

    let (session, response) = result(&authkit, &cookie, async |session: Session| {
        let switched = session_of(session.switch_organization("org_2").await);
        assert_eq!(session.organization_id(), Some("org_1"), "the handler's own stays as it was");
        switched
    })
    .await;
    assert_eq!((session.organization_id(), session.role()), (Some("org_2"), Some("owner")));
    let sent = &calls(&workos)[0];
    assert_eq!(
        (&sent["grant_type"], &sent["organization_id"]),
        (&json!("refresh_token"), &json!("org_2"))
    );

    let renewed = new_cookie(&response);
    let (organization, response) = result(&authkit, &renewed, async |session: Session| {
        session.organization_id().map(str::to_owned)
    })
    .await;
    assert_eq!(organization.as_deref(), Some("org_2"));
    assert!(set_cookies(&response).is_empty());
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn the_token_exchanged_is_the_one_that_this_request_refreshed_to() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.clock().advance(Duration::from_secs(400));
    workos.will(Reply::Session(json!({ "org_id": "org_1" })));
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));

    let (session, response) = result(&authkit, &cookie, async |session: Session| {
        session_of(session.switch_organization("org_2").await)
    })
    .await;
    assert_eq!(session.organization_id(), Some("org_2"));
    let calls = calls(&workos);
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (&calls[0]["organization_id"], &calls[1]["organization_id"]),
        (&json!("org_1"), &json!("org_2"))
    );
    assert_ne!(calls[0]["refresh_token"], calls[1]["refresh_token"]);
    new_cookie(&response);
}

#[tokio::test(start_paused = true)]
async fn a_switch_waits_for_an_exchange_under_way_and_goes_on_from_there() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.clock().advance(Duration::from_secs(280));
    workos.will(Reply::Session(json!({ "org_id": "org_1" })));
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));
    workos.hold();

    let at_workos = Arc::clone(&workos);
    let (session, _) = result(&authkit, &cookie, move |session: Session| {
        // The token is still good, so that this runs while its exchange is held up.
        let workos = Arc::clone(&at_workos);
        async move {
            let release = async {
                yield_now().await;
                assert_eq!(workos.calls().len(), 1);
                workos.release();
            };
            let (switched, ()) = join!(session.switch_organization("org_2"), release);
            session_of(switched)
        }
    })
    .await;
    assert_eq!(session.organization_id(), Some("org_2"));
    let calls = calls(&workos);
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0]["refresh_token"], calls[1]["refresh_token"]);
}

#[tokio::test]
async fn a_session_is_refreshed_on_demand_once_in_two_seconds() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "role": "member" })).await;
    workos.will(Reply::Session(json!({ "role": "admin" })));
    let refreshed = async |session: Session| session.refresh().await;

    let (session, response) = result(&authkit, &cookie, refreshed).await;
    assert_eq!(session.unwrap().role(), Some("admin"));
    let cookie = new_cookie(&response);

    workos.clock().advance(Duration::from_millis(1_500));
    let (error, _) = result(&authkit, &cookie, refreshed).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooSoon);
    assert!(error.retry_after().unwrap() <= Duration::from_millis(500), "{error:?}");
    assert_eq!(workos.calls().len(), 1);

    workos.clock().advance(Duration::from_millis(500));
    let (session, _) = result(&authkit, &cookie, refreshed).await;
    session.unwrap();
    assert_eq!(workos.calls().len(), 2);
}

#[tokio::test]
async fn a_double_click_makes_one_exchange() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));
    workos.hold();
    let switch = || {
        result(&authkit, &cookie, async |session: Session| {
            session_of(session.switch_organization("org_2").await)
        })
    };
    let release = async {
        while workos.calls().is_empty() {
            yield_now().await;
        }
        workos.release();
    };
    let ((one, _), (two, _), ()) = join!(switch(), switch(), release);
    let (three, _) = switch().await;
    for session in [one, two, three] {
        assert_eq!(session.organization_id(), Some("org_2"));
    }
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn whoever_asked_for_the_same_shares_the_failure_and_nobody_else_does() {
    let gone = || Reply::Error(422, json!({ "code": "organization_membership_not_found" }));
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.will(gone());
    workos.will(Reply::Session(json!({ "org_id": "org_1", "role": "admin" })));
    workos.hold();
    let switch = || {
        result(&authkit, &cookie, async |session: Session| {
            session.switch_organization("org_2").await.map(|_| ()).map_err(|error| error.kind())
        })
    };
    let begun = async {
        while workos.calls().is_empty() {
            yield_now().await;
        }
    };
    let refresh = async {
        begun.await;
        let refreshed = result(&authkit, &cookie, async |session: Session| {
            session.refresh().await.map_err(|error| error.kind())
        });
        let release = async {
            yield_now().await;
            // A refresh on demand is due again by then.
            workos.clock().advance(Duration::from_secs(3));
            workos.release();
        };
        join!(refreshed, release).0
    };
    let ((one, _), (two, _), (refreshed, _)) = join!(switch(), switch(), refresh);
    assert_eq!((one, two), (Err(ErrorKind::OrganizationGone), Err(ErrorKind::OrganizationGone)));
    assert_eq!(refreshed.unwrap().role(), Some("admin"));
    assert_eq!(workos.calls().len(), 2, "one for both switches, one for the refresh");
}

#[tokio::test]
async fn a_refresh_on_demand_is_not_met_by_a_switch_under_way() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));
    workos.will(Reply::Session(json!({ "org_id": "org_2", "role": "admin" })));
    workos.hold();
    let switch = result(&authkit, &cookie, async |session: Session| {
        session_of(session.switch_organization("org_2").await)
    });
    let refresh = async {
        while workos.calls().is_empty() {
            yield_now().await;
        }
        let refreshed =
            result(&authkit, &cookie, async |session: Session| session.refresh().await.unwrap());
        let release = async {
            yield_now().await;
            workos.clock().advance(Duration::from_secs(3));
            workos.release();
        };
        join!(refreshed, release).0
    };
    let ((switched, _), (refreshed, _)) = join!(switch, refresh);
    assert_eq!(switched.organization_id(), Some("org_2"));
    assert_eq!((refreshed.organization_id(), refreshed.role()), (Some("org_2"), Some("admin")));
    assert_eq!(workos.calls().len(), 2);
}

#[tokio::test]
async fn a_session_that_ends_while_a_handler_refreshes_it_is_not_given_to_the_handler() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));
    workos.hold();
    let switch = result(&authkit, &cookie, async |session: Session| {
        session.switch_organization("org_2").await.map(|_| ()).map_err(|error| error.kind())
    });
    let end = async {
        while workos.calls().is_empty() {
            yield_now().await;
        }
        let revocation = Revocation::session("session_1", workos.clock().wall());
        authkit.revoke(revocation).await.unwrap();
        workos.release();
    };
    let ((switched, _), ()) = join!(switch, end);
    assert_eq!(switched, Err(ErrorKind::SignedOut));
}

/// The token is good for another moment, and its refresh was refused a moment ago.
#[tokio::test]
async fn what_workos_refused_a_moment_ago_a_handler_does_not_ask_again() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({})).await;
    workos.clock().advance(Duration::from_secs(280));
    workos.will(Reply::Error(400, json!({ "error": "invalid_grant" })));
    let (refreshed, _) = result(&authkit, &cookie, async |session: Session| {
        session.refresh().await.map(|_| ()).map_err(|error| error.kind())
    })
    .await;
    assert_eq!(refreshed, Err(ErrorKind::Refused));
    assert_eq!(workos.calls().len(), 1);
}

#[tokio::test]
async fn where_workos_wants_to_see_the_user_there_is_a_redirect_and_the_session_stays() {
    let redirect = |url: &str| json!({ "error": "sso_required", "error_description": "secret", "authkit_redirect_url": url });
    let ours = "/login?organization_id=org_%C3%BC&return_to=%2Fdashboard%3Ftab%3D1";
    for (name, answer, expected) in [
        ("SSO", json!({ "error": "sso_required" }), ours),
        ("MFA", json!({ "code": "mfa_enrollment", "message": "secret" }), ours),
        (
            "a page of WorkOS's",
            redirect("https://auth.example.com/x?y=1"),
            "https://auth.example.com/x?y=1",
        ),
        ("a script", redirect("javascript:alert(1)"), ours),
        ("plain http", redirect("http://auth.example.com/"), ours),
        ("nonsense", redirect("//"), ours),
    ] {
        let (authkit, workos) = authkit();
        let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
        workos.will(Reply::Error(403, answer));
        let (switched, response) = result(&authkit, &cookie, async |session: Session| {
            session.switch_organization("org_ü").await
        })
        .await;
        let Ok(Switched::SignIn(to)) = switched else { panic!("{name}: {switched:?}") };
        let to = to.with_return_to("https://evil.example/").with_return_to("/dashboard?tab=1");
        assert_eq!(to.as_str(), expected, "{name}");
        assert!(set_cookies(&response).is_empty(), "{name}");

        // What WorkOS said of that organization is nothing about the session's own.
        workos.clock().advance(Duration::from_secs(400));
        workos.will(Reply::Session(json!({ "org_id": "org_1" })));
        let (organization, _) = result(&authkit, &cookie, async |session: Session| {
            session.organization_id().map(str::to_owned)
        })
        .await;
        assert_eq!(organization.as_deref(), Some("org_1"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_organization_that_wants_a_step_up_does_not_keep_its_user() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    workos.clock().advance(Duration::from_secs(280));
    workos.will(Reply::Error(403, json!({ "code": "mfa_enrollment" })));
    workos.will(Reply::Session(json!({ "org_id": "org_2" })));

    // The refresh that was due is refused for this organization, which is remembered; the token is still good.
    let (session, _) = result(&authkit, &cookie, async |session: Session| {
        session_of(session.switch_organization("org_2").await)
    })
    .await;
    assert_eq!(session.organization_id(), Some("org_2"));
    assert_eq!(workos.calls().len(), 2);
}

#[tokio::test]
async fn a_failed_switch_is_a_typed_error_and_the_session_stays() {
    use ErrorKind::*;

    for (name, reply, kind) in [
        (
            "no member",
            Reply::Error(422, json!({ "code": "organization_membership_not_found" })),
            OrganizationGone,
        ),
        ("our key", Reply::Error(401, json!({})), Misconfigured),
        ("refused", Reply::Error(400, json!({ "error": "invalid_grant" })), Refused),
        ("unknown", Reply::Error(418, json!({})), Rejected),
        ("another one", Reply::Session(json!({ "org_id": "org_3" })), Unverified),
        ("another user", Reply::Session(json!({ "org_id": "org_2", "sub": "user_2" })), Unverified),
    ] {
        let (authkit, workos) = authkit();
        let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
        workos.will(reply);
        let (switched, response) = result(&authkit, &cookie, async |session: Session| {
            session.switch_organization("org_2").await
        })
        .await;
        assert_eq!(switched.unwrap_err().kind(), kind, "{name}");
        assert!(set_cookies(&response).is_empty(), "{name}");
        let (organization, _) = result(&authkit, &cookie, async |session: Session| {
            session.organization_id().map(str::to_owned)
        })
        .await;
        assert_eq!(organization.as_deref(), Some("org_1"), "{name}");
    }
}

#[tokio::test]
async fn whoever_waits_for_anothers_switch_is_not_taken_along() {
    let (org_2, sso) = (json!({ "org_id": "org_2" }), json!({ "error": "sso_required" }));
    for (name, reply, status, exchanges) in [
        ("it succeeds", Reply::Session(org_2), 503, 1),
        ("it is refused", Reply::Error(403, sso), 200, 2),
    ] {
        let (authkit, workos) = authkit();
        let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
        workos.will(reply);
        workos.will(Reply::Session(json!({ "org_id": "org_1" })));
        workos.hold();
        let switch = result(&authkit, &cookie, async |session: Session| {
            session.switch_organization("org_2").await
        });
        let bystander = async {
            while workos.calls().is_empty() {
                yield_now().await;
            }
            workos.clock().advance(Duration::from_secs(400));
            let release = async {
                yield_now().await;
                workos.release();
            };
            let stays =
                async |session: Session| assert_eq!(session.organization_id(), Some("org_1"));
            join!(handled(&authkit, &cookie, stays), release).0
        };
        let (_, response) = join!(switch, bystander);
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(
            header(&response, "retry-after"),
            if status == 503 { "1" } else { "" },
            "{name}"
        );
        assert_eq!(workos.calls().len(), exchanges, "{name}");
    }
}

#[tokio::test]
async fn once_the_head_has_left_nothing_can_be_done() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    let (session, _) = result(&authkit, &cookie, async |session: Session| session).await;

    let too_late = |error: Error| assert_eq!(error.kind(), ErrorKind::HeadSent);
    too_late(session.refresh().await.unwrap_err());
    too_late(session.switch_organization("org_2").await.unwrap_err());
    too_late(session.sign_out().unwrap_err());
    assert!(workos.calls().is_empty());
    assert_eq!(
        handled(&authkit, &cookie, async |_| ()).await.status(),
        200,
        "it is still signed in"
    );
}

#[tokio::test]
async fn a_handler_signs_out_and_nothing_brings_the_session_back() {
    let (authkit, workos) = authkit();
    let session = workos.cookie(&authkit, json!({})).await;
    let cookie = format!("{session}; __Host-wos_auth_e12752c0_0badf00d=flow; theme=dark");
    let (goodbye, response) = result(&authkit, &cookie, async |session: Session| {
        let goodbye = session.sign_out().unwrap();
        assert_eq!(session.refresh().await.unwrap_err().kind(), ErrorKind::SignedOut);
        goodbye
    })
    .await;
    assert_eq!(
        goodbye.as_str(),
        "https://api.workos.com/user_management/sessions/logout?session_id=session_1&return_to=https%3A%2F%2Fapp.example.com%2F"
    );
    let elsewhere = goodbye.with_return_to("/goodbye");
    assert!(elsewhere.as_str().ends_with("&return_to=https%3A%2F%2Fapp.example.com%2Fgoodbye"));
    let hostile = elsewhere.with_return_to("//evil.example");
    assert!(hostile.as_str().ends_with("&return_to=https%3A%2F%2Fapp.example.com%2F"));
    assert_eq!(
        set_cookies(&response),
        ["wos_session=", "__Host-wos_auth_e12752c0_0badf00d=", "__Host-wos_signed_out_e12752c0=1"]
    );
    assert_eq!(header(&response, "cache-control"), "private, no-store");
    assert_eq!(header(&response, "clear-site-data"), r#""prefetchCache", "prerenderCache""#, "d7");
    assert_eq!(handled(&authkit, &session, async |_| ()).await.status(), 401);
    assert!(workos.calls().is_empty());
}

/// D4 of docs/cases.md, for everything that ends a session or asks for a newer token.
#[tokio::test(start_paused = true)]
async fn d4_what_lives_on_a_session_ends_within_a_second_of_it() {
    let ends = [
        ("signed out here", true),
        ("signed out in another tab", true),
        ("the session is revoked", true),
        ("the user is revoked", true),
        ("the user is deleted", true),
        ("the membership has changed", true),
        ("the organization has changed", true),
        ("another session is revoked", false),
        ("another user is deleted", false),
        ("another organization has changed", false),
        ("nothing", false),
    ];
    for (end, is_over) in ends {
        let (authkit, workos) = authkit();
        let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
        let out = end == "signed out here";
        let ((session, principal, deadline), _) =
            result(&authkit, &cookie, move |session: Session| async move {
                let principal = Principal::Session(session.clone());
                let waits = (session.expired(), principal.expired(), session.deadline());
                if out {
                    let _ = session.sign_out().unwrap();
                }
                waits
            })
            .await;
        let mut waiting = [tokio::spawn(session), tokio::spawn(principal)];
        if !out {
            tokio::time::sleep(Duration::from_millis(2_500)).await;
            assert!(waiting.iter().all(|one| !one.is_finished()), "{end}");
        }

        let now = workos.clock().wall();
        match end {
            "signed out in another tab" => {
                let mut headers = http::HeaderMap::new();
                headers.insert(http::header::COOKIE, cookie.parse().unwrap());
                let _ = authkit.authenticator().sign_out(&headers);
            }
            "the session is revoked" => {
                revoke(&authkit, Revocation::session("session_1", now)).await
            }
            "the user is revoked" => revoke(&authkit, Revocation::user("user_1", now)).await,
            "the user is deleted" => {
                revoke(&authkit, Revocation::deleted_user("user_1", now)).await
            }
            "the membership has changed" => {
                revoke(&authkit, Revocation::membership("user_1", "org_1", now)).await;
            }
            "the organization has changed" => {
                revoke(&authkit, Revocation::organization("org_1", now)).await;
            }
            "another session is revoked" => {
                revoke(&authkit, Revocation::session("session_2", now)).await;
            }
            "another user is deleted" => {
                revoke(&authkit, Revocation::deleted_user("user_2", now)).await;
            }
            "another organization has changed" => {
                revoke(&authkit, Revocation::organization("org_2", now)).await;
            }
            _ => {}
        }
        tokio::time::sleep(Duration::from_millis(1_001)).await;
        assert!(waiting.iter().all(|one| one.is_finished() == is_over), "{end}");
        assert!(deadline > std::time::Instant::now(), "the token itself has time left");

        workos.clock().advance(Duration::from_secs(300));
        for one in &mut waiting {
            tokio::time::timeout(Duration::from_secs(2), one).await.expect(end).unwrap();
        }
    }
}

async fn revoke(authkit: &AuthKit, revocation: Revocation) {
    authkit.revoke(revocation).await.unwrap();
}

/// A token that was admitted although a revocation asks for a newer one: WorkOS's clocks are apart.
#[tokio::test(start_paused = true)]
async fn d4_a_stream_that_begins_after_a_change_does_not_end_for_it() {
    let (authkit, workos) = authkit();
    let cookie = workos.cookie(&authkit, json!({ "org_id": "org_1" })).await;
    let (session, _) = result(&authkit, &cookie, {
        let (authkit, now) = (authkit.clone(), workos.clock().wall());
        move |session: Session| {
            let authkit = authkit.clone();
            async move {
                revoke(&authkit, Revocation::organization("org_1", now)).await;
                session
            }
        }
    })
    .await;
    let waiting = tokio::spawn(session.expired());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!waiting.is_finished());
}
