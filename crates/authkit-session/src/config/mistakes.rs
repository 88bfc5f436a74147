//! Every mistake that a configuration can have, each reported with the setting, what was found and what to write.

use std::time::Duration;

use url::Url;

use crate::{
    config::{
        Config,
        finding::{Finding, is_wrapping, spelling},
        origin_mistakes::{self, is_below, is_shared},
        quoter::Quoter,
        setting::Setting,
        urls::{self, UrlMistake, has_pattern, is_path, is_target, is_under},
    },
    config_error::ConfigProblem,
    cookie::set_cookie::{CookieLifetime, CookiePrefix, MAX_COOKIE_AGE, SameSite},
    secret::Secret,
};

/// The parsed URLs of a configuration, where they are usable.
#[derive(Debug)]
pub(super) struct Urls {
    pub(super) redirect_uri: Option<Url>,
    pub(super) base: Option<Url>,
    pub(super) browser_base: Option<Url>,
}

/// Looks for mistakes in everything but the passwords, which the key ring checks.
pub(super) fn find(config: &Config) -> (Urls, Vec<ConfigProblem>) {
    let mut search = Search { quoter: Quoter::new(config), found: Vec::new() };
    search.client_id(&config.client_id, config.api_key.expose());
    search.api_key(config.api_key.expose());
    let redirect_uri = search.url(Setting::RedirectUri, &config.redirect_uri, urls::redirect_uri);
    let base = search.url(Setting::BaseUrl, &config.base_url, urls::api_base);
    let browser_base = match &config.authorize_base_url {
        Some(url) => search.url(Setting::AuthorizeBaseUrl, url, urls::api_base),
        None => base.clone(),
    };
    search.tokens(config);
    match origin_mistakes::base_path_problem(config, redirect_uri.as_ref()) {
        // The default paths begin with the base path and are not to blame for its mistakes.
        Some(problem) => search.found.push(problem),
        None => search.paths(config, redirect_uri.as_ref()),
    }
    search.cookie(config, redirect_uri.as_ref());
    search.found.extend(origin_mistakes::problems(config, redirect_uri.as_ref()));
    (Urls { redirect_uri, base, browser_base }, search.found)
}

/// Looks for mistakes in an API key alone.
pub(super) fn find_in_api_key(key: &Secret) -> Vec<ConfigProblem> {
    let mut search = Search { quoter: Quoter::default(), found: Vec::new() };
    search.api_key(key.expose());
    search.found
}

/// The problem of a required setting that is not set.
pub(super) fn missing(setting: Setting, wants: &'static str) -> ConfigProblem {
    ConfigProblem::Missing(Finding::new(setting, "is not set", wants))
}

struct Search<'c> {
    quoter: Quoter<'c>,
    found: Vec<ConfigProblem>,
}

