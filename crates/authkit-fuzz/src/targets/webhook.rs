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
    let mut signature = format!("t={}, v1={}", NOW * 1_000, tag(&body)).into_bytes();
    let intact = signature.clone();
    if !is_good {
        input.mutate(&mut signature);
    }
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
        let is_signed = is_post && (signature == intact || is_respelt(&signature, &intact));
        assert!(is_signed || status == 400 || status == 401 || status == 405, "{status}");

        let cookie =
            World::seal(Default::default(), World::payload(&token::good(NOW)).text().as_bytes());
        let cookie = HeaderValue::from_str(&format!("wos_session={cookie}")).expect("base64");
        let page = world.send(Kind::Required, get("/page", Some(cookie))).await;
        assert!(page.reached || status == 200, "nobody may end a session but WorkOS: {page:?}");
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

fn tag(body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(format!("{}.", NOW * 1_000).as_bytes());
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
