use std::fmt;

use url::Url;

use crate::{
    config::{
        Config,
        finding::{Finding, edges},
        origin_mistakes,
        quoter::Quoter,
        setting::Setting,
        urls::is_loopback,
    },
    cookie_password::CookiePassword,
    secret::Secret,
};

/// A setting that works but is probably a mistake.
///
/// Logged once for each [`Authenticator`](crate::Authenticator); [`Settings::warnings`](crate::Settings::warnings)
/// lists them. Displayed as one line that shows no secret.
#[derive(Clone, Debug, Eq, PartialEq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "a program that explains each has to learn of a new one"
)]
pub enum ConfigWarning {
    /// The client id does not start with `client_`.
    ClientId(Finding),
    /// The API key does not start with `sk_`.
    ApiKey(Finding),
    /// Browsers come back to a plain http address that is not on their own machine: cookies go unencrypted.
    PlainHttp(Finding),
    /// Browsers come back to this machine by https, where hardly a service speaks it.
    LocalHttps(Finding),
    /// A cookie password is easy to guess.
    WeakPassword(Finding),
    /// A cookie password has quotes or white space around it, which count as part of it.
    PasswordSpelling(Finding),
    /// An accepted issuer is not a URL, or the list of issuers is empty.
    Issuer(Finding),
    /// An origin's wildcard covers hosts that strangers choose.
    SharedHosts(Finding),
}

impl ConfigWarning {
    /// Which setting, what was found, and what to write.
    pub fn finding(&self) -> &Finding {
        match self {
            Self::ClientId(finding)
            | Self::ApiKey(finding)
            | Self::PlainHttp(finding)
            | Self::LocalHttps(finding)
            | Self::WeakPassword(finding)
            | Self::PasswordSpelling(finding)
            | Self::Issuer(finding)
            | Self::SharedHosts(finding) => finding,
        }
    }

    /// The warning about an API key, if there is one.
    pub(crate) fn of_api_key(key: &Secret) -> Option<Self> {
        (!key.expose().starts_with("sk_")).then(|| {
            Self::ApiKey(Finding::new(
                Setting::ApiKey,
                "does not start with `sk_`",
                "write an API key of the WorkOS dashboard",
            ))
        })
    }

    /// Every warning about `config`, which has no mistakes.
    pub(super) fn all(config: &Config, redirect_uri: &Url) -> Vec<Self> {
        let quoter = Quoter::new(config);
        let mut warnings = Vec::new();
        if !config.client_id.starts_with("client_") {
            warnings.push(Self::ClientId(Finding::new(
                Setting::ClientId,
                format!(
                    "is {}, which does not start with `client_`",
                    quoter.quote(&config.client_id)
                ),
                "write the client id of the WorkOS dashboard",
            )));
        }
        warnings.extend(Self::of_api_key(&config.api_key));
        if redirect_uri.scheme() == "http" && !is_loopback(redirect_uri) {
            warnings.push(Self::PlainHttp(Finding::new(
                Setting::RedirectUri,
                format!(
                    "is {}, so that session cookies cross the network unencrypted",
                    quoter.quote(redirect_uri.as_str())
                ),
                "write the `https://` URL that browsers use, also where a proxy in front of the service ends TLS",
            )));
        }
        if redirect_uri.scheme() == "https" && is_loopback(redirect_uri) {
            warnings.push(Self::LocalHttps(Finding::new(
                Setting::RedirectUri,
                format!(
                    "is {}, and a service on axum, hyper or tonic alone speaks plain http",
                    quoter.quote(redirect_uri.as_str())
                ),
                "write the `http://` URL, unless a proxy on this machine ends TLS",
            )));
        }
        warnings.extend(origin_mistakes::warnings(config));
        warnings.extend(password(Setting::CookiePassword, "", &config.password));
        for (n, other) in config.other_passwords.iter().enumerate() {
            let which = format!("number {} of them ", n + 1);
            warnings.extend(password(Setting::OtherPasswords, &which, other));
        }
        let issuers = config.issuers.as_deref();
        if issuers.is_some_and(<[_]>::is_empty) {
            warnings.push(Self::Issuer(Finding::new(
                Setting::Issuers,
                "names no issuer, so that no access token is accepted",
                "name the issuer of your access tokens, or leave the setting out",
            )));
        }
        for issuer in issuers.unwrap_or_default().iter().filter(|issuer| !issuer.contains("://")) {
            warnings.push(Self::Issuer(Finding::new(
                Setting::Issuers,
                format!("names {}, which is no URL", quoter.quote(issuer)),
                "write it exactly as the `iss` claim of your access tokens",
            )));
        }
        warnings
    }
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.finding().fmt(f)
    }
}

/// The warning about a password that is long enough. `which` distinguishes it from others of the setting.
fn password(setting: Setting, which: &str, password: &CookiePassword) -> Option<ConfigWarning> {
    if let Some((found, wants)) = edges(password.expose()) {
        let finding = Finding::new(setting, format!("{which}{found}"), wants);
        return Some(ConfigWarning::PasswordSpelling(finding));
    }
    weakness(password.expose()).map(|weakness| {
        ConfigWarning::WeakPassword(Finding::new(
            setting,
            format!("{which}{weakness}, so that it is easy to guess"),
            "write one that `openssl rand -base64 32` made, and the old one into WORKOS_COOKIE_PASSWORD_OTHERS",
        ))
    })
}

/// The reason to call a password weak. Fewer than one in a million passwords that `openssl rand` makes, in base64 or in
/// hexadecimal digits, break one of these rules.
fn weakness(password: &str) -> Option<&'static str> {
    let bytes = password.as_bytes();
    let mut distinct = bytes.to_vec();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 8 {
        return Some("has few different characters");
    }
    if (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]) {
        return Some("repeats itself");
    }
    let neighbours = bytes.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 1).count();
    if neighbours > bytes.len() / 2 {
        return Some("has most characters in a row, as on a keyboard or in the alphabet");
    }
    let lower = password.to_ascii_lowercase();
    PLACEHOLDERS
        .iter()
        .any(|word| lower.contains(word))
        .then_some("has a word in it that stands for a password still to be chosen")
}

const PLACEHOLDERS: [&str; 7] =
    ["changeme", "change-me", "change_me", "placeholder", "example", "your-", "your_"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_weak_where_no_random_one_looks_like_it() {
        let cases = [
            ("base64", "v0RAnCHm6QTHGrCBBeqiJxWURBoavNMLO0ZUTmNlX8g=", None),
            (
                "hexadecimal",
                "3f1c9a0be75d24680f9ac3b1d2e7584a6b90cd137ef2a4586c1d09be3f7a2458",
                None,
            ),
            ("a sentence", "correct horse battery staple, thirty-two", None),
            (
                "one character",
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                Some("has few different characters"),
            ),
            ("twice the same", "0123456789abcdef0123456789abcdef", Some("repeats itself")),
            ("a word over and over", "s3cr3t-pass!s3cr3t-pass!s3cr3t-p", Some("repeats itself")),
            (
                "the alphabet",
                "abcdefghijklmnopqrstuvwxyz0123456789",
                Some("has most characters in a row, as on a keyboard or in the alphabet"),
            ),
            (
                "a template's",
                "Your_secure_password_of_32_characters",
                Some("has a word in it that stands for a password still to be chosen"),
            ),
        ];
        for (name, password, expected) in cases {
            assert_eq!(weakness(password), expected, "{name}");
        }
    }
}
