//! Reads the configuration from environment variables.

use std::{env::VarError, time::Duration};

use crate::{
    config::{
        Config,
        mistakes::{self, API_KEY, CLIENT_ID, PASSWORD, REDIRECT_URI},
        quoter::Quoter,
        secret_file,
        setting::Setting,
        settings,
        urls::is_loopback_host,
    },
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::SameSite,
    cookie_password::CookiePassword,
};

/// Reads the configuration from wherever `lookup` finds the variables.
pub(super) fn read(
    lookup: impl Fn(&str) -> Result<String, VarError>,
) -> Result<Config, ConfigError> {
    let mut vars = Vars { lookup, problems: Vec::new() };
    // A valid stand-in replaces a missing required value, so that the other problems are found as well.
    let client_id = vars.required(Setting::ClientId, CLIENT_ID, "client_stand_in");
    let api_key = vars.required(Setting::ApiKey, API_KEY, "sk_stand_in");
    let before = vars.problems.len();
    let redirect_uri =
        vars.required(Setting::RedirectUri, REDIRECT_URI, "https://localhost/callback");
    let has_redirect_uri = vars.problems.len() == before;
    let password = vars.password();
    let is_complete = vars.problems.is_empty();

    let mut config = Config::new(client_id, api_key, redirect_uri, password);
    config.other_passwords = vars.other_passwords();
    if vars.switch(Setting::PinnedNeighbours).unwrap_or(false) {
        config = config.with_pinned_neighbours();
    }
    if let Some(format) = vars.get(Setting::SealFormat) {
        match format.parse() {
            // Whether the stand-in password suits the format is irrelevant.
            Ok(format) if is_complete => config = config.with_seal_format(format),
            Ok(_) => {}
            Err(problem) => vars.problems.push(problem),
        }
    }
    if let Some(name) = vars.get(Setting::CookieName) {
        config = config.with_cookie_name(name);
    }
    // Whether the domain suits the stand-in redirect URI is irrelevant too.
    if let Some(domain) = vars.get(Setting::CookieDomain).filter(|_| has_redirect_uri) {
        config = config.with_cookie_domain(domain);
    }
    if let Some(origins) = vars.get(Setting::Origins).filter(|_| has_redirect_uri) {
        config = config.with_origins(list(&origins, &[',']));
    }
    if let Some(origins) = vars.get(Setting::ReturnOrigins) {
        config = config.with_return_origins(list(&origins, &[',']));
    }
    if let Some(path) = vars.get(Setting::BasePath).filter(|_| has_redirect_uri) {
        config = config.with_base_path(path);
    }
    if let Some(age) = vars.get(Setting::CookieMaxAge) {
        match age.parse() {
            Ok(seconds) => config = config.with_cookie_max_age(Duration::from_secs(seconds)),
            Err(_) => vars.invalid(
                Setting::CookieMaxAge,
                &age,
                "is no whole number",
                "write seconds, such as 34560000 for 400 days",
            ),
        }
    }
    if let Some(word) = vars.get(Setting::SameSite) {
        match word.to_ascii_lowercase().as_str() {
            "lax" => {}
            "none" => config = config.with_same_site(SameSite::None),
            "partitioned" => config = config.with_same_site(SameSite::Partitioned),
            "strict" => vars.invalid(
                Setting::SameSite,
                &word,
                "keeps browsers from sending the cookie on the way back from signing in",
                "write `lax`, `none` or `partitioned`",
            ),
            _ => vars.invalid(
                Setting::SameSite,
                &word,
                "is no value of this attribute",
                "write `lax`, `none` or `partitioned`",
            ),
        }
    }
    if let Some(issuers) = vars.get(Setting::Issuers) {
        let issuers: Vec<_> = list(&issuers, &[',']).collect();
        if issuers.is_empty() {
            vars.problems.push(ConfigProblem::invalid(
                Setting::Issuers,
                "names no issuer",
                "name the issuer of your access tokens, or leave the variable out",
            ));
        } else {
            config = config.with_issuers(issuers);
        }
    }
    if let Some(url) = vars.base_url() {
        config = config.with_base_url(url);
    }
    if let Some(url) = vars.get(Setting::AuthorizeBaseUrl) {
        config = config.with_authorize_base_url(url);
    }

    let mut problems = vars.problems;
    problems.extend(
        settings::check(config.clone()).err().into_iter().flat_map(ConfigError::into_problems),
    );
    ConfigError::check(problems)?;
    Ok(config)
}

