use std::{
    env,
    ffi::OsStr,
    fmt,
    io::{self, Write},
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use authkit_emulator::{Emulator, EmulatorBuilder};
use authkit_session::{Config, ConfigError, ConfigProblem, CookiePassword, Setting};

use crate::authkit::AuthKit;

/// Like [`AuthKit::from_env_or_emulator`], for an application with settings of its own.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use authkit_tower::dev::EnvOrEmulator;
///
/// # async fn example(listener: std::net::TcpListener) -> Result<(), Box<dyn std::error::Error>> {
/// let authkit = EnvOrEmulator::new()
///     .with_port(listener.local_addr()?.port()) // where browsers come back to an emulator's user
///     .with_config(|config| config.with_after_logout("/goodbye")) // in front of WorkOS and of an emulator
///     .start()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before `start`"]
pub struct EnvOrEmulator {
    port: Option<u16>,
    emulator_port: Option<u16>,
    token_ttl: Option<Duration>,
    greeting: Greeting,
    configure: Box<dyn FnOnce(Config) -> Config + Send>,
}

impl EnvOrEmulator {
    /// The defaults that [`AuthKit::from_env_or_emulator`] has.
    pub fn new() -> Self {
        Self {
            port: None,
            emulator_port: None,
            token_ttl: None,
            greeting: Greeting::Printed,
            configure: Box::new(|config| config),
        }
    }

    /// Sets the port that the application listens on (default: the variable `PORT`, or 3000). Browsers that signed in
    /// with an emulator come back to this port of `localhost`; with WorkOS, `WORKOS_REDIRECT_URI` says where to.
    pub fn with_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// Sets the port of the emulator (default: the variable `EMULATOR_PORT`, or 4100). If it is taken, the emulator
    /// listens on a free one.
    pub fn with_emulator_port(mut self, port: u16) -> Self {
        self.emulator_port = Some(port);
        self
    }

    /// Sets how long the emulator's access tokens live (default: the seconds of the variable `EMULATOR_TOKEN_TTL`, or
    /// 5 minutes as in production).
    pub fn with_token_ttl(mut self, ttl: Duration) -> Self {
        self.token_ttl = Some(ttl);
        self
    }

    /// Prints nothing (default: one line on standard error when an emulator was started), for an application that tells
    /// by itself where users sign in; [`AuthKit::emulator`] says so.
    pub fn without_greeting(mut self) -> Self {
        self.greeting = Greeting::Omitted;
        self
    }

    /// Changes the configuration before it is used, with WorkOS and with an emulator (default: no change). Several calls
    /// apply in order.
    pub fn with_config(mut self, change: impl FnOnce(Config) -> Config + Send + 'static) -> Self {
        let configure = self.configure;
        self.configure = Box::new(|config| change(configure(config)));
        self
    }

    /// Makes the handle, and starts the emulator if there is to be one.
    ///
    /// # Errors
    ///
    /// As [`AuthKit::from_env_or_emulator`].
    pub async fn start(self) -> Result<AuthKit, ConfigError> {
        let has_workos = env::vars_os().any(|(name, value)| is_workos(&name, &value));
        let variable = |name: &str| env::var(name).ok();
        match choose(has_workos, variable(DEV).as_deref(), Build::of_this())? {
            Counterparty::WorkOs => AuthKit::new((self.configure)(Config::from_env()?)),
            Counterparty::Emulator => {
                let is_printed = self.greeting == Greeting::Printed;
                let authkit = self.start_emulator(variable).await?;
                if is_printed {
                    // Standard error may be closed.
                    let _ = writeln!(io::stderr(), "{}", greeting(&authkit));
                }
                Ok(authkit)
            }
        }
    }

    async fn start_emulator(
        self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<AuthKit, ConfigError> {
        let mut numbers = Numbers { variable, problems: Vec::new() };
        let port = self.port.or_else(|| numbers.number(Setting::ApplicationPort)).unwrap_or(3000);
        let emulator_port =
            self.emulator_port.or_else(|| numbers.number(Setting::EmulatorPort)).unwrap_or(4100);
        let token_ttl = self
            .token_ttl
            .or_else(|| numbers.number(Setting::EmulatorTokenTtl).map(Duration::from_secs));
        ConfigError::check(numbers.problems)?;

        let builder = || {
            let builder = Emulator::builder();
            token_ttl.into_iter().fold(builder, EmulatorBuilder::token_ttl)
        };
        let started = match builder().port(emulator_port).start().await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => builder().start().await,
            other => other,
        };
        let emulator = started.map_err(|error| {
            ConfigProblem::invalid(
                Setting::EmulatorPort,
                format!("is {emulator_port}, and no emulator can listen there: {error}"),
                "choose another port, or set the WORKOS_* variables",
            )
        })?;
        let redirect_uri = format!("http://localhost:{port}/callback");
        let config = (self.configure)(config_of(&emulator, redirect_uri)?);
        AuthKit::with_emulator(config, Arc::new(emulator))
    }
}

impl Default for EnvOrEmulator {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EnvOrEmulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvOrEmulator")
            .field("port", &self.port)
            .field("emulator_port", &self.emulator_port)
            .field("token_ttl", &self.token_ttl)
            .finish_non_exhaustive()
    }
}

