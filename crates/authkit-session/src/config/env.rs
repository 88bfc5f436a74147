//! The configuration from environment variables.

use std::{env, time::Duration};

use crate::{
    config::{Config, settings},
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::SameSite,
    cookie_password::CookiePassword,
};

impl Config {
    /// Reads the configuration from environment variables.
    ///
    /// | variable | meaning | default |
    /// |---|---|---|
    /// | `WORKOS_CLIENT_ID`, `WORKOS_API_KEY` | from the WorkOS dashboard | required |
    /// | `WORKOS_REDIRECT_URI` | where WorkOS sends browsers back to | required |
    /// | `WORKOS_COOKIE_PASSWORD` | at least 32 bytes, `openssl rand -base64 32` | required |
    /// | `WORKOS_COOKIE_PASSWORD_OTHERS` | passwords that open too, separated by commas | none |
    /// | `WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS` | `true`: re-seal with the password that opened | `false` |
    /// | `WORKOS_SEAL_FORMAT` | `ruby`, `ruby6`, `go`, `rust`, `python`, `node` | `ruby` |
    /// | `WORKOS_COOKIE_NAME` | | `wos_session` |
    /// | `WORKOS_COOKIE_DOMAIN` | | this host only |
    /// | `WORKOS_COOKIE_MAX_AGE` | seconds | 34560000 |
    /// | `WORKOS_COOKIE_SAMESITE` | `lax` or `none` | `lax` |
    /// | `WORKOS_ISSUER` | accepted issuers, separated by commas | any |
    /// | `WORKOS_BASE_URL` | where calls go | `https://api.workos.com` |
    /// | `WORKOS_API_HOSTNAME`, `WORKOS_API_HTTPS`, `WORKOS_API_PORT` | the same in parts, as the JavaScript libraries have it | |
    /// | `WORKOS_AUTHORIZE_BASE_URL` | where browsers go | as calls |
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is missing or wrong.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| env::var(name).ok())
    }

    /// Reads the configuration from the variables of [`from_env`](Self::from_env), wherever `lookup` finds them.
    ///
    /// An empty variable counts as one that is not set.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] with everything that is missing or wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// use authkit_session::{Config, ConfigProblem};
    ///
    /// let error = Config::from_vars(|name| match name {
    ///     "WORKOS_CLIENT_ID" => Some("client_123".to_owned()),
    ///     "WORKOS_COOKIE_PASSWORD" => Some("short".to_owned()),
    ///     _ => None,
    /// })
    /// .unwrap_err();
    /// assert_eq!(
    ///     error.problems(),
    ///     [
    ///         ConfigProblem::Missing("WORKOS_API_KEY"),
    ///         ConfigProblem::Missing("WORKOS_REDIRECT_URI"),
    ///         ConfigProblem::ShortPassword,
    ///     ]
    /// );
    /// ```
    pub fn from_vars(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut vars = Vars { lookup, problems: Vec::new() };
        // Where a required one is missing, a valid one stands in, so that what else is wrong is found as well.
        let client_id = vars.required("WORKOS_CLIENT_ID", "client_id");
        let api_key = vars.required("WORKOS_API_KEY", "key");
        let redirect_uri = vars.required("WORKOS_REDIRECT_URI", "https://localhost/callback");
        let stand_in = "0123456789abcdef".repeat(4);
        let password = vars.required("WORKOS_COOKIE_PASSWORD", &stand_in);
        let password = vars.password(&password);
        let complete = vars.problems.is_empty();

        let mut config = Self::new(client_id, api_key, redirect_uri, password);
        if let Some(others) = vars.get("WORKOS_COOKIE_PASSWORD_OTHERS") {
            let others = others.split(',').map(str::trim).filter(|other| !other.is_empty());
            let others: Result<_, _> = others.map(CookiePassword::new).collect();
            config.other_passwords = others.unwrap_or_else(|_| {
                vars.invalid(
                    "WORKOS_COOKIE_PASSWORD_OTHERS",
                    "passwords of at least 32 bytes, separated by commas",
                );
                Vec::new()
            });
        }
        if vars.switch("WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS") {
            config = config.with_pinned_neighbours();
        }
        if let Some(format) = vars.get("WORKOS_SEAL_FORMAT") {
            match format.parse() {
                // Whether the stand-in password suits the format says nothing.
                Ok(format) if complete => config = config.with_seal_format(format),
                Ok(_) => {}
                Err(_) => {
                    vars.invalid("WORKOS_SEAL_FORMAT", "one of ruby, ruby6, go, rust, python, node")
                }
            }
        }
        if let Some(name) = vars.get("WORKOS_COOKIE_NAME") {
            config = config.with_cookie_name(name);
        }
        if let Some(domain) = vars.get("WORKOS_COOKIE_DOMAIN") {
            config = config.with_cookie_domain(domain);
        }
        if let Some(age) = vars.get("WORKOS_COOKIE_MAX_AGE") {
            match age.parse() {
                Ok(seconds) => config = config.with_cookie_max_age(Duration::from_secs(seconds)),
                Err(_) => vars.invalid("WORKOS_COOKIE_MAX_AGE", "a whole number of seconds"),
            }
        }
        match vars.get("WORKOS_COOKIE_SAMESITE").map(|word| word.to_ascii_lowercase()).as_deref() {
            None | Some("lax") => {}
            Some("none") => config = config.with_same_site(SameSite::None),
            Some("strict") => vars.invalid(
                "WORKOS_COOKIE_SAMESITE",
                "`lax` or `none`: with `strict`, browsers do not send the cookie on the way back from signing in",
            ),
            Some(_) => vars.invalid("WORKOS_COOKIE_SAMESITE", "`lax` or `none`"),
        }
        if let Some(issuers) = vars.get("WORKOS_ISSUER") {
            config = config.with_issuers(
                issuers.split(',').map(str::trim).filter(|issuer| !issuer.is_empty()),
            );
        }
        if let Some(url) = vars.base_url() {
            config = config.with_base_url(url);
        }
        if let Some(url) = vars.get("WORKOS_AUTHORIZE_BASE_URL") {
            config = config.with_authorize_base_url(url);
        }

        let mut problems = vars.problems;
        problems.extend(
            settings::check(config.clone()).err().into_iter().flat_map(ConfigError::into_problems),
        );
        ConfigError::check(problems)?;
        Ok(config)
    }
}