impl Search<'_> {
    fn invalid(&mut self, setting: Setting, found: impl Into<String>, wants: &'static str) {
        self.found.push(ConfigProblem::invalid(setting, found.into(), wants));
    }

    /// Reports a value and shows it; `mistake` follows as a relative clause.
    fn invalid_value(&mut self, setting: Setting, value: &str, mistake: &str, wants: &'static str) {
        let value = self.quoter.quote(value);
        self.invalid(setting, format!("is {value}, which {mistake}"), wants);
    }

    /// Says whether the value has a spelling that the setting never has, and reports it.
    fn is_misspelt(&mut self, setting: Setting, value: &str) -> bool {
        let misspelt = spelling(value);
        if let Some((found, wants)) = misspelt {
            self.invalid(setting, found, wants);
        }
        misspelt.is_some()
    }

    fn client_id(&mut self, id: &str, api_key: &str) {
        if id.is_empty() {
            self.found.push(missing(Setting::ClientId, CLIENT_ID));
        } else if starts_with(id, "sk_") {
            let is_swapped = starts_with(api_key, "client_");
            let also = if is_swapped { ", and the API key is a client id" } else { "" };
            let found = format!("holds an API key (`sk_...`){also}");
            self.invalid(Setting::ClientId, found, CLIENT_ID);
        } else if !self.is_misspelt(Setting::ClientId, id)
            && !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
        {
            let mistake = "has characters that no client id has";
            self.invalid_value(Setting::ClientId, id, mistake, CLIENT_ID);
        }
    }

    fn api_key(&mut self, key: &str) {
        if key.is_empty() {
            self.found.push(missing(Setting::ApiKey, API_KEY));
        } else if starts_with(key, "client_") {
            self.invalid(Setting::ApiKey, "holds a client id (`client_...`)", API_KEY);
        } else if !self.is_misspelt(Setting::ApiKey, key)
            && !key.bytes().all(|byte| byte.is_ascii_graphic())
        {
            self.invalid(Setting::ApiKey, "has characters outside of ASCII", API_KEY);
        }
    }

    fn url(
        &mut self,
        setting: Setting,
        value: &str,
        parse: fn(&str) -> Result<Url, UrlMistake>,
    ) -> Option<Url> {
        if value.is_empty() {
            self.found.push(missing(setting, REDIRECT_URI));
            return None;
        }
        if self.is_misspelt(setting, value) {
            return None;
        }
        parse(value)
            .map_err(|(mistake, wants)| self.invalid_value(setting, value, mistake, wants))
            .ok()
    }

    fn tokens(&mut self, config: &Config) {
        for (setting, values) in
            [(Setting::Issuers, &config.issuers), (Setting::Audiences, &config.audiences)]
        {
            for value in values.iter().flatten() {
                if value.is_empty() {
                    self.invalid(setting, "names an empty text", "leave it out");
                } else {
                    self.is_misspelt(setting, value);
                }
            }
        }
        if config.leeway > MAX_LEEWAY {
            let found = format!("is {} seconds", config.leeway.as_secs());
            self.invalid(Setting::Leeway, found, "give 60 seconds at most");
        }
    }

    fn paths(&mut self, config: &Config, redirect_uri: Option<&Url>) {
        let (login, logout) = (&*config.login_path(), &*config.logout_path());
        let callback = redirect_uri.map(Url::path);
        for (setting, path) in [(Setting::LoginPath, login), (Setting::LogoutPath, logout)] {
            if !is_path(path) || has_pattern(path) {
                let mistake = "is no plain path";
                self.invalid_value(
                    setting,
                    path,
                    mistake,
                    "write a path that starts with one `/`, without query, fragment or pattern",
                );
            } else if path == "/" {
                // Without another target a sign-in ends at the root, and would start again there.
                self.invalid_value(setting, path, "is where sign-ins end", "choose another path");
            } else if Some(path) == callback {
                self.invalid_value(
                    setting,
                    path,
                    "is the path of WORKOS_REDIRECT_URI too",
                    "choose another path",
                );
            } else if !is_below(path, &config.base_path) {
                self.invalid_value(
                    setting,
                    path,
                    "is not under WORKOS_BASE_PATH",
                    "write the path as browsers see it, with the prefix that the proxy strips",
                );
            }
        }
        if login == logout {
            self.invalid_value(
                Setting::LogoutPath,
                logout,
                "is the login path too",
                "choose another path",
            );
        }
        let after_logout = config.after_logout();
        if !is_target(&after_logout) || after_logout.contains(char::is_whitespace) {
            let mistake = "is neither a path nor a URL";
            self.invalid_value(
                Setting::AfterLogout,
                &after_logout,
                mistake,
                "write a path that starts with one `/`, or an absolute `https://` URL",
            );
        }
    }

    fn cookie(&mut self, config: &Config, redirect_uri: Option<&Url>) {
        let is_secure = redirect_uri.is_none_or(|uri| uri.scheme() == "https");
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let name = config.cookie_name.as_str();
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
            self.invalid_value(
                Setting::CookieName,
                name,
                "is no name of a cookie",
                "write 1 to 64 characters, letters, digits, `-` and `_`",
            );
        } else if name.starts_with("__") {
            self.invalid_value(
                Setting::CookieName,
                name,
                "has a prefix",
                "write it without, and call `with_host_prefix`",
            );
        }
        if config.cookie_prefix == CookiePrefix::Host && !is_secure {
            self.invalid(
                Setting::HostPrefix,
                "is called, and the redirect URI is plain http",
                "leave it out: browsers want https for `__Host-` (RFC 6265bis section 4.1.3.2)",
            );
        }
        if config.cookie_prefix == CookiePrefix::Host && config.cookie_domain.is_some() {
            self.invalid(Setting::HostPrefix, "is called, and there is a cookie domain", "choose one: browsers drop `__Host-` cookies with a domain (RFC 6265bis section 4.1.3.2)");
        }
        if config.cookie_prefix == CookiePrefix::Host && !config.base_path.is_empty() {
            self.invalid(Setting::HostPrefix, "is called, and there is a base path", "choose one: browsers take `__Host-` cookies for the whole host only (RFC 6265bis section 4.1.3.2)");
        }
        let is_of_other_sites = match config.same_site {
            SameSite::None | SameSite::Partitioned => true,
            SameSite::Lax => false,
        };
        if is_of_other_sites && !is_secure {
            self.invalid(
                Setting::SameSite,
                "lets other sites send the cookie, and the redirect URI is plain http",
                "write `lax`: browsers drop `SameSite=None` without `Secure`",
            );
        }
        if let CookieLifetime::MaxAge(age) = config.cookie_lifetime
            && (age > MAX_COOKIE_AGE || age.as_secs() == 0)
        {
            let found = format!("is {} seconds", age.as_secs());
            self.invalid(
                Setting::CookieMaxAge,
                found,
                "give 1 to 34560000 seconds (400 days, RFC 6265bis section 5.5)",
            );
        }
        if let (Some(domain), Some(uri)) = (&config.cookie_domain, redirect_uri)
            && (!is_under(uri, domain) || is_shared(domain.trim_start_matches('.')))
        {
            self.invalid_value(Setting::CookieDomain, domain, "browsers do not take from this service", "write the host of the redirect URI or a domain above it, without scheme, port or `*`");
        }
    }
}

/// Also if something is around the value.
fn starts_with(value: &str, prefix: &str) -> bool {
    value.trim_start_matches(is_wrapping).starts_with(prefix)
}

pub(super) const CLIENT_ID: &str = "write the client id of the WorkOS dashboard, `client_...`";
pub(super) const API_KEY: &str = "write an API key of the WorkOS dashboard, `sk_...`";
pub(super) const REDIRECT_URI: &str = "write the callback's URL as it is registered at WorkOS, such as `https://app.example.com/callback`";
pub(super) const PASSWORD: &str = "write one that `openssl rand -base64 32` made";

const MAX_LEEWAY: Duration = Duration::from_secs(60);
