use std::{borrow::Cow, fmt};

use crate::config::setting::Setting;

/// Something about one setting that is wrong or looks wrong: which setting, what was found, and what to write instead.
///
/// Displayed as one line. It never shows a secret: of a secret setting it describes the form, such as "starts with a
/// quote".
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

/// The characters that copying, quoting and line ends add around a value: `(found, wants)`; `found` completes a
/// sentence.
pub(super) fn edges(value: &str) -> Option<(&'static str, &'static str)> {
    Some(match (value.chars().next()?, value.chars().next_back()?) {
        (_, '\n' | '\r') => ("ends with a line break", "write it without the line break"),
        (_, last) if last.is_whitespace() => {
            ("ends with white space", "write it without the white space")
        }
        (first, _) if first.is_whitespace() => {
            ("starts with white space", "write it without the white space")
        }
        (first, last) if is_invisible(first) || is_invisible(last) => {
            ("has a character around it that no editor shows", "type it instead of pasting it")
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

/// Like [`edges`], and also finds white space, quotes and control characters inside the value.
pub(super) fn spelling(value: &str) -> Option<(&'static str, &'static str)> {
    let within = || {
        Some(if value.contains(['\n', '\r']) {
            ("has a line break in it", "write it in one line")
        } else if value.contains(char::is_whitespace) {
            ("has white space in it", "write it without the white space")
        } else if value.contains(QUOTES) {
            ("has a quote in it", "write it without the quote")
        } else if value.contains(is_invisible) {
            ("has a character in it that no editor shows", "type it instead of pasting it")
        } else if value.contains(char::is_control) {
            ("has a control character in it", "write it without the control character")
        } else {
            return None;
        })
    };
    edges(value).or_else(within)
}

/// Says whether a character may be added around a value by mistake.
pub(super) fn is_wrapping(c: char) -> bool {
    c.is_whitespace() || is_invisible(c) || QUOTES.contains(&c)
}

/// A byte order mark, a space without width, a mark of direction and the like: they come along with what is pasted.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The quotes of keyboards and of word processors.
const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