/// The configuration for `emulator`, and a service that it sends browsers back to at `redirect_uri`.
pub(super) fn config_of(emulator: &Emulator, redirect_uri: String) -> Result<Config, ConfigError> {
    let password = CookiePassword::new(PASSWORD)?;
    let config = Config::new(emulator.client_id(), emulator.api_key(), redirect_uri, password);
    Ok(config.with_base_url(emulator.url()).with_issuers([emulator.issuer()]))
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Greeting {
    Printed,
    Omitted,
}

/// What users sign in with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Counterparty {
    WorkOs,
    Emulator,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Build {
    Debug,
    Release,
}

impl Build {
    fn of_this() -> Self {
        if cfg!(debug_assertions) { Self::Debug } else { Self::Release }
    }
}

/// Chooses WorkOS if one of its variables is set. `allowed` is the value of `AUTHKIT_DEV`.
fn choose(
    has_workos: bool,
    allowed: Option<&str>,
    build: Build,
) -> Result<Counterparty, ConfigError> {
    if has_workos {
        return Ok(Counterparty::WorkOs);
    }
    let (found, wants) = match (allowed.map(str::trim).unwrap_or_default(), build) {
        ("1" | "true", Build::Debug | Build::Release) | ("", Build::Debug) => {
            return Ok(Counterparty::Emulator);
        }
        ("", Build::Release) => (
            "is not set, and a release build starts no emulator of WorkOS by itself",
            "set the variables above, or AUTHKIT_DEV=1 to develop with an emulator, which signs anybody in",
        ),
        ("0" | "false", Build::Debug | Build::Release) => (
            "forbids an emulator of WorkOS, and no WORKOS_* variable is set",
            "set the variables above, or AUTHKIT_DEV=1 to develop with an emulator, which signs anybody in",
        ),
        (_, Build::Debug | Build::Release) => ("is neither `1` nor `0`", "write one of the two"),
    };
    // The error also lists what WorkOS needs, in case that was intended.
    let missing = Config::from_vars(|_| None).err();
    let mut problems: Vec<_> = missing.iter().flat_map(ConfigError::problems).cloned().collect();
    problems.push(ConfigProblem::invalid(Setting::Development, found, wants));
    ConfigError::check(problems).map(|()| unreachable!("a problem was just added"))
}

/// An empty variable counts as one that is not set, as it does for the configuration.
fn is_workos(name: &OsStr, value: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"WORKOS_") && !value.is_empty()
}

struct Numbers<F> {
    variable: F,
    problems: Vec<ConfigProblem>,
}

impl<F: Fn(&str) -> Option<String>> Numbers<F> {
    /// Reads a number, or records what is wrong with it.
    fn number<T: FromStr>(&mut self, setting: Setting) -> Option<T> {
        let variable = setting.variable().expect("only settings that have one are read");
        let text = (self.variable)(variable).filter(|text| !text.is_empty())?;
        let number = text.trim().parse();
        if number.is_err() {
            let shown: String = text.chars().take(20).flat_map(char::escape_debug).collect();
            self.problems.push(ConfigProblem::invalid(
                setting,
                format!("is `{shown}`, which is not a number in range"),
                "write a whole number, or leave the variable out",
            ));
        }
        number.ok()
    }
}

/// One line: where the emulator is, and who can sign in.
fn greeting(authkit: &AuthKit) -> String {
    let Some(emulator) = authkit.emulator() else { return String::new() };
    let users: Vec<_> = emulator.users().into_iter().map(|user| user.email).collect();
    format!(
        "authkit: no WORKOS_* variable is set, so users of {} sign in with an emulator of WorkOS on {}: {}",
        authkit.settings().public_origin(),
        emulator.url(),
        users.join(", ")
    )
}

const DEV: &str = "AUTHKIT_DEV";