struct Vars<F> {
    lookup: F,
    problems: Vec<ConfigProblem>,
}

impl<F: Fn(&str) -> Option<String>> Vars<F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str, stand_in: &str) -> String {
        self.get(name).unwrap_or_else(|| {
            self.problems.push(ConfigProblem::Missing(name));
            stand_in.to_owned()
        })
    }

    fn password(&mut self, password: &str) -> CookiePassword {
        CookiePassword::new(password).unwrap_or_else(|error| {
            self.problems.extend(error.into_problems());
            CookiePassword::new("0123456789abcdef".repeat(4)).expect("64 bytes are long enough")
        })
    }

    fn switch(&mut self, name: &'static str) -> bool {
        match self.get(name).map(|word| word.to_ascii_lowercase()).as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(_) => {
                self.invalid(name, "`true` or `false`");
                false
            }
        }
    }

    fn invalid(&mut self, setting: &'static str, wants: &'static str) {
        self.problems.push(ConfigProblem::invalid(setting, wants));
    }

    /// One URL, or the parts that the JavaScript libraries know.
    fn base_url(&self) -> Option<String> {
        if let Some(url) = self.get("WORKOS_BASE_URL") {
            return Some(url);
        }
        let (host, port) = (self.get("WORKOS_API_HOSTNAME"), self.get("WORKOS_API_PORT"));
        let https = self.get("WORKOS_API_HTTPS");
        if host.is_none() && port.is_none() && https.is_none() {
            return None;
        }
        let scheme = if https.is_none_or(|word| word == "true") { "https" } else { "http" };
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{scheme}://{}{port}", host.as_deref().unwrap_or("api.workos.com")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::SealFormat;

    fn problems(vars: &[(&str, &str)]) -> Vec<ConfigProblem> {
        let required = [
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_API_KEY", "sk_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
            ("WORKOS_COOKIE_PASSWORD", "0123456789abcdef0123456789abcdef"),
        ];
        let find = |name: &str| vars.iter().chain(&required).find(|(known, _)| *known == name);
        let config = Config::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()));
        config.err().map(ConfigError::into_problems).unwrap_or_default()
    }

    #[test]
    fn every_variable_is_read() {
        let vars = [
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_API_KEY", "sk_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
            ("WORKOS_COOKIE_PASSWORD", "0123456789abcdef0123456789abcdef"),
            (
                "WORKOS_COOKIE_PASSWORD_OTHERS",
                "another-password-of-32-bytes-or-more, third-password-of-32-bytes-or-more,",
            ),
            ("WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS", "true"),
            ("WORKOS_SEAL_FORMAT", "node"),
            ("WORKOS_COOKIE_NAME", "wos-session"),
            ("WORKOS_COOKIE_DOMAIN", "example.com"),
            ("WORKOS_COOKIE_MAX_AGE", "3600"),
            ("WORKOS_COOKIE_SAMESITE", "None"),
            ("WORKOS_ISSUER", "https://api.workos.com, https://auth.example.com"),
            ("WORKOS_API_HOSTNAME", "localhost"),
            ("WORKOS_API_PORT", "4100"),
            ("WORKOS_API_HTTPS", "false"),
            ("WORKOS_AUTHORIZE_BASE_URL", "https://auth.example.com"),
        ];
        let find = |name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        let config = Config::from_vars(find).unwrap();
        assert_eq!(config.other_passwords.len(), 2);
        assert_eq!(config.neighbours, crate::cookie_password::Neighbours::Pinned);
        assert_eq!(config.seal_format, SealFormat::Node);
        assert_eq!(config.cookie_name, "wos-session");
        assert_eq!(config.cookie_domain.as_deref(), Some("example.com"));
        assert_eq!(
            config.cookie_lifetime,
            crate::cookie::set_cookie::CookieLifetime::MaxAge(Duration::from_secs(3600))
        );
        assert_eq!(config.same_site, SameSite::None);
        assert_eq!(config.issuers.as_ref().map(Vec::len), Some(2));
        assert_eq!(config.base_url, "http://localhost:4100");
        assert_eq!(config.authorize_base_url.as_deref(), Some("https://auth.example.com"));
    }

    #[test]
    fn each_wrong_variable_is_named_and_an_empty_one_is_not_set() {
        let cases: [(&str, &str, Option<&str>); 11] = [
            (
                "WORKOS_COOKIE_PASSWORD_OTHERS",
                "0123456789abcdef0123456789abcdef,short",
                Some("WORKOS_COOKIE_PASSWORD_OTHERS"),
            ),
            ("WORKOS_COOKIE_PASSWORD_OTHERS", " , ", None),
            ("WORKOS_SEAL_FORMAT", "java", Some("WORKOS_SEAL_FORMAT")),
            ("WORKOS_SEAL_FORMAT", "", None),
            ("WORKOS_COOKIE_MAX_AGE", "a week", Some("WORKOS_COOKIE_MAX_AGE")),
            ("WORKOS_COOKIE_SAMESITE", "strict", Some("WORKOS_COOKIE_SAMESITE")),
            ("WORKOS_COOKIE_SAMESITE", "LAX", None),
            (
                "WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS",
                "maybe",
                Some("WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS"),
            ),
            ("WORKOS_BASE_URL", "http://workos.test", Some("WORKOS_BASE_URL")),
            ("WORKOS_API_PORT", "many", Some("WORKOS_BASE_URL")),
            ("WORKOS_API_KEY", "", Some("WORKOS_API_KEY is not set")),
        ];
        for (name, value, expected) in cases {
            let found: Vec<_> = problems(&[(name, value)])
                .iter()
                .map(|problem| match problem {
                    ConfigProblem::Invalid { setting, .. } => (*setting).to_owned(),
                    other => other.to_string(),
                })
                .collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{name}={value}");
        }
    }

    #[test]
    fn a_password_that_does_not_suit_the_format_is_reported_with_what_it_wants() {
        assert_eq!(
            problems(&[("WORKOS_SEAL_FORMAT", "rust")]),
            [ConfigProblem::PasswordForFormat {
                format: "rust",
                wants: "exactly 64 hexadecimal characters (`openssl rand -hex 32`)",
            }]
        );
    }
}
