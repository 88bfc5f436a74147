use std::fmt;

/// A setting, with the names that operators (variable) and programmers (method) use.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Setting {
    /// The client id of the WorkOS dashboard.
    ClientId,
    /// The API key of the WorkOS dashboard.
    ApiKey,
    /// Where WorkOS sends browsers back to.
    RedirectUri,
    /// The password that seals cookies.
    CookiePassword,
    /// The passwords that open cookies and seal none.
    OtherPasswords,
    /// Whether a cookie is sealed again with the password that opened it.
    PinnedNeighbours,
    /// The format of new cookies.
    SealFormat,
    /// The name of the session cookie.
    CookieName,
    /// The domain of the session cookie.
    CookieDomain,
    /// How long browsers keep the session cookie.
    CookieMaxAge,
    /// The `SameSite` attribute of the session cookie.
    SameSite,
    /// The `__Host-` prefix of the session cookie.
    HostPrefix,
    /// Where calls to WorkOS go.
    BaseUrl,
    /// The host of [`BaseUrl`](Self::BaseUrl), as the JavaScript libraries have it.
    ApiHostname,
    /// Whether [`BaseUrl`](Self::BaseUrl) is https, as the JavaScript libraries have it.
    ApiHttps,
    /// The port of [`BaseUrl`](Self::BaseUrl), as the JavaScript libraries have it.
    ApiPort,
    /// Where browsers go to sign in.
    AuthorizeBaseUrl,
    /// The accepted issuers of access tokens.
    Issuers,
    /// The accepted audiences of access tokens.
    Audiences,
    /// How far two clocks may be apart.
    Leeway,
    /// The other origins under which browsers reach the service.
    Origins,
    /// The other origins that sign-ins and sign-outs may end at.
    ReturnOrigins,
    /// The path that a proxy in front strips.
    BasePath,
    /// The path of the sign-in endpoint.
    LoginPath,
    /// The path of the sign-out endpoint.
    LogoutPath,
    /// Where browsers end up after signing out.
    AfterLogout,
    /// The certificates that https calls to WorkOS are checked with.
    Certificates,
    /// The other origins from which a layer of `authkit-tower` accepts requests that change something.
    TrustedOrigins,
    /// The paths that a layer of `authkit-tower` lets through without a session.
    Exceptions,
    /// The AuthKit domain that issues the tokens of machines and OAuth applications, for a layer of `authkit-tower`.
    AuthKitDomain,
    /// The protected resource of a layer of `authkit-tower`.
    ProtectedResource,
    /// The signing secret of webhooks, for the `Webhooks` of `authkit-tower`.
    WebhookSecret,
    /// Whether an emulator may take the place of WorkOS, for the feature `dev` of `authkit-tower`.
    Development,
    /// The port that the application listens on while an emulator takes the place of WorkOS.
    ApplicationPort,
    /// The port of the emulator that takes the place of WorkOS.
    EmulatorPort,
    /// How long the access tokens of that emulator live.
    EmulatorTokenTtl,
}

