use std::time::UNIX_EPOCH;

use super::*;

fn answered(status: u16, body: &str, fields: &[(&'static str, &'static str)]) -> UpstreamError {
    let mut answer = Response::new(Bytes::from(body.to_owned()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in fields {
        answer.headers_mut().insert(*name, value.parse().unwrap());
    }
    read(&answer, UNIX_EPOCH + Duration::from_secs(784_111_777))
}

/// An answer of WorkOS and its meaning. The name is its row in the list of documented error bodies; a comment above each
/// group names the page, description or SDK that documents it.
type Row = (&'static str, u16, &'static str, UpstreamFailure);

const GRANT: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::InvalidGrant);
const ORGANIZATION: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::OrganizationGone);
const USER: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::InteractionNeeded);
const CREDENTIALS: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::Credentials);
const REQUEST: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::Request);
const OTHER: UpstreamFailure = UpstreamFailure::Refused(ApiRefusal::Rejected);
const TRY: UpstreamFailure = UpstreamFailure::Transient;

/// Every documented body of `POST /user_management/authenticate`.
pub(crate) const DOCUMENTED: &[Row] = &[
    // OpenAPI description (400, `error`), documentation of sessions, emulator.
    ("1", 400, r#"{"error":"invalid_grant","error_description":"Invalid refresh token."}"#, GRANT),
    (
        "2",
        400,
        r#"{"error":"invalid_request","error_description":"refresh_token is required."}"#,
        REQUEST,
    ),
    // Documentation: CLI authentication, error codes.
    ("3", 400, r#"{"error":"invalid_client","error_description":"x"}"#, CREDENTIALS),
    ("4", 400, r#"{"error":"unauthorized_client","error_description":"x"}"#, CREDENTIALS),
    ("5", 400, r#"{"error":"unsupported_grant_type","error_description":"x"}"#, REQUEST),
    // OpenAPI description; the emulator has the second one as `code`.
    ("6", 400, r#"{"error":"organization_not_found","error_description":"x"}"#, ORGANIZATION),
    (
        "7",
        400,
        r#"{"error":"organization_membership_not_found","error_description":"x"}"#,
        ORGANIZATION,
    ),
    (
        "7, as the emulator",
        400,
        r#"{"code":"organization_membership_not_found","message":"x"}"#,
        ORGANIZATION,
    ),
    ("8", 400, r#"{"code":"invalid_organization_id","message":"x"}"#, ORGANIZATION),
    ("9", 404, r#"{"message":"Organization not found: 'org_1'."}"#, REQUEST),
    // OpenAPI description; types of the Node, Python and Go SDKs.
    (
        "10",
        400,
        r#"{"error":"sso_required","error_description":"x","connection_ids":["conn_1"],"email":"a@x.test","pending_authentication_token":null}"#,
        USER,
    ),
    ("11", 400, r#"{"error":"mfa_enrollment","error_description":"x"}"#, USER),
    ("12", 400, r#"{"error":"token_too_big","error_description":"x"}"#, REQUEST),
    ("13", 400, r#"{"error":"authentication_method_not_allowed","error_description":"x"}"#, USER),
    (
        "14",
        400,
        r#"{"error":"organization_authentication_methods_required","error_description":"x","email":"a@x.test","sso_connection_ids":[],"auth_methods":{"password":false}}"#,
        USER,
    ),
    ("15", 400, r#"{"error":"invalid_connection","error_description":"x"}"#, USER),
    ("16", 400, r#"{"error":"invalid_profile","error_description":"x"}"#, USER),
    ("17", 400, r#"{"error":"sign_up_not_allowed","error_description":"x"}"#, USER),
    ("18", 400, r#"{"error":"invitation_invalid","error_description":"x"}"#, USER),
    ("18, as the emulator", 400, r#"{"code":"invitation_invalid","message":"x"}"#, USER),
    ("19", 400, r#"{"error":"invitation_cannot_be_used_for_email","error_description":"x"}"#, USER),
    ("20", 400, r#"{"error":"extra_attributes_required","error_description":"x"}"#, USER),
    ("21", 400, r#"{"error":"invalid_link_authorization_code","error_description":"x"}"#, GRANT),
    ("22", 400, r#"{"message":"Must use SSO for selected organization"}"#, USER),
    ("23", 400, r#"{"error":"pkce_not_supported","error_description":"x"}"#, REQUEST),
    ("24", 400, r#"{"code":"code_challenge_not_found","message":"x"}"#, GRANT),
    ("25", 400, r#"{"error":"authorization_pending","error_description":"x"}"#, TRY),
    ("26", 400, r#"{"error":"slow_down","error_description":"x"}"#, TRY),
    ("27", 400, r#"{"error":"access_denied","error_description":"x"}"#, USER),
    ("28", 400, r#"{"error":"expired_token","error_description":"x"}"#, GRANT),
    ("29", 400, r#"{"code":"invalid_credentials","message":"x"}"#, USER),
    ("30", 400, r#"{"code":"invalid_one_time_code","message":"x"}"#, USER),
    ("31a", 400, r#"{"code":"one_time_code_expired","message":"x"}"#, USER),
    ("31b", 400, r#"{"code":"one_time_code_previously_used","message":"x"}"#, USER),
    ("31c", 400, r#"{"code":"one_time_code_too_many_attempts","message":"x"}"#, USER),
    ("32", 400, r#"{"code":"invalid_pending_authentication_token","message":"x"}"#, GRANT),
    ("33", 400, r#"{"code":"user_mismatch","message":"x"}"#, GRANT),
    ("34a", 400, r#"{"code":"phone_number_required","message":"x"}"#, REQUEST),
    ("34b", 400, r#"{"code":"verification_id_required","message":"x"}"#, REQUEST),
    // OpenAPI description (403, `code`), documentation of authentication errors.
    (
        "35",
        403,
        r#"{"code":"email_verification_required","message":"x","email_verification_id":"ev_1"}"#,
        USER,
    ),
    (
        "36",
        403,
        r#"{"code":"organization_selection_required","message":"x","organizations":[]}"#,
        USER,
    ),
    ("37", 403, r#"{"code":"mfa_enrollment","message":"x"}"#, USER),
    ("38", 403, r#"{"code":"mfa_challenge","message":"x","authentication_factors":[]}"#, USER),
    ("39", 403, r#"{"code":"mfa_verification","message":"x"}"#, USER),
    ("40", 403, r#"{"code":"authentication_method_not_allowed","message":"x"}"#, USER),
    ("41", 403, r#"{"code":"email_password_auth_disabled","message":"x"}"#, USER),
    ("42", 403, r#"{"code":"passkey_progressive_enrollment","message":"x"}"#, USER),
    ("43a", 403, r#"{"code":"radar_challenge","message":"x"}"#, USER),
    ("43b", 403, r#"{"code":"radar_sign_up_challenge","message":"x"}"#, USER),
    ("43c", 403, r#"{"code":"radar_sms_sign_in_challenge","message":"x"}"#, USER),
    (
        "44a",
        403,
        r#"{"code":"radar_email_challenge","message":"x","radar_challenge_id":"r_1"}"#,
        USER,
    ),
    ("44b", 403, r#"{"code":"radar_sms_challenge","message":"x"}"#, USER),
    ("45", 403, r#"{"code":"application_consent_required","message":"x"}"#, USER),
    // authkit-nextjs reads it before any code.
    (
        "46",
        400,
        r#"{"error":"organization_not_found","authkit_redirect_url":"https://auth.test/"}"#,
        USER,
    ),
    // Documentation: errors.
    ("47", 401, r#"{"message":"Unauthorized"}"#, CREDENTIALS),
    (
        "47, as the emulator",
        401,
        r#"{"message":"Unauthorized","code":"unauthorized"}"#,
        CREDENTIALS,
    ),
    ("48", 403, r#"{"message":"Forbidden"}"#, CREDENTIALS),
    (
        "49",
        422,
        r#"{"code":"invalid_request_parameters","message":"x","errors":[{"code":"y","field":"z"}]}"#,
        REQUEST,
    ),
    ("49, as the emulator", 422, r#"{"code":"unprocessable_entity","message":"x"}"#, REQUEST),
    ("50", 400, r#"{"code":"invalid_request_body","message":"x"}"#, REQUEST),
    ("51", 400, r#"{"message":"x","errors":[{"code":"y"}]}"#, REQUEST),
    ("52", 408, r#"{"error":"Request timeout"}"#, TRY),
    // OpenAPI description; documentation of session resilience.
    ("53", 429, r#"{"error":"too_many_requests","error_description":"x"}"#, TRY),
    ("54", 429, r#"{"code":"daily_quota_exceeded","message":"x"}"#, TRY),
    ("55", 500, r#"{"message":"x","code":"server_error"}"#, TRY),
    ("55, no JSON", 502, "<html>Bad Gateway</html>", TRY),
    ("58, 400", 400, r#"{"error":"a_word_of_the_future"}"#, OTHER),
    ("58, 403", 403, r#"{"code":"a_word_of_the_future"}"#, USER),
    ("58, 404", 404, r#"{"code":"a_word_of_the_future"}"#, REQUEST),
    ("58, 422", 422, r#"{"code":"a_word_of_the_future"}"#, REQUEST),
];

/// What a proxy between WorkOS and us answers in its place. Nobody has to sign in again for it, and nobody's session ends.
pub(crate) const OF_PROXIES: &[Row] = &[
    // RFC 9110 section 15.5; nginx has a page of HTML for each.
    ("402", 402, "", CREDENTIALS),
    ("405", 405, "<html><h1>405 Not Allowed</h1></html>", REQUEST),
    ("406, a firewall for applications", 406, "<html><h1>Not Acceptable!</h1></html>", REQUEST),
    ("407", 407, "<html><h1>Proxy Authentication Required</h1></html>", CREDENTIALS),
    ("407, JSON", 407, r#"{"message":"Proxy Authentication Required"}"#, CREDENTIALS),
    ("408", 408, "<html><h1>408 Request Time-out</h1></html>", TRY),
    ("411", 411, "", REQUEST),
    ("412", 412, "", REQUEST),
    ("413", 413, "<html><h1>413 Request Entity Too Large</h1></html>", REQUEST),
    ("414", 414, "", REQUEST),
    ("415", 415, r#"{"message":"Unsupported Media Type"}"#, REQUEST),
    ("417", 417, "", REQUEST),
    ("421", 421, "<html><h1>421 Misdirected Request</h1></html>", TRY),
    // RFC 8470.
    ("425", 425, "", TRY),
    ("426", 426, "", REQUEST),
    // RFC 6585.
    ("428", 428, "", REQUEST),
    ("431", 431, "", REQUEST),
    // RFC 7725.
    ("451", 451, "<html><h1>Not available in your country</h1></html>", CREDENTIALS),
    // nginx: the client has left.
    ("499", 499, "", TRY),
    // Cloudflare, and AWS.
    ("520", 520, "error code: 520", TRY),
    ("521", 521, "error code: 521", TRY),
    ("525", 525, "error code: 525", TRY),
    ("530", 530, "error code: 1016", TRY),
    ("561", 561, "", TRY),
    ("a firewall", 403, "<html><h1>Access denied</h1></html>", CREDENTIALS),
    ("a redirect to a page that asks to sign in to the network", 302, "", TRY),
    ("a page that asks to sign in to the network", 511, "<html>", TRY),
];

#[test]
fn b4_what_a_proxy_answers_is_about_nobodys_grant() {
    for (row, status, body, failure) in OF_PROXIES {
        assert_eq!(answered(*status, body, &[]).failure, *failure, "{row}: {status} {body}");
        // WorkOS's own word counts whatever status it travels with.
        let word = r#"{"error":"invalid_grant"}"#;
        assert_eq!(answered(*status, word, &[]).failure, GRANT, "{row}: {status} {word}");
    }
}

#[test]
fn every_documented_answer_is_understood() {
    for (row, status, body, failure) in DOCUMENTED {
        assert_eq!(answered(*status, body, &[]).failure, *failure, "row {row}: {status} {body}");
    }
}

#[test]
fn the_word_counts_before_the_status() {
    let cases = [
        (401, r#"{"code":"invalid_grant","message":"spent"}"#, GRANT),
        (500, r#"{"error":"invalid_grant"}"#, GRANT),
        (400, r#"{"code":"invalid_code"}"#, GRANT),
        (404, r#"{"code":"organization_not_found"}"#, ORGANIZATION),
        (403, r#"{"code":"sso_required"}"#, USER),
        (403, r#"{"code":"mfa_enrollment","error":"invalid_grant"}"#, USER),
        (503, r#"{"error":"organization_not_found"}"#, TRY),
        (404, "", REQUEST),
        (409, r#"{"code":"something_new"}"#, OTHER),
        (408, "", TRY),
        (429, r#"{"message":"Too Many Requests"}"#, TRY),
        (429, r#"{"code":"sso_required"}"#, TRY),
        (503, "<h1>Service Unavailable</h1>", TRY),
        (200, r#"{"error":"invalid_grant"}"#, GRANT),
        (200, r#"{"error":"sso_required"}"#, TRY),
        (200, r#"{"message":"Must use SSO for selected organization"}"#, TRY),
        (200, "<html>Sign in to this network</html>", TRY),
        (302, "", TRY),
        (204, "", TRY),
    ];
    for (status, body, failure) in cases {
        assert_eq!(answered(status, body, &[]).failure, failure, "{status} {body}");
        if status == 200 {
            assert_eq!(read_success(body.as_bytes()).failure, failure, "{body}");
        }
    }
}

/// B4 of docs/cases.md, and similar cases.
#[test]
fn b4_one_odd_member_does_not_spoil_the_answer() {
    let deep = ["[".repeat(200), "]".repeat(200)].concat();
    let odd = [
        "400",
        "null",
        "true",
        "{}",
        r#"["invalid_grant"]"#,
        r#""Bad Request""#,
        r#""""#,
        // Values that no parser accepts, such as half an emoji, with which a text ends that JavaScript has cut.
        r#""\ud83d""#,
        "1e999",
        &deep,
    ];
    for odd in odd {
        for (word, other) in [("error", "code"), ("code", "error")] {
            let body = format!(r#"{{"{word}":"invalid_grant","{other}":{odd}}}"#);
            let error = answered(400, &body, &[]);
            assert_eq!(error.failure, GRANT, "{body}");
            assert_eq!(error.details.code.as_deref(), Some("invalid_grant"), "{body}");
        }
        let url = format!(r#"{{"error":"invalid_grant","authkit_redirect_url":{odd}}}"#);
        assert_eq!(answered(400, &url, &[]).failure, GRANT, "{url}");
        for member in ["message", "error_description", "errors"] {
            let body = format!(r#"{{"error":"invalid_grant","{member}":{odd}}}"#);
            assert_eq!(answered(400, &body, &[]).failure, GRANT, "{body}");
        }
    }
    for (body, failure) in [
        (r#"{"error":"a_new_word","code":"sso_required"}"#, USER),
        (r#"{"error":"sso_required","code":"a_new_word"}"#, USER),
        (r#"{"error":"invalid_grant","error":{}}"#, GRANT),
        (r#"{"error":null,"\u0065rror":"invalid\u005fgrant"}"#, GRANT),
        ("\u{feff}{\"error\":\"invalid_grant\"}", GRANT),
        (" \r\n{\"error\":\"invalid_grant\"}\n", GRANT),
        (r#"[{"error":"invalid_grant"}]"#, OTHER),
        (r#""invalid_grant""#, OTHER),
        ("{", OTHER),
    ] {
        assert_eq!(answered(400, body, &[]).failure, failure, "{body}");
    }
}

/// B3 of docs/cases.md, and similar cases.
#[test]
fn b3_a_403_with_a_code_is_about_the_user_and_one_without_is_about_us() {
    let cases = [
        (r#"{"code":"email_password_auth_disabled"}"#, USER),
        (r#"{"code":"x"}"#, USER),
        (r#"{"error":"something_new"}"#, USER),
        (r#"{"message":"Forbidden"}"#, CREDENTIALS),
        (r#"{"statusCode":403,"error":"Forbidden","message":"Forbidden"}"#, CREDENTIALS),
        (r#"{"code":403}"#, CREDENTIALS),
        ("<html>", CREDENTIALS),
        ("", CREDENTIALS),
    ];
    for (body, failure) in cases {
        assert_eq!(answered(403, body, &[]).failure, failure, "{body}");
    }
}

#[test]
fn only_words_are_kept() {
    let long = format!(r#"{{"code":"{}"}}"#, "x".repeat(MAX_WORD + 1));
    let cases = [
        (r#"{"code":"something_new"}"#, Some("something_new")),
        (r#"{"code":"two words"}"#, None),
        (r#"{"code":"line\nfeed"}"#, None),
        (r#"{"code":"\u001b[31mred"}"#, None),
        (r#"{"code":"größer"}"#, None),
        (r#"{"code":7}"#, None),
        (&long, None),
    ];
    for (body, code) in cases {
        assert_eq!(answered(400, body, &[]).details.code.as_deref(), code, "{body}");
    }
    assert_eq!(
        answered(400, "", &[("x-request-id", "req_1")]).details.request_id.as_deref(),
        Some("req_1")
    );
    assert_eq!(answered(400, "", &[("x-request-id", "req 1")]).details.request_id, None);
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let cases = [
        ("7", Some(7)),
        ("Sun, 06 Nov 1994 08:49:47 GMT", Some(10)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", Some(0)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("0.5", Some(1)),
        ("2.0", Some(2)),
        ("18446744073709551615.5", Some(u64::MAX)),
        ("-1", None),
        ("1e3", None),
        (".5", None),
        ("5.", None),
        ("+5", None),
        ("5, 5", None),
        ("", None),
        ("Sun, 06 Nov 1994", None),
        ("soon", None),
    ];
    for (value, seconds) in cases {
        let error = answered(429, "", &[("retry-after", value)]);
        assert_eq!(error.details.retry_after, seconds.map(Duration::from_secs), "{value}");
    }
}

#[test]
fn b4_bytes_that_are_no_text_spoil_their_member_alone() {
    let mut answer = Response::new(Bytes::from_static(
        b"{\"message\":\"\xe9t\xe9\",\"error\":\"invalid_grant\"}",
    ));
    *answer.status_mut() = StatusCode::BAD_REQUEST;
    assert_eq!(read(&answer, UNIX_EPOCH).failure, GRANT);
}
