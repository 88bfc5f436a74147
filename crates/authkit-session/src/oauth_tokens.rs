use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::secret::Secret;

/// The tokens of the provider that a user signed in with, such as Google: to call its API in the user's name.
///
/// WorkOS sends them once, with the answer to a sign-in, where the provider is set up to return them ("Return OAuth
/// tokens" in the dashboard). Nothing here keeps or logs them; a cookie in the Python or Node SDK's format holds them as
/// that SDK's would, sealed. Its [`Debug`] output shows no token.
#[derive(Clone)]
pub struct OauthTokens {
    provider: String,
    access_token: Secret,
    refresh_token: Option<Secret>,
    expires_at: Option<SystemTime>,
    scopes: Vec<String>,
}

impl OauthTokens {
    /// Reads WorkOS's `oauth_tokens`; `None` for what has no provider and access token.
    pub(crate) fn read(json: &RawValue) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            provider: String,
            access_token: String,
            #[serde(default)]
            refresh_token: Option<String>,
            /// Unix seconds; 0 for tokens that do not expire.
            #[serde(default)]
            expires_at: Option<u64>,
            #[serde(default)]
            scopes: Option<Vec<String>>,
        }
        let fields: Fields = serde_json::from_str(json.get()).ok()?;
        if fields.access_token.is_empty() {
            return None;
        }
        let at = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
        let refresh_token = fields.refresh_token.filter(|token| !token.is_empty());
        Some(Self {
            provider: fields.provider,
            access_token: Secret::new(fields.access_token),
            refresh_token: refresh_token.map(Secret::new),
            expires_at: fields.expires_at.filter(|seconds| *seconds > 0).and_then(at),
            scopes: fields.scopes.unwrap_or_default(),
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

    /// When the access token ends, if it does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// What the tokens are good for, in the provider's words.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<OauthTokens> {
        OauthTokens::read(&RawValue::from_string(json.to_owned()).unwrap())
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
        let far = read(r#"{"provider":"X","access_token":"a","expires_at":18446744073709551615}"#);
        assert_eq!(far.unwrap().expires_at(), None);
    }
}
