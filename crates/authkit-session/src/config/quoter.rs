use crate::{config::Config, cookie_password::CookiePassword};

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

/// The longest text that is quoted, in characters.
const LONGEST: usize = 100;
