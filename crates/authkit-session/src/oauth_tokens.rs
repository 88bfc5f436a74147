use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    json,
    secret::Secret,
    strictness::{Display, OddValues, Strict},
    token::claims::NumericDate,
};

/// The tokens of the provider that a user signed in with, such as Google, for calls to its API on the user's behalf.
///
/// WorkOS sends them once, with the answer to a sign-in, if the provider is configured to return them ("Return OAuth
/// tokens" in the dashboard). This crate neither stores nor logs them, except that a cookie in the Python or Node SDK's
/// format contains them, sealed, as that SDK's own cookies do. The [`Debug`] output shows no token.
#[derive(Clone)]
pub struct OauthTokens {
    provider: String,
    access_token: Secret,
    refresh_token: Option<Secret>,
    expires_at: Option<SystemTime>,
    scopes: Vec<String>,
}

impl OauthTokens {
    /// Reads WorkOS's `oauth_tokens`; `None` if the provider or the access token is missing.
    pub(crate) fn read(json: &str) -> Option<Self> {
        let mut fields = OauthFields::default();
        json::members(json, |name, value| match &*name.text() {
            "provider" => fields.provider.read(value),
            "access_token" => fields.access_token.read(value),
            "refresh_token" => fields.refresh_token.read(value),
            "expires_at" => fields.expires_at.read(value),
            "scopes" => fields.scopes.read(value),
            _ => {}
        })?;
        // Of what cannot be read, the application is told that it is not there. Nothing here decides on it.
        let odd = &mut OddValues::default();
        let access_token = fields.access_token.value(()).ok()??;
        if access_token.is_empty() {
            return None;
        }
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let refresh_token = fields.refresh_token.value("oauth_tokens.refresh_token", odd);
        let refresh_token = refresh_token.filter(|token| !token.is_empty());
        let expires_at = fields.expires_at.value("oauth_tokens.expires_at", odd);
        Some(Self {
            provider: fields.provider.value(()).ok()??,
            access_token: Secret::new(access_token),
            refresh_token: refresh_token.map(Secret::new),
            expires_at: expires_at.map(NumericDate::rounded_down).filter(|it| *it > 0).and_then(at),
            scopes: fields.scopes.value("oauth_tokens.scopes", odd).unwrap_or_default(),
        })
    }

    /// WorkOS's name of the provider, such as `GoogleOAuth`.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// The provider's access token.
    pub fn access_token(&self) -> &Secret {
        &self.access_token
    }

    /// The provider's refresh token, if it gave one.
    pub fn refresh_token(&self) -> Option<&Secret> {
        self.refresh_token.as_ref()
    }

    /// When the access token expires; `None` if it does not.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// The scopes of the tokens, as the provider names them.
    pub fn scopes(&self) -> &[String] {
        &self.scopes
    }
}

impl fmt::Debug for OauthTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OauthTokens")
            .field("provider", &self.provider)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct OauthFields {
    provider: Strict<String>,
    access_token: Strict<String>,
    refresh_token: Display<String>,
    expires_at: Display<NumericDate>,
    scopes: Display<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<OauthTokens> {
        OauthTokens::read(json)
    }

    #[test]
    fn what_workos_sends_is_read_and_not_shown() {
        let whole = r#"{"provider":"GoogleOAuth","access_token":"ya29.a","refresh_token":"1//r",
            "expires_at":1800000000,"scopes":["email","calendar"],"new":1}"#;
        let tokens = read(whole).unwrap();
        assert_eq!(tokens.provider(), "GoogleOAuth");
        assert_eq!(tokens.access_token().expose(), "ya29.a");
        assert_eq!(tokens.refresh_token().map(Secret::expose), Some("1//r"));
        assert_eq!(tokens.expires_at(), Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000)));
        assert_eq!(tokens.scopes(), ["email", "calendar"]);
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("ya29") && !shown.contains("1//r"), "{shown}");

        let least = read(
            r#"{"provider":"X","access_token":"a","refresh_token":"","expires_at":0,"scopes":null}"#,
        );
        let least = least.unwrap();
        assert!(least.refresh_token().is_none() && least.expires_at().is_none());
        assert!(least.scopes().is_empty());
        for odd in
            ["null", "[]", "7", r#"{"provider":"X"}"#, r#"{"provider":"X","access_token":""}"#]
        {
            assert!(read(odd).is_none(), "{odd}");
        }
        let mut odd = String::new();
        for member in ["refresh_token", "expires_at", "scopes"] {
            for value in [r#""\ud83d""#, "1e999", "{}", "true", r#"["a",1]"#] {
                odd = format!(r#"{{"provider":"X","access_token":"a","{member}":{value}}}"#);
                let tokens = read(&odd).unwrap();
                assert_eq!(tokens.access_token().expose(), "a", "{odd}");
                assert!(tokens.refresh_token().is_none() && tokens.expires_at().is_none());
                assert!(tokens.scopes().is_empty(), "{odd}");
            }
        }
        let fraction = odd.replace("scopes", "expires_at").replace(r#"["a",1]"#, "1.8e9");
        let at = Some(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        assert_eq!(read(&fraction).unwrap().expires_at(), at, "{fraction}");
        let far = read(r#"{"provider":"X","access_token":"a","expires_at":18446744073709551615}"#);
        assert_eq!(far.unwrap().expires_at(), None);
    }
}
