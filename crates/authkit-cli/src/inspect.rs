//! `authkit inspect`: shows the content of a session cookie. Nothing in it is verified.

use std::{
    fmt::Write,
    io::{self, Read},
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use authkit_session::{CookiePassword, SealError, inspect::Inspected};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use crate::{
    Output,
    arguments::{Form, InspectOptions, Tokens},
    variables,
};

#[allow(clippy::needless_pass_by_value, reason = "the options are used up")]
pub(crate) fn run(options: InspectOptions) -> Result<Output, String> {
    variables::load(options.env_file.as_deref())?;
    let passwords = variables::passwords()?;
    let mut input = String::new();
    let read = io::stdin().take(MOST).read_to_string(&mut input);
    read.map_err(|_| "the standard input is not UTF-8 text".to_owned())?;
    let name = variables::value("WORKOS_COOKIE_NAME").unwrap_or_else(|| "wos_session".to_owned());
    let sealed = sealed_value(&input, &name)?;

    let (variables, ring): (Vec<_>, Vec<CookiePassword>) = passwords.into_iter().unzip();
    let opened = match Inspected::open(&sealed, &ring) {
        Ok(opened) => opened,
        Err(error) => {
            let text = format!("The cookie cannot be opened: {error}.\n{}\n", advice(error));
            let text = match options.form {
                Form::Text => text,
                Form::Json => format!("{}\n", json!({ "error": error.to_string() })),
            };
            return Ok(Output { text, code: ExitCode::FAILURE });
        }
    };
    let found = describe(&opened, variables[opened.password()], options.tokens);
    let text = match options.form {
        Form::Json => format!("{:#}\n", Value::Object(found)),
        Form::Text => as_text(&found),
    };
    Ok(Output::good(text))
}

/// The sealed value in the pasted text: the value itself, a `Cookie` or `Set-Cookie` header, or its parts.
fn sealed_value(input: &str, name: &str) -> Result<String, String> {
    let input = input.trim();
    let header = ["cookie:", "set-cookie:"].into_iter().find_map(|field| {
        let (start, rest) = input.split_at_checked(field.len())?;
        start.eq_ignore_ascii_case(field).then_some(rest)
    });
    let pairs = || header.unwrap_or(input).split(['\n', ';']).map(str::trim);
    let value = |wanted: &str| {
        pairs()
            .find_map(|pair| Some(pair.strip_prefix(wanted)?.strip_prefix('=')?.trim_matches('"')))
    };
    if let Some(sealed) = value(name) {
        return Ok(sealed.to_owned());
    }
    if let Some(first) = value(&format!("{name}.0")) {
        // The first part begins with the number of parts.
        let (count, start) =
            first.split_once('.').ok_or("the first part of the cookie is damaged")?;
        let count: usize = count.parse().map_err(|_| "the first part of the cookie is damaged")?;
        let mut sealed = start.to_owned();
        for n in 1..count.min(10) {
            let part = value(&format!("{name}.{n}"));
            sealed.push_str(
                part.ok_or_else(|| format!("the part {name}.{n} of the cookie is missing"))?,
            );
        }
        return Ok(sealed);
    }
    if input.is_empty() {
        return Err("pipe the cookie into it: `pbpaste | authkit inspect`".to_owned());
    }
    if header.is_some() {
        return Err(format!(
            "the header has no cookie named {name}; WORKOS_COOKIE_NAME names another one"
        ));
    }
    Ok(input.trim_matches('"').to_owned())
}

fn advice(error: SealError) -> &'static str {
    match error {
        SealError::Malformed => {
            "Copy the whole value of the session cookie; it is in no format that a WorkOS SDK writes."
        }
        SealError::Tampered => {
            "Use the password of the service that set the cookie: WORKOS_COOKIE_PASSWORD, or an older one in \
             WORKOS_COOKIE_PASSWORD_OTHERS. Copy the value whole."
        }
        SealError::Expired => {
            "It was sealed with an end of its own, as older JavaScript libraries do; sign in again."
        }
        SealError::UnsuitablePasswords => {
            "The format of this cookie wants another kind of password: see docs/formats.md."
        }
        _ => "Try again with this cookie alone.",
    }
}

fn describe(opened: &Inspected, variable: &str, tokens: Tokens) -> Map<String, Value> {
    let mut found = Map::new();
    found.insert("format".to_owned(), opened.format().into());
    found.insert("opened_with".to_owned(), variable.into());
    let Ok(Value::Object(payload)) = serde_json::from_slice(opened.plaintext()) else {
        found.insert("session".to_owned(), "none: what was sealed is no JSON object".into());
        return found;
    };
    let field = |snake: &str, camel: &str| payload.get(snake).or_else(|| payload.get(camel));
    let text = |snake: &str, camel: &str| {
        field(snake, camel).and_then(Value::as_str).filter(|text| !text.is_empty())
    };
    let members: Vec<Value> = payload.keys().map(|name| Value::from(name.as_str())).collect();
    found.insert("members".to_owned(), members.into());
    let access_token = text("access_token", "accessToken");
    let refresh_token = text("refresh_token", "refreshToken");
    found.insert("has_refresh_token".to_owned(), refresh_token.is_some().into());
    match access_token.and_then(claims) {
        Some(claims) => {
            for (name, claim) in
                [("user_id", "sub"), ("session_id", "sid"), ("organization_id", "org_id")]
            {
                found.insert(name.to_owned(), claims.get(claim).cloned().unwrap_or_default());
            }
            for (name, claim) in [("issued", "iat"), ("expires", "exp")] {
                found.insert(name.to_owned(), claims.get(claim).map_or(Value::Null, when));
            }
            found.insert("claims".to_owned(), Value::Object(claims));
        }
        None if access_token.is_some() => {
            found.insert("claims".to_owned(), "none: the access token is no JWT".into());
        }
        None => {
            found.insert("session".to_owned(), "none: there is no access token".into());
        }
    }
    if tokens == Tokens::Shown {
        found.insert("access_token".to_owned(), access_token.into());
        found.insert("refresh_token".to_owned(), refresh_token.into());
    }
    found
}

/// The claims of a JWT whose signature was not checked.
fn claims(token: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// A claim's time as a date, and how far away it is.
fn when(claim: &Value) -> Value {
    let Some(seconds) = claim.as_u64() else { return claim.clone() };
    let latest = Duration::from_secs(253_402_300_799);
    let time = UNIX_EPOCH + Duration::from_secs(seconds).min(latest);
    let date = httpdate::fmt_http_date(time);
    let now = SystemTime::now();
    match (time.duration_since(now), now.duration_since(time)) {
        (Ok(ahead), _) => format!("{date} (in {} s)", ahead.as_secs()).into(),
        (_, Ok(ago)) => format!("{date} ({} s ago)", ago.as_secs()).into(),
        (Err(_), Err(_)) => date.into(),
    }
}

fn as_text(found: &Map<String, Value>) -> String {
    let mut text = String::from("Nothing of this was verified.\n\n");
    for (name, value) in found.iter().filter(|(name, _)| *name != "claims") {
        let name = name.replace('_', " ");
        let value = match value {
            Value::String(value) => value.clone(),
            Value::Null => "-".to_owned(),
            Value::Array(values) => {
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name:<18} {}", value.escape_debug());
    }
    if let Some(claims) = found.get("claims") {
        let _ = writeln!(text, "claims             {claims:#}");
    }
    text
}

/// Far longer than any cookie.
const MOST: u64 = 64 * 1024;
