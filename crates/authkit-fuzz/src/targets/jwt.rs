//! A bearer token: `jsonwebtoken` accepts every token that we admit.

use bytes::Bytes;
use http::{HeaderValue, Request, header};

use crate::{
    input::Input,
    service::{Kind, NOW, World, run as block_on},
    token,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let value = format!("Bearer {}", token::token(&mut input, NOW));
    let Ok(value) = HeaderValue::from_str(&value) else { return };
    let mut request = Request::new(Bytes::new());
    request.headers_mut().insert(header::AUTHORIZATION, value);
    let answer = block_on(World::new().send(Kind::Bearer, request));
    assert!(!answer.headers.contains_key(header::SET_COOKIE), "no cookie: {answer:?}");
}
