//! WorkOS's answers to a refresh: no single answer ends a session, or admits a request without a good one.

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};

use crate::{
    input::Input,
    json::{Members, quoted},
    oracle::signed_claims,
    service::{Answer, Kind, NOW, World, email, renewed, run as block_on, upstream},
    targets::sign_in::get,
    token,
    workos::WorkosAnswer,
};

pub(super) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let world = World::new();
    let answer = answer(&mut input);
    let may_say = |word: &str| String::from_utf8_lossy(&answer.body).contains(word);
    let is_transient = matches!(answer.status, 408 | 429 | 500..=599)
        && !GRANT_IS_SPENT.iter().any(|word| may_say(word));
    world.workos.answers_otherwise(answer);
    let expired = token::good(NOW - 400);
    let cookie = World::seal(Default::default(), World::payload(&expired).text().as_bytes());
    let cookie = HeaderValue::from_str(&format!("wos_session={cookie}")).expect("base64");
    let request = match input.below(2) {
        0 => get("/page", Some(cookie)),
        _ => {
            let mut request = Request::new(Bytes::new());
            request.headers_mut().insert(header::COOKIE, cookie);
            request
        }
    };
    let answer = block_on(world.send(Kind::Required, request));
    assert!(!answer.ends_a_session(), "one answer of WorkOS ends no session: {answer:?}");
    if is_transient {
        let is_asked_to_wait = answer.status == StatusCode::SERVICE_UNAVAILABLE
            && !answer.headers.contains_key(header::LOCATION);
        assert!(is_asked_to_wait, "WorkOS could not answer: {answer:?}");
    }
    is_of_the_same_user(&answer);
}

/// Whoever is admitted is the user, in the organization, whose session was refreshed.
pub(super) fn is_of_the_same_user(answer: &Answer) {
    if let Some(token) = &answer.admitted {
        let claims = signed_claims(token).expect("only signed tokens are admitted");
        let is_same = claims["sub"] == "user_1" && claims["org_id"] == "org_1";
        assert!(is_same, "another user or organization: {answer:?}");
    }
}

/// An answer to an exchange: a success, a documented refusal, or anything else, with a text that no client may see.
pub(super) fn answer(input: &mut Input<'_>) -> WorkosAnswer {
    let mut headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
    for _ in 0..input.below(3) {
        let name = input.one_of(&["retry-after", "x-request-id", "content-type", "location"]);
        let menu = [
            "1",
            "-1",
            "99999999999999999999",
            "Fri, 31 Dec 9999 23:59:59 GMT",
            "text/html",
            "a b",
        ];
        headers.push((name.to_owned(), input.word(&menu).into_bytes()));
    }
    let status = match input.below(4) {
        0 => 200,
        1 => input.one_of(&[400, 401, 403, 404, 408, 422, 429, 500, 503]),
        2 => 400,
        _ => 100 + input.below(900) as u16,
    };
    if input.below(8) == 7 {
        let body = format!("{}{}", upstream(), input.text()).into_bytes();
        return WorkosAnswer { status, headers, body };
    }
    let text = if status == 200 {
        let token = token::token(input, NOW);
        let user = serde_json::json!({ "id": "user_1", "email": email() }).to_string();
        let mut body = Members::new([
            ("access_token", quoted(&token)),
            ("refresh_token", quoted("another-refresh-token")),
            ("user", user),
            ("organization_id", quoted("org_1")),
        ]);
        body.edit(
            input,
            &["access_token", "refresh_token", "user", "organization_id", "impersonator"],
        );
        if input.below(8) == 7 {
            return renewed(NOW);
        }
        body.text()
    } else {
        let mut body = Members::new([
            ("error", quoted(&input.word(CODES))),
            ("code", quoted(&input.word(CODES))),
            ("error_description", quoted(upstream())),
            ("message", quoted(upstream())),
        ]);
        body.edit(input, &["error", "code", "message", "errors", "authkit_redirect_url"]);
        body.text()
    };
    let mut body = text.into_bytes();
    if input.below(8) == 7 {
        input.mutate(&mut body);
    }
    WorkosAnswer { status, headers, body }
}

/// Parts of the words that mean so with any status, or that an escape may spell.
const GRANT_IS_SPENT: &[&str] =
    &["invalid_", "expired_token", "user_mismatch", "code_challenge_not_found", "\\u"];
const CODES: &[&str] = &[
    "invalid_grant",
    "organization_not_found",
    "sso_required",
    "mfa_enrollment",
    "invalid_client",
    "invalid_request",
    "slow_down",
    "access_denied",
    "something_new",
    "Forbidden",
];
