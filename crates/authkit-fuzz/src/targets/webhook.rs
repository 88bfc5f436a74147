//! Deliveries to the webhook endpoint: without a valid signature they change nothing.

use authkit_tower::Webhooks;
use aws_lc_rs::hmac;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use tower::ServiceExt;

use crate::{
    input::Input,
    json::{Members, quoted, value},
    service::{Kind, NOW, World, run as block_on},
    targets::sign_in::get,
    token,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let is_good = input.flag();
    let body = body(&mut input, is_good);
    // WorkOS's libraries take what is three minutes old; Unix milliseconds.
    let off = input.one_of(&[0, 0, 0, 179_000, -179_000, 181_000, -181_000]);
    let time = (NOW * 1_000).saturating_add_signed(off).to_string();
    let mut signature = format!("t={time}, v1={}", tag(&time, &body)).into_bytes();
    let intact = signature.clone();
    if !is_good {
        input.mutate(&mut signature);
    }
    let says = String::from_utf8_lossy(&body).into_owned();
    let Ok(field) = HeaderValue::from_bytes(&signature) else { return };
    let world = World::new();
    block_on(async {
        let webhooks = Webhooks::new(&world.authkit, SECRET).expect("the secret is long enough");
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = input.one_of(&[Method::POST, Method::POST, Method::GET]);
        let is_post = *request.method() == Method::POST;
        request.headers_mut().insert(HeaderName::from_static("workos-signature"), field);
        let answer = webhooks.oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status().as_u16();
        assert!([200, 400, 401, 405, 422].contains(&status), "{status}");
        let is_of_now = off.abs() < 180_000;
        let is_signed =
            is_post && is_of_now && (signature == intact || is_respelt(&signature, &intact));
        assert!(is_signed || status == 400 || status == 401 || status == 405, "{status}");

        let cookie =
            World::seal(Default::default(), World::payload(&token::good(NOW)).text().as_bytes());
        let cookie = HeaderValue::from_str(&format!("wos_session={cookie}")).expect("base64");
        let page = world.send(Kind::Required, get("/page", Some(cookie))).await;
        assert!(page.reached || status == 200, "nobody may end a session but WorkOS: {page:?}");
        let names_it = ["session_1", "user_1", "org_1", "\\u"].iter().any(|id| says.contains(id));
        assert!(page.reached || names_it, "what names nobody ends nothing: {says} {page:?}");
    });
}

fn body(input: &mut Input<'_>, is_good: bool) -> Vec<u8> {
    let event = input.word(EVENTS);
    let mut data = Members::new([
        ("id", quoted("session_1")),
        ("user_id", quoted("user_1")),
        ("organization_id", quoted("org_1")),
        ("updated_at", quoted("2027-01-15T08:00:00.000Z")),
    ]);
    if input.flag() {
        data.edit(input, &["id", "user_id", "organization_id", "updated_at", "status", "owner"]);
    }
    let mut body = Members::new([
        ("id", quoted("event_1")),
        ("event", quoted(&event)),
        ("data", data.text()),
        ("created_at", quoted("2027-01-15T08:00:00.000Z")),
    ]);
    if input.flag() {
        body.edit(input, &["id", "event", "data", "created_at"]);
    }
    let mut body = if input.below(8) == 7 { value(input, 3) } else { body.text() }.into_bytes();
    if is_good && input.flag() {
        input.mutate(&mut body);
    }
    body
}

fn tag(time: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{time}.").as_bytes());
    context.update(body);
    context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether a signature header means the same: in other letters, or with further parts that are ignored.
fn is_respelt(signature: &[u8], intact: &[u8]) -> bool {
    let parts = |text: &[u8]| -> Vec<String> {
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let parts = text.split(',').map(|part| part.trim().to_owned());
        parts.filter(|part| part.starts_with("t=") || part.starts_with("v1=")).collect()
    };
    let (mut one, mut other) = (parts(signature), parts(intact));
    one.sort();
    other.sort();
    one == other
}

const SECRET: &str = "whsec_of_no_account_at_all";
const EVENTS: &[&str] = &[
    "session.revoked",
    "user.deleted",
    "organization_membership.updated",
    "organization_membership.deleted",
    "api_key.revoked",
    "api_key.updated",
    "organization.deleted",
    "organization_role.updated",
    "user.created",
];
