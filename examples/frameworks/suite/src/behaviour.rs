//! The behaviour that each application is tested for.

use authkit_emulator::Endpoint;
use bytes::Bytes;
use http::{Request, Response, request::Builder};
use serde_json::Value;

use crate::{browser::Browser, site::Site};

/// A page redirects its browser to sign in, and a script gets a 401 with the address of the sign-in.
pub async fn nobody_is_let_in(site: &Site) {
    let home = site.ask(get("/")).await;
    assert_eq!(home.status(), 200, "the page for everybody");
    let page = Request::get("/dashboard?tab=1").header("accept", "text/html");
    let page = site.ask(without_body(page)).await;
    let login = "/login?return_to=%2Fdashboard%3Ftab%3D1";
    assert_eq!((page.status().as_u16(), header(&page, "location")), (302, login));
    for path in ["/dashboard", "/admin", "/teapot"] {
        let script = Request::get(path).header("sec-fetch-mode", "cors").header("accept", "*/*");
        let answer = site.ask(without_body(script)).await;
        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(header(&answer, "content-type"), "application/problem+json", "{path}");
        let problem: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(problem["login_url"], "/login", "{path}");
    }
}

/// A user signs in at WorkOS, arrives at the requested page, and signs out.
pub async fn a_user_signs_in_and_out(site: &Site) {
    let mut browser = Browser::new(site);
    let (address, dashboard) = browser.open("/dashboard").await;
    assert!(address.ends_with("/dashboard"), "{address}");
    assert_eq!(dashboard.status(), 200, "{dashboard:?}");
    assert!(dashboard.body().starts_with(b"Hello "), "{dashboard:?}");
    assert_eq!(header(&dashboard, "cache-control"), "private, no-store");
    assert!(browser.is_signed_in());

    let signed_out = browser.submit("/logout").await;
    assert_eq!(signed_out.status(), 303, "{signed_out:?}");
    assert!(header(&signed_out, "location").starts_with(site.workos().url()), "{signed_out:?}");
    assert!(!browser.is_signed_in());
}

/// The application gets the whole body of a request that had to wait for a refresh.
pub async fn a_body_survives_a_refresh(site: &Site) {
    let body: Bytes = (0..1 << 20).map(|index: u32| index.to_le_bytes()[1]).collect();
    let expired = site.workos().session(ALICE).expired();
    let echo = Request::post("/echo").header("cookie", Site::cookie(&expired));
    let echo = site.ask(echo.body(body.clone()).unwrap()).await;
    assert_eq!(echo.status(), 200, "{:?}", echo.headers());
    assert!(header(&echo, "set-cookie").starts_with("wos_session="), "{:?}", echo.headers());
    assert!(*echo.body() == body, "the body came back changed");
    assert_eq!(site.workos().calls(Endpoint::Authenticate), 1);
}

/// A client that still sends its body gets the answer too.
pub async fn a_denied_upload_gets_its_answer(site: &Site) {
    let upload = Request::post("/echo").body(Bytes::from(vec![7; 1 << 20])).unwrap();
    let answer = site.ask(upload).await;
    assert_eq!(answer.status(), 401, "{answer:?}");
}

/// A guard lets an administrator in, and nobody else.
pub async fn a_guard_asks_for_more_than_a_session(site: &Site) {
    for (email, status) in [(ALICE, 200), (BOB, 403)] {
        let session = site.workos().session(email);
        let admin = Request::get("/admin").header("cookie", Site::cookie(&session));
        let admin = site.ask(without_body(admin)).await;
        assert_eq!(admin.status(), status, "{email}");
        assert_eq!(admin.body() == "The books", status == 200, "{email}: {admin:?}");
    }
}

/// A handler that fails in its framework's way gets its own answer sent, with the cookie of the refreshed session.
pub async fn an_error_of_the_framework_keeps_the_refreshed_session(site: &Site) {
    let expired = site.workos().session(ALICE).expired();
    let teapot = Request::get("/teapot").header("cookie", Site::cookie(&expired));
    let teapot = site.ask(without_body(teapot)).await;
    assert_eq!(teapot.status(), 418, "{teapot:?}");
    assert!(header(&teapot, "set-cookie").starts_with("wos_session="), "{:?}", teapot.headers());
}

fn get(path: &str) -> Request<Bytes> {
    without_body(Request::get(path))
}

fn without_body(request: Builder) -> Request<Bytes> {
    request.body(Bytes::new()).unwrap()
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

const ALICE: &str = "alice@acme.test";
const BOB: &str = "bob@acme.test";
