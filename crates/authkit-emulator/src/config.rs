//! The settings that do not change while an emulator runs.

use std::time::Duration;

/// How a browser signs in.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum SignIn {
    /// On a page with the seeded users.
    #[default]
    Interactive,
    /// At once, without a page: as the user whose address is the `login_hint`, else as the first user.
    Automatic,
}

/// How the emulator answers a refresh token that has already been exchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Rotation {
    /// For this long after the exchange, with the same pair of tokens again, as production does for 30 s; then with
    /// `invalid_grant`.
    Grace(Duration),
    /// With `invalid_grant` at once, as the official emulators do.
    Strict,
}

impl Default for Rotation {
    fn default() -> Self {
        Self::Grace(Duration::from_secs(30))
    }
}

/// The settings that do not change while an emulator runs.
pub(crate) struct Config {
    pub(crate) url: String,
    pub(crate) client_id: String,
    pub(crate) api_key: String,
    pub(crate) more_api_keys: Vec<String>,
    pub(crate) issuer: String,
    pub(crate) sign_in: SignIn,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) logout_uris: Vec<String>,
    pub(crate) webhook_pauses: Vec<Duration>,
}

impl Config {
    pub(crate) fn accepts_key(&self, key: &str) -> bool {
        self.api_key == key || self.more_api_keys.iter().any(|other| other == key)
    }
}
