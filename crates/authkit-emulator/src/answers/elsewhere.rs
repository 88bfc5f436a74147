//! The answers of the endpoints other than `authenticate`.

use super::{Answer, Content, ELSE};
use crate::endpoint::Endpoint::{Jwks, Logout, Revoke};

pub(super) const ROWS: &[Answer] = &[
    Answer::json("revoke-400", ELSE, 400, r#"{"message":"Session not found"}"#).at(Revoke),
    Answer::json("revoke-401", ELSE, 401, r#"{"message":"Unauthorized"}"#).at(Revoke),
    Answer::json("revoke-404", ELSE, 404, r#"{"code":"not_found","message":"Session not found"}"#)
        .at(Revoke),
    Answer::json(
        "revoke-429",
        ELSE,
        429,
        r#"{"error":"too_many_requests","error_description":"Too many requests."}"#,
    )
    .at(Revoke),
    Answer::json(
        "revoke-500",
        ELSE,
        500,
        r#"{"code":"server_error","message":"Internal Server Error"}"#,
    )
    .at(Revoke),
    Answer::json("revoke-503", ELSE, 503, r#"{"message":"Service Unavailable"}"#).at(Revoke),
    Answer::json("logout-422", ELSE, 422, r#"{"message":"session_id is required"}"#).at(Logout),
    Answer::json(
        "logout-400",
        ELSE,
        400,
        r#"{"code":"invalid_redirect_uri","message":"The return_to address is not allowed."}"#,
    )
    .at(Logout),
    Answer::new(
        "logout-page",
        ELSE,
        Content::Text(200, "text/html", "<html><h1>App homepage URL is not set</h1></html>"),
    )
    .at(Logout),
    Answer::json("jwks-404", ELSE, 404, r#"{"message":"Client not found"}"#).at(Jwks),
    Answer::json(
        "jwks-429",
        ELSE,
        429,
        r#"{"error":"too_many_requests","error_description":"Too many requests."}"#,
    )
    .at(Jwks),
    Answer::json(
        "jwks-500",
        ELSE,
        500,
        r#"{"code":"server_error","message":"Internal Server Error"}"#,
    )
    .at(Jwks),
    Answer::new(
        "jwks-page",
        ELSE,
        Content::Text(200, "text/html", "<html><h1>Please sign in to the network</h1></html>"),
    )
    .at(Jwks),
    Answer::json("jwks-empty", ELSE, 200, r#"{"keys":[]}"#).at(Jwks),
];
