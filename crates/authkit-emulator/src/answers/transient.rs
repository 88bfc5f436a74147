//! Transient answers of `authenticate`, and the ways to give none: rows 52 to 58.

use super::{Answer, C, Content, O, R, RC, RCO};

pub(super) const ROWS: &[Answer] = &[
    Answer::json("52", RCO, 408, r#"{"error":"Request timeout"}"#),
    Answer::json(
        "53",
        RCO,
        429,
        r#"{"error":"too_many_requests","error_description":"Too many requests."}"#,
    ),
    Answer::json(
        "54",
        O,
        429,
        r#"{"code":"daily_quota_exceeded","message":"The daily quota has been exceeded."}"#,
    ),
    Answer::json("55", RCO, 500, r#"{"code":"server_error","message":"Internal Server Error"}"#),
    Answer::new(
        "55-502",
        RCO,
        Content::Text(502, "text/html", "<html><head><title>502 Bad Gateway</title></head></html>"),
    ),
    Answer::json("55-503", RCO, 503, r#"{"message":"Service Unavailable"}"#),
    Answer::new("55-504", RCO, Content::Text(504, "text/plain", "")),
    Answer::new("56", RCO, Content::ResetBefore),
    Answer::new("56-after", RCO, Content::ResetAfter),
    Answer::new("56-swallow", RCO, Content::Swallow),
    Answer::new("57a", RC, Content::Without("access_token")),
    Answer::new("57b", RC, Content::Without("refresh_token")),
    Answer::json("58", RCO, 400, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
    Answer::json(
        "58-error",
        RCO,
        400,
        r#"{"error":"an_error_of_tomorrow","error_description":"Something new."}"#,
    ),
    Answer::json("58-401", R, 401, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
    Answer::json("58-403", R, 403, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
    Answer::json("58-404", R, 404, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
    Answer::json("58-409", R, 409, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
    Answer::json("58-422", C, 422, r#"{"code":"a_code_of_tomorrow","message":"Something new."}"#),
];
