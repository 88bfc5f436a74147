//! Requests through the whole layer: a sealed cookie with a changed token, payload and spelling, any other headers, and any
//! answer of WorkOS to a refresh.

use std::time::Duration;

use authkit_session::SealFormat;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};

use crate::{
    input::Input,
    service::{Answer, Kind, NOW, World, run as block_on},
    targets::{error_answer, negotiation},
    token,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let world = World::new();
    let kind = input.one_of(&[
        Kind::Required,
        Kind::Optional,
        Kind::Bearer,
        Kind::Guarded,
        Kind::TrustedOrigin,
    ]);
    let mut cookies = cookies(&mut input);
    if input.flag() {
        world.workos.will_answer(error_answer::answer(&mut input));
    }
    block_on(async {
        for _ in 0..=input.below(3) {
            let Some(request) = request(&mut input, kind, &cookies) else { return };
            let answer = world.send(kind, request).await;
            if let Some(newest) = newest(&answer)
                && input.flag()
            {
                cookies = newest;
            }
            let wait = input.one_of(&[0, 1, 2, 11, 61, 120, 290, 301, 86_400]);
            world.clock.advance(Duration::from_secs(wait));
        }
    });
}

/// The value of a `Cookie` field with a session in it, changed in some way.
fn cookies(input: &mut Input<'_>) -> Vec<u8> {
    let mut pairs: Vec<Vec<u8>> = Vec::new();
    for _ in 0..=input.below(3) {
        let mut value = sealed(input).into_bytes();
        if input.below(4) == 3 {
            input.mutate(&mut value);
        }
        let name = input.word(&["wos_session", "wos_session.0", "wos_session.1", "other"]);
        if name == "wos_session.0" {
            value.splice(0..0, *b"2.");
        }
        pairs.push([name.as_bytes(), b"=", &value].concat());
    }
    let separator: &[u8] = input.one_of(&[b"; ", b";", b", "]);
    let mut cookies = pairs.join(separator);
    if input.below(8) == 7 {
        input.mutate(&mut cookies);
    }
    cookies
}

fn sealed(input: &mut Input<'_>) -> String {
    let issued = NOW - input.one_of(&[0, 100, 250, 290, 400]);
    let token = token::token(input, issued);
    let mut payload = World::payload(&token);
    if input.flag() {
        payload.edit(input, PAYLOAD);
    }
    let mut plaintext = payload.text().into_bytes();
    if input.below(8) == 7 {
        input.mutate(&mut plaintext);
    }
    World::seal(input.one_of(SealFormat::ALL), &plaintext)
}

fn request(input: &mut Input<'_>, kind: Kind, cookies: &[u8]) -> Option<Request<Bytes>> {
    let mut request = negotiation::request(input)?;
    if let Ok(value) = HeaderValue::from_bytes(cookies) {
        request.headers_mut().append(header::COOKIE, value);
    }
    if kind == Kind::Bearer && input.flag() {
        let scheme = input.word(&["Bearer ", "bearer ", "Bearer  ", "Basic ", ""]);
        let value = format!("{scheme}{}", token::token(input, NOW));
        if let Ok(value) = HeaderValue::from_str(&value) {
            request.headers_mut().append(header::AUTHORIZATION, value);
        }
    }
    if input.below(8) == 7 {
        let name = HeaderName::from_bytes(input.bytes()).ok()?;
        request.headers_mut().append(name, HeaderValue::from_bytes(input.bytes()).ok()?);
    }
    Some(request)
}

/// The cookies that a browser sends after this answer, if the answer set a session.
fn newest(answer: &Answer) -> Option<Vec<u8>> {
    let fields = answer.headers.get_all(header::SET_COOKIE).iter();
    let pairs: Vec<_> = fields
        .filter_map(|field| field.as_bytes().split(|byte| *byte == b';').next())
        .filter(|pair| pair.starts_with(b"wos_session"))
        .collect();
    (!pairs.is_empty()).then(|| pairs.join(&b"; "[..]))
}

const PAYLOAD: &[&str] = &[
    "access_token",
    "refresh_token",
    "user",
    "impersonator",
    "accessToken",
    "refreshToken",
    "organization_id",
    "organizationId",
    "sealed_session",
    "oauth_tokens",
    "authentication_method",
];
