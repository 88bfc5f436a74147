//! A sign-in whose state or flow cookie was changed, or forged with the password: the callback begins no session that the
//! service did not ask for.

use authkit_session::integration::Purpose;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use url::{Url, form_urlencoded};

use crate::{
    input::Input,
    json::{Members, quoted},
    service::{Answer, Kind, NOW, ORIGIN, World, run as block_on},
    targets::error_answer,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let world = World::new();
    block_on(async {
        let login = world.send(Kind::Required, get("/login?return_to=%2Fpage", None)).await;
        let (state, name, flow) = begun(&login);
        let (mut sent_state, mut sent_flow) =
            (state.clone().into_bytes(), flow.clone().into_bytes());
        let mut is_ours = true;
        match input.below(4) {
            0 => {}
            1 => input.mutate(&mut sent_state),
            2 => input.mutate(&mut sent_flow),
            // Only somebody with the password can make this cookie. Its content must not cause a panic.
            _ => {
                is_ours = false;
                sent_flow = forged(&world, &mut input, &name, &state).into_bytes();
            }
        }
        let is_changed =
            is_ours && (sent_state != state.as_bytes() || sent_flow != flow.as_bytes());
        if input.flag() {
            world.workos.will_answer(error_answer::answer(&mut input));
        }
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("code", &input.word(&["a-code-that-workos-gave", ""]));
        query.append_pair("state", &String::from_utf8_lossy(&sent_state));
        if input.below(4) == 3 {
            let name = input.one_of(&["error", "code", "state", "error_description"]);
            query.append_pair(name, &input.text());
        }
        let cookie = [name.as_bytes(), b"=", &sent_flow].concat();
        let Ok(cookie) = HeaderValue::from_bytes(&cookie) else { return };
        let callback = format!("/callback?{}", query.finish());
        let answer = world.send(Kind::Required, get(&callback, Some(cookie))).await;
        if is_changed {
            // Base64 has several spellings of one value, so a changed text may have the same value.
            let same_state = opens_alike(&state, &sent_state);
            let same_flow = opens_alike(&flow, &sent_flow);
            assert!(
                world.workos.exchanges() == 0 || (same_state && same_flow),
                "a code was exchanged for a sign-in that was tampered with: {answer:?}"
            );
        }
        if world.workos.exchanges() == 0 {
            assert!(!answer.sets_a_session(), "a session out of nothing: {answer:?}");
        }
    });
}

pub(super) fn get(path: &str, cookie: Option<HeaderValue>) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = path.parse::<Uri>().unwrap_or_else(|_| Uri::from_static("/"));
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("app.example.com"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
    headers.insert("sec-fetch-mode", HeaderValue::from_static("navigate"));
    headers.insert("sec-fetch-site", HeaderValue::from_static("same-origin"));
    headers.extend(cookie.map(|cookie| (header::COOKIE, cookie)));
    request
}

/// The state of a sign-in that has begun, and its cookie.
pub(super) fn begun(login: &Answer) -> (String, String, String) {
    let to = login.headers.get(header::LOCATION).and_then(|to| to.to_str().ok());
    let to = Url::parse(ORIGIN).and_then(|base| base.join(to.unwrap_or_default()));
    let to = to.unwrap_or_else(|_| panic!("a sign-in leads to WorkOS: {login:?}"));
    let state = to.query_pairs().find(|(name, _)| name == "state").map(|(_, it)| it.into_owned());
    let cookies = login.headers.get_all(header::SET_COOKIE).iter();
    let pairs = cookies.filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    let pair =
        pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| name.contains("_auth_"));
    match (state, pair) {
        (Some(state), Some((name, flow))) => (state, name.to_owned(), flow.to_owned()),
        _ => panic!("a sign-in has a state and a cookie: {login:?}"),
    }
}

/// A flow cookie with any content.
fn forged(world: &World, input: &mut Input<'_>, name: &str, state: &str) -> String {
    let mut content = Members::new([
        ("state_id", quoted(state.get(..22).unwrap_or(state))),
        ("restarts", "0".to_owned()),
        ("initiator", quoted("user")),
        ("verifier", quoted("a-verifier-of-no-less-than-43-characters-as-pkce-has-it")),
        ("return_to", quoted(&input.word(&["/page", "//evil.example", "https://evil.example/"]))),
        ("started", NOW.to_string()),
    ]);
    content.edit(
        input,
        &["state_id", "restarts", "initiator", "verifier", "return_to", "custom", "started"],
    );
    let context = format!("{name}\n{ORIGIN}/callback");
    let sealed =
        world.replica().seal_for(Purpose::SignIn, context.as_bytes(), content.text().as_bytes());
    sealed.expect("the system has random bytes")
}

/// Whether two base64 texts have the same value.
fn opens_alike(one: &str, other: &[u8]) -> bool {
    let plain = |text: &[u8]| -> Vec<u8> {
        let text = String::from_utf8_lossy(text);
        text.trim_matches(['=', '"', ' ']).bytes().collect()
    };
    plain(one.as_bytes()) == plain(other) || one.as_bytes() == other
}