impl Setting {
    /// The environment variable of [`Config::from_env`](crate::Config::from_env), if the setting has one.
    pub fn variable(self) -> Option<&'static str> {
        self.names().0
    }

    /// Whether the value is a secret: no message shows it, and the variable with `_FILE` appended may name a file that
    /// holds it.
    pub fn is_secret(self) -> bool {
        matches!(
            self,
            Self::ApiKey | Self::CookiePassword | Self::OtherPasswords | Self::WebhookSecret
        )
    }

    /// The method that takes the setting, such as `with_cookie_name`: of [`Config`](crate::Config), or of a type of
    /// `authkit-tower` for the settings of that crate. [`Display`](fmt::Display) names the type.
    pub fn method(self) -> &'static str {
        self.names().1
    }

    /// The type whose method takes the setting.
    fn owner(self) -> &'static str {
        if matches!(self, Self::TrustedOrigins | Self::Exceptions | Self::AuthKitDomain) {
            "AuthKitLayer"
        } else if self == Self::ProtectedResource {
            "ProtectedResource"
        } else if self == Self::WebhookSecret {
            "Webhooks"
        } else if self == Self::Development {
            "AuthKit"
        } else if [Self::ApplicationPort, Self::EmulatorPort, Self::EmulatorTokenTtl]
            .contains(&self)
        {
            "EnvOrEmulator"
        } else {
            "Config"
        }
    }

    fn names(self) -> (Option<&'static str>, &'static str) {
        match self {
            Self::ClientId => (Some("WORKOS_CLIENT_ID"), "new"),
            Self::ApiKey => (Some("WORKOS_API_KEY"), "new"),
            Self::RedirectUri => (Some("WORKOS_REDIRECT_URI"), "new"),
            Self::CookiePassword => (Some("WORKOS_COOKIE_PASSWORD"), "new"),
            Self::OtherPasswords => (Some("WORKOS_COOKIE_PASSWORD_OTHERS"), "with_other_passwords"),
            Self::PinnedNeighbours => {
                (Some("WORKOS_COOKIE_PASSWORD_PIN_NEIGHBOURS"), "with_pinned_neighbours")
            }
            Self::SealFormat => (Some("WORKOS_SEAL_FORMAT"), "with_seal_format"),
            Self::CookieName => (Some("WORKOS_COOKIE_NAME"), "with_cookie_name"),
            Self::CookieDomain => (Some("WORKOS_COOKIE_DOMAIN"), "with_cookie_domain"),
            Self::CookieMaxAge => (Some("WORKOS_COOKIE_MAX_AGE"), "with_cookie_max_age"),
            Self::SameSite => (Some("WORKOS_COOKIE_SAMESITE"), "with_same_site"),
            Self::HostPrefix => (None, "with_host_prefix"),
            Self::BaseUrl => (Some("WORKOS_BASE_URL"), "with_base_url"),
            Self::ApiHostname => (Some("WORKOS_API_HOSTNAME"), "with_base_url"),
            Self::ApiHttps => (Some("WORKOS_API_HTTPS"), "with_base_url"),
            Self::ApiPort => (Some("WORKOS_API_PORT"), "with_base_url"),
            Self::AuthorizeBaseUrl => {
                (Some("WORKOS_AUTHORIZE_BASE_URL"), "with_authorize_base_url")
            }
            Self::Issuers => (Some("WORKOS_ISSUER"), "with_issuers"),
            Self::Audiences => (None, "with_audiences"),
            Self::Leeway => (None, "with_leeway"),
            Self::Origins => (Some("WORKOS_ORIGINS"), "with_origins"),
            Self::ReturnOrigins => (Some("WORKOS_RETURN_ORIGINS"), "with_return_origins"),
            Self::BasePath => (Some("WORKOS_BASE_PATH"), "with_base_path"),
            Self::LoginPath => (None, "with_login_path"),
            Self::LogoutPath => (None, "with_logout_path"),
            Self::AfterLogout => (None, "with_after_logout"),
            Self::Certificates => (Some("SSL_CERT_FILE"), "with_transport"),
            Self::TrustedOrigins => (None, "with_trusted_origins"),
            Self::Exceptions => (None, "except"),
            Self::AuthKitDomain => (None, "with_machines"),
            Self::ProtectedResource | Self::WebhookSecret => (None, "new"),
            Self::Development => (Some("AUTHKIT_DEV"), "from_env_or_emulator"),
            Self::ApplicationPort => (Some("PORT"), "with_port"),
            Self::EmulatorPort => (Some("EMULATOR_PORT"), "with_emulator_port"),
            Self::EmulatorTokenTtl => (Some("EMULATOR_TOKEN_TTL"), "with_token_ttl"),
        }
    }

    #[cfg(test)]
    pub(super) const ALL: [Self; 27] = [
        Self::ClientId,
        Self::ApiKey,
        Self::RedirectUri,
        Self::CookiePassword,
        Self::OtherPasswords,
        Self::PinnedNeighbours,
        Self::SealFormat,
        Self::CookieName,
        Self::CookieDomain,
        Self::CookieMaxAge,
        Self::SameSite,
        Self::HostPrefix,
        Self::BaseUrl,
        Self::ApiHostname,
        Self::ApiHttps,
        Self::ApiPort,
        Self::AuthorizeBaseUrl,
        Self::Issuers,
        Self::Audiences,
        Self::Leeway,
        Self::Origins,
        Self::ReturnOrigins,
        Self::BasePath,
        Self::LoginPath,
        Self::LogoutPath,
        Self::AfterLogout,
        Self::Certificates,
    ];
}

/// Both names: `WORKOS_COOKIE_NAME (Config::with_cookie_name)`.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let owner = self.owner();
        match self.names() {
            (Some(variable), method) => write!(f, "{variable} ({owner}::{method})"),
            (None, method) => write!(f, "{owner}::{method}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_of_another_type_is_named_with_it() {
        let cases = [
            (Setting::CookieName, "WORKOS_COOKIE_NAME (Config::with_cookie_name)"),
            (Setting::HostPrefix, "Config::with_host_prefix"),
            (Setting::TrustedOrigins, "AuthKitLayer::with_trusted_origins"),
            (Setting::Exceptions, "AuthKitLayer::except"),
            (Setting::AuthKitDomain, "AuthKitLayer::with_machines"),
            (Setting::ProtectedResource, "ProtectedResource::new"),
            (Setting::WebhookSecret, "Webhooks::new"),
            (Setting::Development, "AUTHKIT_DEV (AuthKit::from_env_or_emulator)"),
            (Setting::ApplicationPort, "PORT (EnvOrEmulator::with_port)"),
            (Setting::EmulatorPort, "EMULATOR_PORT (EnvOrEmulator::with_emulator_port)"),
            (Setting::EmulatorTokenTtl, "EMULATOR_TOKEN_TTL (EnvOrEmulator::with_token_ttl)"),
        ];
        for (setting, expected) in cases {
            assert_eq!(setting.to_string(), expected);
        }
    }

    #[test]
    fn every_setting_is_called_as_the_code_and_the_table_of_variables_call_it() {
        let builder = include_str!("../config.rs");
        for setting in Setting::ALL {
            assert!(builder.contains(&format!("pub fn {}(", setting.method())), "{setting}");
            let variable = setting.variable().map(str::to_owned);
            let file = variable.as_ref().filter(|_| setting.is_secret());
            for variable in file.map(|variable| format!("{variable}_FILE")).iter().chain(&variable)
            {
                let is_documented = builder
                    .lines()
                    .any(|line| line.contains("///") && line.contains(&format!("`{variable}`")));
                assert!(is_documented, "{variable}");
            }
        }
    }
}
