//! What an application says of refreshed sessions counts, and what it fails to say loses nobody a session.

use std::{
    convert::Infallible,
    future,
    sync::{Arc, Mutex},
    time::Duration,
};

use authkit_session::{ErrorKind, Reason};
use http::{Request, Response};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};

use crate::{
    AuthKit, AuthKitLayer, Denial, HookDecision, RefreshedSession, Session,
    tests::{Empty, Reply, Workos, authkit_of, header, request, set_cookies},
};

/// A handle with a hook that says what it is told to say, and remembers what it was asked.
struct Application {
    authkit: AuthKit,
    workos: Arc<Workos>,
    says: Arc<Mutex<Says>>,
    asked: Arc<Mutex<Vec<RefreshedSession>>>,
}

#[derive(Clone, Copy)]
enum Says {
    This(HookDecision),
    Panics,
    Nothing,
}

impl Application {
    fn that(says: Says) -> Self {
        let says = Arc::new(Mutex::new(says));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let hook = {
            let (says, asked) = (Arc::clone(&says), Arc::clone(&asked));
            move |refreshed: RefreshedSession| {
                let says = *says.lock().unwrap();
                asked.lock().unwrap().push(refreshed);
                async move {
                    match says {
                        Says::This(ruling) => ruling,
                        Says::Panics => panic!("the hook's own fault"),
                        Says::Nothing => future::pending().await,
                    }
                }
            }
        };
        let (authkit, workos) = authkit_of(|config| config.with_refresh_hook(hook));
        Self { authkit, workos, says, asked }
    }

    fn will_say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    async fn expired(&self) -> String {
        let cookie = self.workos.cookie(&self.authkit, json!({ "org_id": "org_1" })).await;
        self.workos.clock().advance(Duration::from_secs(400));
        cookie
    }