/// Only seals sessions of an emulator that listens on loopback and forgets everything when it stops, so it may be
/// public. Fixed, so that cookies survive a restart of the application.
pub(super) const PASSWORD: &str = "development-only-cookie-password";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workos_is_chosen_by_its_variables_and_an_emulator_only_where_it_may_be() {
        use Build::{Debug, Release};
        let emulator = Ok(Counterparty::Emulator);
        let cases = [
            ("variables", true, None, Debug, Ok(Counterparty::WorkOs)),
            ("variables, release", true, None, Release, Ok(Counterparty::WorkOs)),
            ("variables win", true, Some("1"), Release, Ok(Counterparty::WorkOs)),
            ("nothing", false, None, Debug, emulator),
            ("empty", false, Some(""), Debug, emulator),
            ("asked for", false, Some("1"), Release, emulator),
            ("asked for by a word", false, Some("true"), Release, emulator),
            ("release", false, None, Release, Err("a release build starts no emulator")),
            ("release, empty", false, Some(""), Release, Err("a release build starts no emulator")),
            ("forbidden", false, Some("0"), Debug, Err("forbids an emulator")),
            ("forbidden, release", false, Some("false"), Release, Err("forbids an emulator")),
            ("another word", false, Some("production"), Debug, Err("is neither `1` nor `0`")),
        ];
        for (name, has_workos, allowed, build, expected) in cases {
            match (choose(has_workos, allowed, build), expected) {
                (Ok(chosen), Ok(expected)) => assert_eq!(chosen, expected, "{name}"),
                (Err(error), Err(words)) => {
                    let settings: Vec<_> = error
                        .problems()
                        .iter()
                        .map(|problem| problem.finding().setting())
                        .collect();
                    assert_eq!(settings.last(), Some(&Setting::Development), "{name}");
                    assert!(settings.contains(&Setting::ClientId), "{name}: {error}");
                    let last = error.problems().last().unwrap().to_string();
                    assert!(last.contains(words), "{name}: {last}");
                    assert!(
                        last.starts_with("AUTHKIT_DEV (AuthKit::from_env_or_emulator)"),
                        "{last}"
                    );
                }
                (chosen, expected) => panic!("{name}: {chosen:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn only_variables_of_workos_with_a_value_count() {
        for (name, value, expected) in [
            ("WORKOS_CLIENT_ID", "client_1", true),
            ("WORKOS_CLIENT_ID", "", false),
            ("AUTHKIT_DEV", "1", false),
            ("MY_WORKOS_KEY", "1", false),
        ] {
            assert_eq!(is_workos(name.as_ref(), value.as_ref()), expected, "{name}={value}");
        }
    }

    #[tokio::test]
    async fn an_emulator_lives_as_long_as_the_handle_and_sends_browsers_back_to_the_application() {
        let vars = |name: &str| match name {
            "PORT" => Some("8080".to_owned()),
            "EMULATOR_PORT" => Some("0".to_owned()),
            "EMULATOR_TOKEN_TTL" => Some("5".to_owned()),
            _ => None,
        };
        let start = EnvOrEmulator::new()
            .with_config(|config| config.with_cookie_name("first"))
            .with_config(|config| config.with_cookie_name("second"));
        let authkit = start.start_emulator(vars).await.unwrap();
        assert_eq!(authkit.settings().redirect_uri(), "http://localhost:8080/callback");
        assert_eq!(authkit.settings().cookie_name(), "second", "calls add up");

        let url = authkit.emulator().unwrap().url().to_owned();
        let line = greeting(&authkit);
        for part in [&*url, "http://localhost:8080", "alice@acme.test", "bob@acme.test"] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!(line.lines().count(), 1, "{line}");
        let lifetime = authkit.emulator().unwrap().session("alice@acme.test").claims();
        assert_eq!(
            lifetime["exp"].as_u64().unwrap() - lifetime["iat"].as_u64().unwrap(),
            5,
            "EMULATOR_TOKEN_TTL"
        );

        let address = url.strip_prefix("http://").unwrap();
        let clone = authkit.clone();
        drop(authkit);
        assert!(std::net::TcpStream::connect(address).is_ok(), "a clone is a handle too");
        drop(clone);
        assert!(std::net::TcpStream::connect(address).is_err(), "nobody needs it any more");
    }

    #[tokio::test]
    async fn a_setting_wins_over_its_variable_and_a_taken_port_is_replaced() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let start = EnvOrEmulator::new()
            .with_port(8081)
            .with_emulator_port(port)
            .with_token_ttl(Duration::from_secs(7));
        let authkit = start.start_emulator(|_| Some("99999999".to_owned())).await;
        let authkit = authkit.unwrap();
        assert_eq!(authkit.settings().public_origin(), "http://localhost:8081");
        let emulator = authkit.emulator().unwrap();
        assert!(!emulator.url().ends_with(&format!(":{port}")));
        let claims = emulator.session("alice@acme.test").claims();
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 7);
    }

    #[tokio::test]
    async fn every_variable_that_is_no_number_is_named() {
        let error = EnvOrEmulator::new().start_emulator(|name| Some(format!("{name}?"))).await;
        let error = error.unwrap_err().to_string();
        for variable in ["PORT", "EMULATOR_PORT", "EMULATOR_TOKEN_TTL"] {
            let named = format!("- {variable} (EnvOrEmulator::with_");
            assert!(error.contains(&named), "{variable}: {error}");
        }
        assert_eq!(error.lines().count(), 4, "{error}");
    }
}
