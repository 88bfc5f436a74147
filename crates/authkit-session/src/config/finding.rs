use std::{borrow::Cow, fmt};

use crate::{
    config::{Config, setting::Setting},
    cookie_password::CookiePassword,
};

/// Something about one setting that is wrong or looks wrong: which setting, what was found, and what to write instead.
///
/// Displayed as one line. It never shows a secret: of a secret setting it tells the shape, such as "starts with a quote".
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    setting: Setting,
    found: Cow<'static, str>,
    wants: Cow<'static, str>,
}

impl Finding {
    pub(crate) fn new(
        setting: Setting,
        found: impl Into<Cow<'static, str>>,
        wants: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { setting, found: found.into(), wants: wants.into() }
    }

    /// The setting.
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// What was found, as the rest of a sentence that begins with the setting: "is `ftp://x`, which ...".
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What to do, as an instruction: "write ...".
    pub fn wants(&self) -> &str {
        &self.wants
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.setting, self.found, self.wants)
    }
}

/// Quotes values of settings in messages, but none that is or may be a secret: a secret in the wrong variable is a
/// mistake that messages are made for.
#[derive(Default)]
pub(crate) struct Quoter<'c> {
    secrets: Vec<&'c str>,
}

impl<'c> Quoter<'c> {
    /// Knows the secrets of `config`, and shows no text that has one in it.
    pub(super) fn new(config: &'c Config) -> Self {
        let passwords = [&config.password].into_iter().chain(&config.other_passwords);
        let secrets = passwords.map(CookiePassword::expose).chain([config.api_key.expose()]);
        Self { secrets: secrets.filter(|secret| !secret.is_empty()).collect() }
    }

    /// `value` in backquotes, without what may be secret in it.
    pub(crate) fn quote(&self, value: &str) -> String {
        if value.is_empty() {
            return "empty".to_owned();
        }
        let has_secret = self.secrets.iter().any(|secret| value.contains(secret));
        let is_url = value.contains("://");
        // Cookie passwords have 32 bytes or more, and of the other settings only URLs and client ids do.
        let is_long = value.len() >= 32 && !is_url && !value.starts_with("client_");
        if has_secret || value.contains("sk_") || is_long {
            return format!("a text of {} characters, not shown here", value.chars().count());
        }
        let shown = if is_url { without_secret_parts(value) } else { value.to_owned() };
        let mut quoted: String = shown.chars().take(LONGEST).flat_map(char::escape_debug).collect();
        if shown.chars().nth(LONGEST).is_some() {
            quoted.push_str("...");
        }
        format!("`{quoted}`")
    }
}

/// A URL without user and password, and without what its query and fragment say.
fn without_secret_parts(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A password may have any character in it, so everything before the last `@` counts.
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    match rest.find(['?', '#']) {
        Some(end) => format!("{scheme}://{user}{}***", &rest[..=end]),
        None => format!("{scheme}://{user}{rest}"),
    }
}

/// What copying, quoting and line ends put around a value: `(found, wants)`, the former as the rest of a sentence.
pub(super) fn edges(value: &str) -> Option<(&'static str, &'static str)> {
    Some(match (value.chars().next()?, value.chars().next_back()?) {
        (_, '\n' | '\r') => ("ends with a line break", "write it without the line break"),
        (_, last) if last.is_whitespace() => {
            ("ends with white space", "write it without the white space")
        }
        (first, _) if first.is_whitespace() => {
            ("starts with white space", "write it without the white space")
        }
        (first, last) if QUOTES.contains(&first) && QUOTES.contains(&last) => (
            "is in quotes, which count as part of it",
            "write it without the quotes; `docker --env-file` and the like do not take them off",
        ),
        (first, _) if QUOTES.contains(&first) => {
            ("starts with a quote", "write it without the quote")
        }
        (_, last) if QUOTES.contains(&last) => ("ends with a quote", "write it without the quote"),
        _ => return None,
    })
}

/// The same, and white space, quotes and control characters within.
pub(super) fn spelling(value: &str) -> Option<(&'static str, &'static str)> {
    let within = || {
        Some(if value.contains(['\n', '\r']) {
            ("has a line break in it", "write it in one line")
        } else if value.contains(char::is_whitespace) {
            ("has white space in it", "write it without the white space")
        } else if value.contains(QUOTES) {
            ("has a quote in it", "write it without the quote")
        } else if value.contains(char::is_control) {
            ("has a control character in it", "write it without the control character")
        } else {
            return None;
        })
    };
    edges(value).or_else(within)
}

/// Says whether a character can come between a value and its reader.
pub(super) fn is_wrapping(c: char) -> bool {
    c.is_whitespace() || QUOTES.contains(&c)
}

/// Those of keyboards, and those that word processors make of them.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];

/// The longest text that is quoted, in characters.
const LONGEST: usize = 100;
