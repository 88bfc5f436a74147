//! The configuration from environment variables.

use std::{env, time::Duration};

use crate::{
    config::{Config, CookiePassword, SameSite},
    config_error::{ConfigError, ConfigProblem},
    settings,
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
            config.other_passwords =
                others.split(',').map(|other| vars.password(other.trim())).collect();
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