    /// Asks for a page that says which role the session has.
    async fn page(&self, cookie: &str) -> Response<()> {
        let inner = service_fn(async |request: Request<Empty>| {
            let session = request.extensions().get::<Session>().unwrap();
            let mut response = Response::new(());
            response.headers_mut().insert("x-role", session.role().unwrap_or("").parse().unwrap());
            Ok::<_, Infallible>(response)
        });
        let request = request(
            "GET",
            "/",
            &[("cookie", cookie), ("accept", "text/html"), ("sec-fetch-mode", "navigate")],
        );
        AuthKitLayer::new(&self.authkit).layer(inner).oneshot(request).await.unwrap().map(drop)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn reason(response: &Response<()>) -> Option<Reason> {
    response.extensions().get::<Denial>().and_then(Denial::reason)
}

fn new_cookie(response: &Response<()>) -> String {
    let [cookie] = set_cookies(response).try_into().expect("one cookie is set");
    assert!(cookie.len() > 100, "{cookie}");
    cookie
}

fn session(role: &str) -> Reply {
    Reply::Session(json!({ "org_id": "org_1", "role": role }))
}

#[tokio::test]
async fn it_hears_of_what_was_and_what_is() {
    let it = Application::that(Says::This(HookDecision::Keep));
    let cookie = it.expired().await;
    it.workos.will(session("member"));

    let page = it.page(&cookie).await;
    assert_eq!((page.status().as_u16(), header(&page, "x-role")), (200, "member"));
    let cookie = new_cookie(&page);
    {
        let asked = it.asked.lock().unwrap();
        let [RefreshedSession { session, previous, .. }] = &asked[..] else { panic!("asked once") };
        assert_eq!((session.user_id(), session.role()), ("user_1", Some("member")));
        let previous = previous.as_ref().expect("its signature still verifies");
        assert_eq!((previous.user_id(), previous.role()), ("user_1", None));
        assert!(previous.expires_at() < session.issued_at());
    }
    assert_eq!(it.page(&cookie).await.status(), 200);
    assert_eq!(it.asked(), 1, "and only of sessions that are refreshed");
}

#[tokio::test]
async fn a_session_that_it_refuses_ends_here_and_at_workos() {
    let it = Application::that(Says::This(HookDecision::Refuse));
    let cookie = it.expired().await;
    it.workos.will(session("member"));

    let page = it.page(&cookie).await;
    assert_eq!((page.status().as_u16(), reason(&page)), (302, Some(Reason::HookRefused)));
    assert_eq!(set_cookies(&page), ["wos_session="]);
    let again = it.page(&cookie).await;
    assert_eq!((again.status().as_u16(), reason(&again)), (302, Some(Reason::SignedOut)));
    it.authkit.drain(Duration::from_secs(5)).await;
    assert_eq!(it.workos.revoked(), ["session_1"]);
    assert_eq!((it.workos.calls().len(), it.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_failing_hook_never_loses_a_rotated_token_and_lets_nobody_in() {
    for says in [Says::This(HookDecision::Undecided), Says::Panics, Says::Nothing] {
        let it = Application::that(says);
        let old = it.expired().await;
        it.workos.will(session("one"));
        it.workos.will(session("two"));
        it.workos.will(session("three"));

        let page = it.page(&old).await;
        assert_eq!((page.status().as_u16(), reason(&page)), (503, Some(Reason::HookUndecided)));
        let one = new_cookie(&page);

        // The browser comes back at once: nobody is asked again so soon.
        let page = it.page(&one).await;
        assert_eq!((page.status().as_u16(), header(&page, "retry-after")), (503, "2"));
        assert_eq!((it.asked(), it.workos.calls().len()), (1, 1));

        // A straggler with the old cookie finds the same.
        assert_eq!(it.page(&old).await.status(), 503);
        assert_eq!((it.asked(), it.workos.calls().len()), (1, 1));

        it.workos.clock().advance(Duration::from_secs(2));
        let page = it.page(&one).await;
        assert_eq!(page.status(), 503, "it still does not say anything");
        let two = new_cookie(&page);
        assert_eq!((it.asked(), it.workos.calls().len()), (2, 2));

        it.will_say(Says::This(HookDecision::Keep));
        it.workos.clock().advance(Duration::from_secs(2));
        let page = it.page(&two).await;
        assert_eq!((page.status().as_u16(), header(&page, "x-role")), (200, "three"));
        let three = new_cookie(&page);
        assert_eq!(it.page(&three).await.status(), 200);
        assert_eq!((it.asked(), it.workos.calls().len()), (3, 3));
        assert!(it.workos.revoked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_old_token_is_good_a_failing_hook_is_not_noticed() {
    let it = Application::that(Says::This(HookDecision::Undecided));
    let cookie = it.workos.cookie(&it.authkit, json!({ "org_id": "org_1", "role": "old" })).await;
    it.workos.clock().advance(Duration::from_secs(280));
    it.workos.will(session("new"));
    for _ in 0..3 {
        let page = it.page(&cookie).await;
        assert_eq!((page.status().as_u16(), header(&page, "x-role")), (200, "old"));
    }
    assert_eq!((it.asked(), it.workos.calls().len()), (1, 1));
}

#[tokio::test]
async fn a_handler_that_refreshes_is_told() {
    for (ruling, kind) in [
        (HookDecision::Refuse, ErrorKind::HookRefused),
        (HookDecision::Undecided, ErrorKind::HookUndecided),
    ] {
        let it = Application::that(Says::This(ruling));
        let cookie = it.workos.cookie(&it.authkit, json!({})).await;
        let inner = service_fn(async |request: Request<Empty>| {
            let session = request.extensions().get::<Session>().unwrap();
            let error = session.refresh().await.unwrap_err();
            let mut response = Response::new(());
            response.extensions_mut().insert(error.kind());
            Ok::<_, Infallible>(response)
        });
        let service = AuthKitLayer::new(&it.authkit).layer(inner);
        let response = service.oneshot(request("POST", "/", &[("cookie", &cookie)])).await.unwrap();
        assert_eq!(response.extensions().get::<ErrorKind>(), Some(&kind), "{ruling:?}");
    }
}
