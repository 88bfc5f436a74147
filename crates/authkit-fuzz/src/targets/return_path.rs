//! `return_to` through a whole sign-in: the browser ends on a page of the service, and never on one of its endpoints.

use http::{HeaderName, HeaderValue, header};
use url::{Url, form_urlencoded};

use crate::{
    input::Input,
    service::{Kind, ORIGIN, World, run as block_on},
    targets::sign_in::{begun, get},
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let source = input.below(4);
    let (login, field) = match source {
        0 | 1 => {
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.append_pair("return_to", &String::from_utf8_lossy(input.rest()));
            (format!("/login?{}", query.finish()), None)
        }
        2 => (format!("/{}", String::from_utf8_lossy(input.rest())), None),
        _ => ("/page".to_owned(), Some(input.rest())),
    };
    let mut request = get(&login, None);
    if let Some(value) = field.and_then(|field| HeaderValue::from_bytes(field).ok()) {
        *request.method_mut() = http::Method::POST;
        request.headers_mut().insert(header::REFERER, value.clone());
        request.headers_mut().insert(HeaderName::from_static("hx-current-url"), value);
    }
    let world = World::new();
    block_on(async {
        let mut answer = world.send(Kind::Required, request).await;
        // The layer redirects to our own endpoint, which redirects to WorkOS.
        if let Some(to) = location(&answer.headers).filter(|to| to.starts_with("/login")) {
            answer = world.send(Kind::Required, get(&to, None)).await;
        }
        if !location(&answer.headers).is_some_and(|to| to.starts_with("https://api.workos.com")) {
            return;
        }
        let (state, name, flow) = begun(&answer);
        let cookie = HeaderValue::from_str(&format!("{name}={flow}")).expect("a cookie is ASCII");
        let callback = format!("/callback?code=a-code&state={state}");
        let back = world.send(Kind::Required, get(&callback, Some(cookie))).await;
        let to = location(&back.headers).unwrap_or_else(|| panic!("it leads nowhere: {back:?}"));
        let to = Url::parse(ORIGIN).and_then(|base| base.join(&to)).expect("checked already");
        assert_eq!(to.origin().ascii_serialization(), ORIGIN, "{back:?}");
        let is_endpoint = ["/login", "/callback", "/logout"].contains(&to.path());
        assert!(!is_endpoint, "it leads to an endpoint: {back:?}");
    });
}

fn location(headers: &http::HeaderMap) -> Option<String> {
    Some(headers.get(header::LOCATION)?.to_str().ok()?.to_owned())
}
