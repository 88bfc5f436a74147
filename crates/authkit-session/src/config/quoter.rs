use crate::{config::Config, cookie_password::CookiePassword};

/// Quotes values of settings in messages, except values that are or may be secrets: a secret in the wrong variable is
/// one of the mistakes that messages report.
#[derive(Default)]
pub(crate) struct Quoter<'c> {
    secrets: Vec<&'c str>,
}

impl<'c> Quoter<'c> {
    /// Hides every text that contains a secret of `config`.
    pub(super) fn new(config: &'c Config) -> Self {
        let passwords = [&config.password].into_iter().chain(&config.other_passwords);
        let secrets = passwords.map(CookiePassword::expose).chain([config.api_key.expose()]);
        Self { secrets: secrets.filter(|secret| !secret.is_empty()).collect() }
    }

    /// `value` in backquotes, or a description if it may be secret.
    pub(crate) fn quote(&self, value: &str) -> String {
        if value.is_empty() {
            return "empty".to_owned();
        }
        let has_secret = self.secrets.iter().any(|secret| value.contains(secret));
        let is_url = value.contains("://");
        // Cookie passwords have 32 bytes or more; of the other settings only URLs and client ids are as long.
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

/// The URL without user, password, query and fragment.
fn without_secret_parts(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // A password may contain any character, so everything before the last `@` is hidden.
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    match rest.find(['?', '#']) {
        Some(end) => format!("{scheme}://{user}{}***", &rest[..=end]),
        None => format!("{scheme}://{user}{rest}"),
    }
}

/// The longest text that is quoted, in characters.
const LONGEST: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_secret_is_not_quoted_and_what_is_long_is_cut() {
        let quoter = Quoter { secrets: vec!["hunter2"] };
        let hidden = |characters| format!("a text of {characters} characters, not shown here");
        let path = "a".repeat(200);
        let cases = [
            ("", "empty".to_owned()),
            ("a\nb`", "`a\\nb``".to_owned()),
            ("xhunter2x", hidden(9)),
            ("my sk_test_1", hidden(12)),
            (&path, hidden(200)),
            (&path[..32], hidden(32)),
            (&path[..31], format!("`{}`", &path[..31])),
            ("https://hunter:2@a.test/b?key=3#4", "`https://***@a.test/b?***`".to_owned()),
            (&format!("https://a.test/{path}"), format!("`https://a.test/{}...`", &path[..85])),
        ];
        for (value, expected) in cases {
            assert_eq!(quoter.quote(value), expected, "{value}");
        }
    }
}