/// The value of a variable.
enum VariableValue {
    Given(String),
    /// It is not set, or empty.
    Absent,
    /// It cannot be read, which was already reported.
    Unreadable,
}

struct Vars<F> {
    lookup: F,
    problems: Vec<ConfigProblem>,
}

impl<F: Fn(&str) -> Result<String, VarError>> Vars<F> {
    fn value(&mut self, setting: Setting, variable: &str) -> VariableValue {
        match (self.lookup)(variable) {
            Ok(value) if !value.is_empty() => VariableValue::Given(value),
            Ok(_) | Err(VarError::NotPresent) => VariableValue::Absent,
            Err(VarError::NotUnicode(_)) => {
                let found = format!("cannot be read: {variable} is not UTF-8");
                self.problems.push(ConfigProblem::invalid(setting, found, "write it as UTF-8"));
                VariableValue::Unreadable
            }
        }
    }

    /// The value of a setting, from its variable or, for a secret, from the file that the `_FILE` variable names.
    fn read(&mut self, setting: Setting) -> VariableValue {
        let variable = setting.variable().expect("only settings that have one are read");
        let value = self.value(setting, variable);
        if !setting.is_secret() {
            return value;
        }
        let file_variable = format!("{variable}_FILE");
        match (value, self.value(setting, &file_variable)) {
            (value, VariableValue::Absent) => value,
            (VariableValue::Absent, VariableValue::Given(path)) => match secret_file::read(&path) {
                Ok(secret) => VariableValue::Given(secret),
                Err(reason) => {
                    let found = format!(
                        "cannot be read from the file {} of {file_variable}: {reason}",
                        secret_file::quote(&path)
                    );
                    self.problems.push(ConfigProblem::invalid(
                        setting,
                        found,
                        "name a file that holds the value alone and that this process may read",
                    ));
                    VariableValue::Unreadable
                }
            },
            (VariableValue::Given(_), VariableValue::Given(_)) => {
                let found = format!("is set, and so is {file_variable}");
                self.problems.push(ConfigProblem::invalid(setting, found, "set one of the two"));
                VariableValue::Unreadable
            }
            (VariableValue::Unreadable, _) | (_, VariableValue::Unreadable) => {
                VariableValue::Unreadable
            }
        }
    }

    fn get(&mut self, setting: Setting) -> Option<String> {
        match self.read(setting) {
            VariableValue::Given(value) => Some(value),
            VariableValue::Absent | VariableValue::Unreadable => None,
        }
    }

    fn required(&mut self, setting: Setting, wants: &'static str, stand_in: &str) -> String {
        match self.read(setting) {
            VariableValue::Given(value) => return value,
            VariableValue::Absent => self.problems.push(mistakes::missing(setting, wants)),
            VariableValue::Unreadable => {}
        }
        stand_in.to_owned()
    }

    fn password(&mut self) -> CookiePassword {
        let stand_in = "0123456789abcdef".repeat(4);
        let password = self.required(Setting::CookiePassword, PASSWORD, &stand_in);
        CookiePassword::new(password).unwrap_or_else(|error| {
            self.problems.extend(error.into_problems());
            CookiePassword::new(stand_in).expect("64 bytes are long enough")
        })
    }

    fn other_passwords(&mut self) -> Vec<CookiePassword> {
        let Some(others) = self.get(Setting::OtherPasswords) else { return Vec::new() };
        let mut passwords = Vec::new();
        for (n, other) in list(&others, &[',', '\n']).enumerate() {
            match CookiePassword::new(other) {
                Ok(password) => passwords.push(password),
                Err(_) => self.problems.push(ConfigProblem::invalid(
                    Setting::OtherPasswords,
                    format!("number {} of them has {} bytes", n + 1, other.len()),
                    "write passwords of at least 32 bytes, separated by commas",
                )),
            }
        }
        passwords
    }

