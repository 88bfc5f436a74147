//! Answers of `authenticate` that ask for a further step of the user, mostly with 403, or name a mistake of the
//! application: rows 35 to 51.

use super::{Answer, C, CO, O, R, RCO};

pub(super) const ROWS: &[Answer] = &[
    Answer::json(
        "35",
        CO,
        403,
        r#"{"code":"email_verification_required","message":"Email ownership must be verified before authentication.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","email":"marcelina.davis@example.com","email_verification_id":"email_verification_01HYGGEB6FYMWQNWF3XDZG7VV3"}"#,
    ),
    Answer::json(
        "36",
        CO,
        403,
        r#"{"code":"organization_selection_required","message":"The user must choose an organization to finish their authentication.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","user":{"object":"user","id":"user_01E4ZCR3C56J083X43JQXF3JK5","email":"marcelina.davis@example.com"},"organizations":[{"id":"org_01H93RZAP85YGYZJXYPAZ9QTXF","name":"Foo Corp"},{"id":"org_01H93S4E6GB5A8PFNKGTA4S42X","name":"Bar Corp"}]}"#,
    ),
    Answer::json(
        "37",
        CO,
        403,
        r#"{"code":"mfa_enrollment","message":"The user must enroll in MFA to finish authenticating.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","user":{"object":"user","id":"user_01E4ZCR3C56J083X43JQXF3JK5","email":"marcelina.davis@example.com"}}"#,
    ),
    Answer::json(
        "38",
        CO,
        403,
        r#"{"code":"mfa_challenge","message":"The user must complete an MFA challenge to finish authenticating.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","authentication_factors":[{"id":"auth_factor_01FVYZ5QM8N98T9ME5BCB2BBMJ","type":"totp"}],"user":{"object":"user","id":"user_01E4ZCR3C56J083X43JQXF3JK5","email":"marcelina.davis@example.com"}}"#,
    ),
    Answer::json(
        "39",
        O,
        403,
        r#"{"code":"mfa_verification","message":"The user must verify their factor to finish authenticating.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S"}"#,
    ),
    Answer::json(
        "40",
        O,
        403,
        r#"{"code":"authentication_method_not_allowed","message":"The authentication method is not allowed."}"#,
    ),
    Answer::json(
        "41",
        O,
        403,
        r#"{"code":"email_password_auth_disabled","message":"Email and password authentication is disabled."}"#,
    ),
    Answer::json(
        "42",
        O,
        403,
        r#"{"code":"passkey_progressive_enrollment","message":"The user can enroll a passkey.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S"}"#,
    ),
    Answer::json(
        "43a",
        CO,
        403,
        r#"{"code":"radar_challenge","message":"The user must complete a challenge to finish authenticating."}"#,
    ),
    Answer::json(
        "43b",
        CO,
        403,
        r#"{"code":"radar_sign_up_challenge","message":"The user must complete a challenge to sign up."}"#,
    ),
    Answer::json(
        "43c",
        CO,
        403,
        r#"{"code":"radar_sms_sign_in_challenge","message":"The user must complete a challenge by text message."}"#,
    ),
    Answer::json(
        "44a",
        CO,
        403,
        r#"{"code":"radar_email_challenge","message":"The user must complete a challenge by email.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","radar_challenge_id":"radar_challenge_01HYGGEB6FYMWQNWF3XDZG7VV3"}"#,
    ),
    Answer::json(
        "44b",
        CO,
        403,
        r#"{"code":"radar_sms_challenge","message":"The user must complete a challenge by text message.","pending_authentication_token":"YQyCkYfuVw2mI3tzSrk2C1Y7S","radar_challenge_id":"radar_challenge_01HYGGEB6FYMWQNWF3XDZG7VV3"}"#,
    ),
    Answer::json(
        "45",
        C,
        403,
        r#"{"code":"application_consent_required","message":"The user has not consented to this application."}"#,
    ),
    Answer::json(
        "46",
        R,
        400,
        r#"{"error":"sso_required","error_description":"User must authenticate using one of the matching connections.","connection_ids":[],"email":"marcelina.davis@example.com","authkit_redirect_url":"https://auth.example.com/continue?token=abc"}"#,
    ),
    Answer::json(
        "46-enrollment",
        R,
        400,
        r#"{"error":"mfa_enrollment","error_description":"The user must enroll in MFA to finish authenticating.","authkit_redirect_url":"https://auth.example.com/enroll"}"#,
    ),
    Answer::json(
        "46-membership",
        R,
        400,
        r#"{"error":"organization_membership_not_found","error_description":"The user is not a member of the organization.","authkit_redirect_url":"https://auth.example.com/join"}"#,
    ),
    Answer::json(
        "46-403",
        R,
        403,
        r#"{"code":"radar_challenge","message":"The user must complete a challenge to finish authenticating.","authkit_redirect_url":"https://auth.example.com/challenge"}"#,
    ),
    Answer::json("47", RCO, 401, r#"{"message":"Unauthorized"}"#),
    Answer::json("47-code", RCO, 401, r#"{"code":"unauthorized","message":"Unauthorized"}"#),
    Answer::json("48", RCO, 403, r#"{"message":"Forbidden"}"#),
    Answer::json(
        "49",
        RCO,
        422,
        r#"{"code":"invalid_request_parameters","message":"Validation failed.","errors":[{"code":"invalid","field":"refresh_token","message":"must be a string"}]}"#,
    ),
    Answer::json(
        "49-code",
        RCO,
        422,
        r#"{"code":"unprocessable_entity","message":"Validation failed."}"#,
    ),
    Answer::json(
        "50",
        O,
        400,
        r#"{"code":"invalid_request_body","message":"The request body cannot be parsed."}"#,
    ),
    Answer::json(
        "51",
        O,
        400,
        r#"{"code":"password_strength_error","message":"Password does not meet strength requirements.","errors":[{"code":"password_too_weak","message":"Password is too weak."}]}"#,
    ),
    Answer::json(
        "51-errors",
        O,
        400,
        r#"{"message":"Validation failed.","errors":[{"code":"invalid","field":"name"}]}"#,
    ),
];
