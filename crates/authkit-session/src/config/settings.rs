use std::{fmt::Debug, sync::Arc, time::Duration};

use url::Url;

use crate::{
    candidate::{cache::SessionCache, verify::Rules},
    clock::Clock,
    config::{Config, mistakes, origins::PublicOrigins, setting::Setting, warning::ConfigWarning},
    config_error::{ConfigError, ConfigProblem},
    cookie::set_cookie::CookieRules,
    end::revocation::Revocations,
    log_id::LogIds,
    log_limit::{EventLog, LogLimiter},
    meter::Meter,
    refresh::{coordinator::RefreshCoordinator, hook::RefreshHooks},
    seal::{KeyRing, SealFormat},
    secret::Secret,
    token::claim_lists::ClaimLists,
    upstream::{
        budget::Budget,
        client::Client,
        transport::{Https, Transport},
    },
};

/// A checked [`Config`], valid for every request.
#[derive(Debug)]
pub struct Settings {
    client_id: Box<str>,
    redirect_uri: Url,
    origins: PublicOrigins,
    return_origins: Box<[String]>,
    base_path: Box<str>,
    login_path: Box<str>,
    logout_path: Box<str>,
    after_logout: Box<str>,
    clock: Clock,
    pub(crate) cookies: CookieRules,
    pub(crate) rules: Rules,
    pub(crate) log_ids: LogIds,
    pub(crate) log: Arc<EventLog>,
    pub(crate) meter: Meter,
    seal_format: SealFormat,
    environment: Environment,
    /// The type name of the refresh coordinator.
    coordinator: Box<str>,
    warnings: Vec<ConfigWarning>,
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

    /// Scheme, host and port of the redirect URI, such as `https://app.example.com`: where the service is, unless a
    /// request chooses another of its [`origins`](Self::origins).
    pub fn public_origin(&self) -> &str {
        self.origins.default_origin().as_str()
    }

    /// The origins under which browsers reach the service.
    pub fn origins(&self) -> &PublicOrigins {
        &self.origins
    }

    /// The other origins that sign-ins and sign-outs may end at, as browsers spell them.
    pub fn return_origins(&self) -> &[String] {
        &self.return_origins
    }

