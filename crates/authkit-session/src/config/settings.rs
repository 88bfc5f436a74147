use std::{sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use url::Url;

use crate::{
    cache::SessionCache,
    client::{
        Client,
        transport::{Https, Transport},
    },
    clock::Clock,
    config::{
        Config,
        urls::{api_base, is_path, is_under, is_web},
    },
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::{CookieLifetime, CookiePrefix, CookieRules, MAX_COOKIE_AGE, SameSite},
    hooks::Hooks,
    refreshes::{breaker::RefreshLimits, coordinator::RefreshCoordinator},
    revocations::Revocations,
    seal::KeyRing,
    verify::Rules,
};

/// A [`Config`] that was checked: what holds for every request.
#[derive(Debug)]
pub struct Settings {
    client_id: Box<str>,
    redirect_uri: Url,
    public_origin: Box<str>,
    login_path: Box<str>,
    logout_path: Box<str>,
    after_logout: Box<str>,
    clock: Clock,
    pub(crate) cookies: CookieRules,
    pub(crate) rules: Rules,
}

impl Settings {
    /// The client id of the service at WorkOS.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where WorkOS sends the browser back to.
    pub fn redirect_uri(&self) -> &str {
        self.redirect_uri.as_str()
    }

    /// The path of the callback endpoint, as the browser sees it.
    pub fn callback_path(&self) -> &str {
        self.redirect_uri.path()
    }

    /// Scheme, host and port under which browsers know the service, such as `https://app.example.com`.
    pub fn public_origin(&self) -> &str {
        &self.public_origin
    }

    /// The path of the sign-in endpoint, as the browser sees it.
    pub fn login_path(&self) -> &str {
        &self.login_path
    }

    /// The path of the sign-out endpoint, as the browser sees it.
    pub fn logout_path(&self) -> &str {
        &self.logout_path
    }

    /// Where a browser ends up after signing out: a path of this service, or an absolute URL.
    pub fn after_logout(&self) -> &str {
        &self.after_logout
    }

    /// The name of the session cookie.
    pub fn cookie_name(&self) -> &str {
        self.cookies.name()
    }

    /// How cookies of this service are written.
    pub fn cookies(&self) -> &CookieRules {
        &self.cookies
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// Everything that a checked configuration becomes.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) ring: KeyRing,
    pub(crate) cache: SessionCache,
    pub(crate) coordinator: Arc<dyn RefreshCoordinator>,
    pub(crate) refresh_limits: RefreshLimits,
    pub(crate) stale_keys: Duration,
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    pub(crate) hooks: Hooks,
    /// Names sessions in logs.
    pub(crate) log_key: hmac::Key,
}

/// Checks a configuration and reports every problem at once.
pub(crate) fn check(config: Config) -> Result<Checked, ConfigError> {
    let mut problems = Vec::new();
    let mut keep = |problem: Option<ConfigProblem>| problems.extend(problem);

    keep(wanted(
        !config.client_id.is_empty(),
        "WORKOS_CLIENT_ID",
        "the client id of the WorkOS dashboard",
    ));
    keep(wanted(
        !config.api_key.expose().is_empty(),
        "WORKOS_API_KEY",
        "an API key of the WorkOS dashboard",
    ));
    keep(wanted(
        config.api_key.expose().bytes().all(|byte| byte.is_ascii_graphic()),
        "WORKOS_API_KEY",
        "visible ASCII characters only",
    ));
    let redirect_uri =
        Url::parse(&config.redirect_uri).ok().filter(|uri| uri.has_host() && is_web(uri));
    keep(wanted(redirect_uri.is_some(), "WORKOS_REDIRECT_URI", "an absolute http or https URL"));
    let base = api_base(&config.base_url);
    keep(wanted(
        base.is_some(),
        "WORKOS_BASE_URL",
        "an https URL, or an http URL of a loopback address",
    ));
    let browser_base = config.authorize_base_url.as_ref().map_or(base.clone(), |url| api_base(url));
    keep(wanted(
        browser_base.is_some() || config.authorize_base_url.is_none(),
        "WORKOS_AUTHORIZE_BASE_URL",
        "an https URL, or an http URL of a loopback address",
    ));
    keep(wanted(config.leeway <= MAX_LEEWAY, "the leeway", "at most 60 seconds"));
    for (name, path) in
        [("the login path", &config.login_path), ("the logout path", &config.logout_path)]
    {
        keep(wanted(
            is_path(path),
            name,
            "a path that starts with one `/`, without query or fragment",
        ));
    }
    let callback = redirect_uri.as_ref().map(Url::path);
    let [login, logout] = [&config.login_path, &config.logout_path].map(|path| Some(path.as_str()));
    // A browser that says nothing else ends at the root, and would begin again there.
    let root = Some("/");
    keep(wanted(
        login != logout
            && login != callback
            && logout != callback
            && ![login, logout, callback].contains(&root),
        "the path of each endpoint",
        "its own: login path, logout path and the redirect URI's path have to differ, and none is `/`",
    ));
    keep(wanted(
        is_path(config.after_logout.split(['?', '#']).next().unwrap_or_default())
            || Url::parse(&config.after_logout).is_ok_and(|url| is_web(&url)),
        "the target after sign-out",
        "a path that starts with one `/`, or an absolute http or https URL",
    ));
    problems.extend(cookie_problems(&config, redirect_uri.as_ref()));
    let ring = KeyRing::new(
        config.seal_format,
        &config.password,
        &config.other_passwords,
        config.neighbours,
    );
    let ring = ring.map_err(|problem| problems.push(problem)).ok();
    let transport = match config.transport {
        Some(transport) => Some(transport),
        None => Https::new()
            .map(|https| Arc::new(https) as Arc<dyn Transport>)
            .map_err(|_| problems.push(ConfigProblem::Transport))
            .ok(),
    };
    ConfigError::check(problems)?;

    let (Some(redirect_uri), Some(base), Some(browser_base), Some(ring), Some(transport)) =
        (redirect_uri, base, browser_base, ring, transport)
    else {
        unreachable!("what is missing was reported above");
    };
    let cookies = CookieRules::new(
        &config.cookie_name,
        config.cookie_domain.as_deref(),
        config.cookie_lifetime,
        config.same_site,
        config.cookie_prefix,
        redirect_uri.scheme() == "https",
    );
    let log_key = hmac::Key::new(hmac::HMAC_SHA256, config.api_key.expose().as_bytes());
    let client = Client::new(
        &config.client_id,
        config.api_key,
        redirect_uri.as_str(),
        (base, browser_base),
        config.clock.clone(),
        transport,
    );
    let settings = Settings {
        public_origin: redirect_uri.origin().ascii_serialization().into(),
        redirect_uri,
        login_path: config.login_path.into(),
        logout_path: config.logout_path.into(),
        after_logout: config.after_logout.into(),
        clock: config.clock,
        cookies,
        rules: Rules {
            client_id: config.client_id.clone().into(),
            issuers: config.issuers,
            audiences: config.audiences,
            leeway: config.leeway.as_secs(),
        },
        client_id: config.client_id.into(),
    };
    let (coordinator, refresh_limits) = (config.refresh_coordinator, config.refresh_limits);
    Ok(Checked {
        settings,
        client,
        ring,
        cache: SessionCache::new(config.session_cache),
        revocations: config.revocations,
        hooks: Hooks::new(config.refresh_hook),
        coordinator,
        refresh_limits,
        stale_keys: config.stale_keys,
        log_key,
    })
}

fn cookie_problems(config: &Config, redirect_uri: Option<&Url>) -> Vec<ConfigProblem> {
    let secure = redirect_uri.is_none_or(|uri| uri.scheme() == "https");
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    [
        wanted(
            !config.cookie_name.is_empty()
                && config.cookie_name.len() <= 64
                && config.cookie_name.bytes().all(token),
            "WORKOS_COOKIE_NAME",
            "1 to 64 characters of an HTTP token",
        ),
        wanted(
            !config.cookie_name.starts_with("__"),
            "WORKOS_COOKIE_NAME",
            "a name without a prefix; `with_host_prefix` adds it",
        ),
        wanted(
            config.cookie_prefix == CookiePrefix::Plain
                || (secure && config.cookie_domain.is_none()),
            "the `__Host-` prefix",
            "used with https and without a cookie domain (RFC 6265bis section 4.1.3.2)",
        ),
        wanted(
            config.same_site != SameSite::None || secure,
            "WORKOS_COOKIE_SAMESITE",
            "`lax` on plain http: browsers drop `SameSite=None` without `Secure`",
        ),
        match config.cookie_lifetime {
            CookieLifetime::Browser => None,
            CookieLifetime::MaxAge(age) => wanted(
                age <= MAX_COOKIE_AGE && age.as_secs() > 0,
                "WORKOS_COOKIE_MAX_AGE",
                "1 to 34560000 seconds (400 days, RFC 6265bis section 5.5)",
            ),
        },
        config.cookie_domain.as_ref().zip(redirect_uri).and_then(|(domain, uri)| {
            wanted(
                is_under(uri, domain),
                "WORKOS_COOKIE_DOMAIN",
                "the host of the redirect URI or a domain above it",
            )
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn wanted(holds: bool, setting: &'static str, wants: &'static str) -> Option<ConfigProblem> {
    (!holds).then(|| ConfigProblem::invalid(setting, wants))
}

const MAX_LEEWAY: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie_password::CookiePassword;

    fn config() -> Config {
        let password = CookiePassword::new("0123456789abcdef0123456789abcdef").unwrap();
        Config::new("client_1", "sk_1", "https://app.example.com/callback", password)
    }

    fn settings_at_fault(config: Config) -> Vec<String> {
        let problems = check(config).err().map(ConfigError::into_problems).unwrap_or_default();
        let name = |problem: &ConfigProblem| match problem {
            ConfigProblem::Invalid { setting, .. } => (*setting).to_owned(),
            other => other.to_string(),
        };
        problems.iter().map(name).collect()
    }

    #[test]
    fn every_unusable_setting_is_refused_and_every_usable_one_taken() {
        let http = |config: Config| Config {
            redirect_uri: "http://localhost:3000/callback".to_owned(),
            ..config
        };
        let cases: [(&str, Config, &[&str]); 29] = [
            ("the least", config(), &[]),
            ("http on localhost", http(config()), &[]),
            (
                "no client id",
                Config { client_id: String::new(), ..config() },
                &["WORKOS_CLIENT_ID"],
            ),
            ("no key", Config { api_key: "".into(), ..config() }, &["WORKOS_API_KEY"]),
            (
                "a key with a line break",
                Config { api_key: "sk\n".into(), ..config() },
                &["WORKOS_API_KEY"],
            ),
            (
                "a relative redirect",
                Config { redirect_uri: "/callback".into(), ..config() },
                &["WORKOS_REDIRECT_URI"],
            ),
            (
                "another scheme",
                Config { redirect_uri: "app://x/y".into(), ..config() },
                &["WORKOS_REDIRECT_URI"],
            ),
            (
                "the API by http",
                config().with_base_url("http://api.workos.com"),
                &["WORKOS_BASE_URL"],
            ),
            ("the API on loopback", config().with_base_url("http://127.0.0.1:4100"), &[]),
            ("the API on IPv6 loopback", config().with_base_url("http://[::1]:4100"), &[]),
            (
                "a look-alike of loopback",
                config().with_base_url("http://localhost.evil.test"),
                &["WORKOS_BASE_URL"],
            ),
            (
                "browsers by http",
                config().with_authorize_base_url("http://auth.example.com"),
                &["WORKOS_AUTHORIZE_BASE_URL"],
            ),
            ("a name with a semicolon", config().with_cookie_name("a;b"), &["WORKOS_COOKIE_NAME"]),
            (
                "a name with a prefix",
                config().with_cookie_name("__Host-a"),
                &["WORKOS_COOKIE_NAME"],
            ),
            ("a prefix on http", http(config()).with_host_prefix(), &["the `__Host-` prefix"]),
            (
                "a prefix with a domain",
                config().with_host_prefix().with_cookie_domain("example.com"),
                &["the `__Host-` prefix"],
            ),
            ("a domain above", config().with_cookie_domain(".example.com"), &[]),
            (
                "a domain of others",
                config().with_cookie_domain("ample.com"),
                &["WORKOS_COOKIE_DOMAIN"],
            ),
            ("a top-level domain", config().with_cookie_domain("com"), &["WORKOS_COOKIE_DOMAIN"]),
            (
                "SameSite=None on http",
                http(config()).with_same_site(SameSite::None),
                &["WORKOS_COOKIE_SAMESITE"],
            ),
            (
                "401 days",
                config().with_cookie_max_age(Duration::from_secs(401 * 86_400)),
                &["WORKOS_COOKIE_MAX_AGE"],
            ),
            (
                "a protocol-relative path",
                config().with_login_path("//evil.test"),
                &["the login path"],
            ),
            ("a pattern", config().with_logout_path("/{path}"), &["the logout path"]),
            (
                "one path for two",
                config().with_logout_path("/login"),
                &["the path of each endpoint"],
            ),
            (
                "sign-out at the callback",
                config().with_logout_path("/callback"),
                &["the path of each endpoint"],
            ),
            (
                "sign-in where it ends",
                config().with_login_path("/"),
                &["the path of each endpoint"],
            ),
            (
                "a callback where it leads",
                Config { redirect_uri: "https://app.example.com".to_owned(), ..config() },
                &["the path of each endpoint"],
            ),
            (
                "a script",
                config().with_after_logout("javascript:alert(1)"),
                &["the target after sign-out"],
            ),
            ("a long leeway", config().with_leeway(Duration::from_secs(61)), &["the leeway"]),
        ];
        for (name, config, expected) in cases {
            assert_eq!(settings_at_fault(config), expected, "{name}");
        }
    }

    #[test]
    fn every_problem_is_reported_at_once() {
        let config = Config { client_id: String::new(), ..config() }
            .with_base_url("ftp://x")
            .with_logout_path("logout")
            .with_seal_format(crate::SealFormat::Rust);
        let error = check(config).err().unwrap();
        assert_eq!(error.problems().len(), 4, "{error}");
        assert!(error.to_string().contains("64 hexadecimal characters"), "{error}");
    }

    #[test]
    fn a_debugged_configuration_shows_no_secret() {
        let shown = format!("{:?}", config());
        assert!(!shown.contains("sk_1") && !shown.contains("0123456789abcdef"), "{shown}");
    }
}