    fn switch(&mut self, setting: Setting) -> Option<bool> {
        let word = self.get(setting)?;
        match word.to_ascii_lowercase().as_str() {
            "false" | "0" => Some(false),
            "true" | "1" => Some(true),
            _ => {
                self.invalid(setting, &word, "is neither yes nor no", "write `true` or `false`");
                None
            }
        }
    }

    /// Reports a word that is wrong, and shows it.
    fn invalid(&mut self, setting: Setting, word: &str, mistake: &str, wants: &'static str) {
        let word = Quoter::default().quote(word);
        self.problems.push(ConfigProblem::invalid(
            setting,
            format!("is {word}, which {mistake}"),
            wants,
        ));
    }

    /// The base URL, given whole or in the parts that the JavaScript libraries use.
    fn base_url(&mut self) -> Option<String> {
        if let Some(url) = self.get(Setting::BaseUrl) {
            return Some(url);
        }
        let (host, port) = (self.get(Setting::ApiHostname), self.get(Setting::ApiPort));
        let https = self.switch(Setting::ApiHttps);
        if host.is_none() && port.is_none() && https.is_none() {
            return None;
        }
        let host = host.unwrap_or_else(|| "api.workos.com".to_owned());
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.[:]".contains(&byte);
        let has_port = !host.starts_with('[') && host.contains(':');
        if has_port || !host.bytes().all(is_name) {
            let wants = "write the host without scheme, port and path, such as `api.workos.com`";
            self.invalid(Setting::ApiHostname, &host, "is no bare host name", wants);
            return None;
        }
        let port = match port.map(|port| port.parse::<u16>().map_err(|_| port)) {
            None => String::new(),
            Some(Ok(port)) => format!(":{port}"),
            Some(Err(port)) => {
                let wants = "write a number, such as 443";
                self.invalid(Setting::ApiPort, &port, "is no port", wants);
                return None;
            }
        };
        if https.unwrap_or(true) {
            return Some(format!("https://{host}{port}"));
        }
        if !is_loopback_host(&host) {
            let found = format!(
                "is `false`, and the API key would go unencrypted to {}",
                Quoter::default().quote(&host)
            );
            self.problems.push(ConfigProblem::invalid(
                Setting::ApiHttps,
                found,
                "write `true`; plain http is for loopback addresses",
            ));
            return None;
        }
        Some(format!("http://{host}{port}"))
    }
}