    /// The path that a proxy in front strips, such as `/app`; empty where none does.
    pub fn base_path(&self) -> &str {
        &self.base_path
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

    /// The rules for writing cookies.
    pub fn cookies(&self) -> &CookieRules {
        &self.cookies
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The id of a session or a user in logs: a keyed hash of `id`, in 12 hexadecimal digits. The hash key is the API
    /// key that the service started with, so that replicas write the same log ids.
    pub fn log_id(&self, id: &str) -> String {
        self.log_ids.of(id)
    }

    /// Settings that work but are probably mistakes, in the order of the settings.
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Checks an API key that is to take the place of the configured one.
    pub(crate) fn check_api_key(&self, key: &Secret) -> Result<(), ConfigError> {
        let mut problems = mistakes::find_in_api_key(key);
        let (before, after) = (self.environment, Environment::of(key));
        // WorkOS does not know the sessions of another environment, so every refresh would end one.
        if ![before, after].contains(&Environment::Unknown) && before != after {
            let (before, after) = (before.as_str(), after.as_str());
            problems.push(ConfigProblem::invalid(
                Setting::ApiKey,
                format!("is of a {after} environment, and the first was of a {before} one"),
                "give a key of the same environment, or restart with the client id of the other one",
            ));
        }
        ConfigError::check(problems)
    }

    /// Logs a summary of the configuration, and a line for each warning.
    pub(crate) fn announce(&self) {
        tracing::info!(
            environment = self.environment.as_str(),
            client_id = &*self.client_id,
            origin = self.public_origin(),
            cookie = self.cookie_name(),
            seal_format = self.seal_format.as_str(),
            coordinator = &*self.coordinator,
            "WorkOS sessions are configured"
        );
        for warning in &self.warnings {
            tracing::warn!("{warning}");
        }
    }
}

/// Everything that is made from a checked configuration.
pub(crate) struct Checked {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) ring: KeyRing,
    pub(crate) cache: SessionCache,
    pub(crate) coordinator: Arc<dyn RefreshCoordinator>,
    pub(crate) stale_keys: Duration,
    pub(crate) credential_memory: Duration,
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    pub(crate) hooks: RefreshHooks,
}

/// Checks a configuration and reports every problem at once.
pub(crate) fn check(config: Config) -> Result<Checked, ConfigError> {
    let (urls, mut problems) = mistakes::find(&config);
    let ring = KeyRing::new(
        config.seal_format,
        &config.password,
        &config.other_passwords,
        config.neighbours,
    );
    let ring = ring.map_err(|problem| problems.push(problem)).ok();
    let transport = match (&config.transport, &urls.base) {
        (Some(transport), _) => Some(Arc::clone(transport)),
        (None, Some(base)) => Https::new(base)
            .map(|https| Arc::new(https) as Arc<dyn Transport>)
            .map_err(|problem| problems.push(problem))
            .ok(),
        (None, None) => None,
    };
    ConfigError::check(problems)?;

    let (Some(redirect_uri), Some(base), Some(browser_base), Some(ring), Some(transport)) =
        (urls.redirect_uri, urls.base, urls.browser_base, ring, transport)
    else {
        unreachable!("what is missing was reported above");
    };
    let warnings = ConfigWarning::all(&config, &redirect_uri);
    let cookies = CookieRules::new(
        &config.cookie_name,
        config.cookie_domain.as_deref(),
        config.cookie_lifetime,
        config.same_site,
        config.cookie_prefix,
        redirect_uri.scheme() == "https",
        &config.base_path,
    );
    let origins = PublicOrigins::new(&redirect_uri, &config);
    let [login_path, logout_path, after_logout] =
        [config.login_path(), config.logout_path(), config.after_logout()].map(Box::<str>::from);
    let log_ids = LogIds::new(config.api_key.expose().as_bytes());
    let environment = Environment::of(&config.api_key);
    let meter = Meter::new();
    let client = Client::new(
        &config.client_id,
        config.api_key,
        redirect_uri.as_str(),
        (base, browser_base),
        config.clock.clone(),
        transport,
        Budget::new(config.refresh_limits, meter.clone()),
    );
    let settings = Settings {
        origins,
        redirect_uri,
        login_path,
        logout_path,
        after_logout,
        return_origins: config.return_origins.into(),
        base_path: config.base_path.into(),
        log: Arc::new(EventLog::new(config.clock.clone())),
        clock: config.clock,
        cookies,
        rules: Rules {
            client_id: config.client_id.clone().into(),
            issuers: config.issuers,
            audiences: config.audiences,
            leeway: config.leeway.as_secs(),
            lists: ClaimLists::new(),
            odd_values: LogLimiter::new(Rules::ODD_VALUES),
        },
        client_id: config.client_id.into(),
        log_ids,
        meter,
        seal_format: config.seal_format,
        environment,
        coordinator: name_of(&config.refresh_coordinator).into(),
        warnings,
    };
    Ok(Checked {
        settings,
        client,
        ring,
        cache: SessionCache::new(config.session_cache),
        revocations: config.revocations,
        hooks: RefreshHooks::new(config.refresh_hook),
        coordinator: config.refresh_coordinator,
        stale_keys: config.stale_keys,
        credential_memory: config.credential_memory,
    })
}

/// The kind of a WorkOS environment. An API key names it in front of its secret part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Environment {
    Test,
    Live,
    /// The key does not name it.
    Unknown,
}

impl Environment {
    fn of(api_key: &Secret) -> Self {
        match api_key.expose() {
            key if key.starts_with("sk_test_") => Self::Test,
            key if key.starts_with("sk_live_") => Self::Live,
            _ => Self::Unknown,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::Live => "live",
            Self::Unknown => "unknown",
        }
    }
}

/// The type name with which every derived `Debug` text begins.
fn name_of(value: &impl Debug) -> String {
    let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
    format!("{value:?}").chars().take_while(is_name).take(64).collect()
}

#[cfg(test)]
mod tests;
