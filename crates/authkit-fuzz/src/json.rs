//! JSON as text, so that it may contain what no JSON library writes: a member twice, a number with any spelling.

use std::collections::HashMap;

use serde_json::{Value, value::RawValue};

use crate::input::Input;

/// An object whose members have an order, and may occur twice. Each value is JSON, or an invalid attempt at it.
#[derive(Clone)]
pub(crate) struct Members(Vec<(String, String)>);

impl Members {
    pub(crate) fn new(members: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(members.into_iter().map(|(name, value)| (quoted(name), value)).collect())
    }

    /// Replaces, adds, repeats, removes or respells members, mostly those of `names`.
    pub(crate) fn edit(&mut self, input: &mut Input<'_>, names: &[&str]) {
        let Self(members) = self;
        for _ in 0..input.below(5) {
            let at = input.below(members.len());
            match input.below(6) {
                0 if !members.is_empty() => members[at].1 = value(input, 3),
                1 if !members.is_empty() => drop(members.remove(at)),
                2 if !members.is_empty() => {
                    let again = members[at].clone();
                    members.push(again);
                }
                3 if !members.is_empty() => members[at].0 = escaped(&members[at].0),
                _ => {
                    let name = quoted(&input.word(names));
                    members.insert(at.min(members.len()), (name, value(input, 3)));
                }
            }
        }
    }

    /// Replaces the value of a member, or adds it.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        let name = quoted(name);
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value));
    }

    pub(crate) fn text(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("{name}:{value}")).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// Any JSON of at most this depth, and sometimes invalid JSON.
pub(crate) fn value(input: &mut Input<'_>, depth: usize) -> String {
    match input.below(if depth == 0 { 7 } else { 10 }) {
        0 => "null".to_owned(),
        1 => input.one_of(&["true", "false", "[]", "{}", "\"\""]).to_owned(),
        2 => input.number().to_string(),
        3 => input.one_of(NUMBERS).to_owned(),
        4 => quoted(&input.text()),
        5 => quoted(input.one_of(TEXTS)),
        6 => input.text(),
        7 => {
            let values: Vec<_> = (0..input.below(4)).map(|_| value(input, depth - 1)).collect();
            format!("[{}]", values.join(","))
        }
        8 => format!("{{\"sub\":{}}}", value(input, depth - 1)),
        _ => {
            let name = quoted(&input.text());
            format!("{{{name}:{}}}", value(input, depth - 1))
        }
    }
}

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The members of an object whose values a JSON library can represent. Others, such as `1e400`, are left out.
pub(crate) fn readable_members(object: &[u8]) -> Option<Value> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(object).ok()?;
    let readable = members
        .into_iter()
        .filter_map(|(name, value)| Some((name, serde_json::from_str(value.get()).ok()?)));
    Some(Value::Object(readable.collect()))
}

/// A JSON string with its first letter escaped, which means the same.
fn escaped(quoted: &str) -> String {
    match quoted.as_bytes() {
        [b'"', first, rest @ ..] if first.is_ascii_alphanumeric() => {
            format!("\"\\u{:04x}{}", first, String::from_utf8_lossy(rest))
        }
        _ => quoted.to_owned(),
    }
}

const NUMBERS: &[&str] = &[
    "0",
    "-1",
    "1.5",
    "1e300",
    "1e400",
    "-0",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    "1E2",
    "0.1e-9",
    "4000000000.9",
    "1700000000.5",
];

const TEXTS: &[&str] = &[
    "session_1",
    "app_consent_1",
    "org_1",
    "user_1",
    "user_2",
    "admin",
    "client_fuzz",
    "client_other",
    "1800000000",
    "http://evil.example",
    "\u{0}",
    "\u{202e}",
];