/// The parts between separators, trimmed, without empty ones.
fn list<'v>(value: &'v str, separators: &'v [char]) -> impl Iterator<Item = &'v str> {
    value.split(separators).map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;
    use crate::{
        seal::SealFormat,
        testing::{in_child, is_child},
    };

    /// A configuration by these variables, and the required ones.
    fn configured(vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let required = [
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_API_KEY", "sk_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
            ("WORKOS_COOKIE_PASSWORD", "0123456789abcdef0123456789abcdef"),
        ];
        let find = |name: &str| vars.iter().chain(&required).find(|(known, _)| *known == name);
        Config::from_vars(|name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    fn problems(vars: &[(&str, &str)]) -> Vec<ConfigProblem> {
        configured(vars).err().map(ConfigError::into_problems).unwrap_or_default()
    }

    #[test]
    fn every_variable_is_read() {
        let vars = [
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_API_KEY", "sk_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/app/callback"),
            ("WORKOS_ORIGINS", "https://b.example.com, https://*.preview.example.com,"),
            ("WORKOS_RETURN_ORIGINS", "https://spa.example.org"),
            ("WORKOS_BASE_PATH", "/app"),
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
        assert_eq!(config.origins, ["https://b.example.com", "https://*.preview.example.com"]);
        assert_eq!(config.return_origins, ["https://spa.example.org"]);
        assert_eq!(config.base_path, "/app");
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
    fn the_variables_of_the_process_are_read() {
        if is_child() {
            let expected = env::var("AUTHKIT_TEST_EXPECTED").unwrap();
            match Config::from_env() {
                Ok(config) => assert_eq!(config.client_id, expected),
                Err(error) => assert_eq!(error.problems().len().to_string(), expected, "{error}"),
            }
            return;
        }
        let all = [
            ("AUTHKIT_TEST_EXPECTED", "client_1"),
            ("WORKOS_CLIENT_ID", "client_1"),
            ("WORKOS_API_KEY", "sk_1"),
            ("WORKOS_REDIRECT_URI", "https://app.example.com/callback"),
            ("WORKOS_COOKIE_PASSWORD", "0123456789abcdef0123456789abcdef"),
        ];
        let some = [("AUTHKIT_TEST_EXPECTED", "3"), ("WORKOS_CLIENT_ID", "client_1")];
        for variables in [&all[..], &some[..]] {
            in_child(module_path!(), "the_variables_of_the_process_are_read", variables);
        }
    }

    #[test]
    fn each_wrong_word_is_named_and_an_empty_one_is_not_set() {
        let cases: [(&str, &str, Option<&str>); 11] = [
            (
                "WORKOS_COOKIE_PASSWORD_OTHERS",
                "0123456789abcdef0123456789abcdef,short",
                Some("number 2 of them has 5 bytes"),
            ),
            ("WORKOS_COOKIE_PASSWORD_OTHERS", " , ", None),
            ("WORKOS_SEAL_FORMAT", "java", Some("is `java`, which is no format")),
            ("WORKOS_SEAL_FORMAT", "node ", Some("is `node `, which is no format")),
            ("WORKOS_SEAL_FORMAT", "", None),
            ("WORKOS_COOKIE_MAX_AGE", "a week", Some("is `a week`, which is no whole number")),
            ("WORKOS_COOKIE_SAMESITE", "strict", Some("keeps browsers from sending the cookie")),
            ("WORKOS_COOKIE_SAMESITE", "strong", Some("is `strong`, which is no value")),
            ("WORKOS_COOKIE_SAMESITE", "LAX", None),
            ("WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS", "maybe", Some("neither yes nor no")),
            ("WORKOS_API_KEY", "", Some("is not set")),
        ];
        for (name, value, expected) in cases {
            let found = problems(&[(name, value)]);
            let texts: Vec<_> = found.iter().map(ToString::to_string).collect();
            assert_eq!(texts.len(), usize::from(expected.is_some()), "{name}={value}: {texts:?}");
            for (text, expected) in texts.iter().zip(expected) {
                assert!(
                    text.starts_with(name) && text.contains(expected),
                    "{name}={value}: {text}"
                );
            }
        }
    }

    #[test]
    fn a_variable_that_is_not_utf_8_is_not_taken_for_a_missing_one() {
        for variable in ["WORKOS_CLIENT_ID", "WORKOS_API_KEY", "WORKOS_API_KEY_FILE"] {
            let error = read(|name| match name {
                _ if name == variable => Err(VarError::NotUnicode("x".into())),
                _ => Err(VarError::NotPresent),
            });
            let error = error.unwrap_err();
            let found = format!("cannot be read: {variable} is not UTF-8");
            let is_said = |problem: &ConfigProblem| problem.finding().found() == found;
            assert_eq!(error.problems().iter().filter(|it| is_said(it)).count(), 1, "{error}");
            assert_eq!(error.problems().len(), 4, "{error}");
        }
    }

    #[test]
    fn the_base_url_is_put_together_from_its_parts() {
        let (host, port, https) = ("WORKOS_API_HOSTNAME", "WORKOS_API_PORT", "WORKOS_API_HTTPS");
        let cases: [(&[(&str, &str)], &str); 6] = [
            (&[], "https://api.workos.com"),
            (&[(host, "api.example.com")], "https://api.example.com"),
            (&[(port, "8443")], "https://api.workos.com:8443"),
            (&[(host, "api.example.com"), (port, "8443")], "https://api.example.com:8443"),
            (&[(host, "api.example.com"), (https, "true")], "https://api.example.com"),
            (&[(host, "127.0.0.1"), (port, "4100"), (https, "false")], "http://127.0.0.1:4100"),
        ];
        for (vars, expected) in cases {
            assert_eq!(configured(vars).unwrap().base_url, expected, "{vars:?}");
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

    #[test]
    fn what_stands_in_for_a_missing_variable_is_blamed_for_nothing() {
        let error = Config::from_vars(|name| match name {
            "WORKOS_SEAL_FORMAT" => Some("ruby6".to_owned()),
            "WORKOS_COOKIE_DOMAIN" => Some("example.com".to_owned()),
            _ => None,
        });
        assert_eq!(error.unwrap_err().problems().len(), 4, "the required variables alone");
    }
}
