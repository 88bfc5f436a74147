//! Seed files: who exists when the emulator starts.

mod file;

use std::{fmt, fs, path::Path, str::FromStr};

pub(crate) use self::file::is_address;
use crate::{error::SeedError, state::Directory};

/// Users, organizations, roles and permissions that exist from the start.
///
/// The format is the official emulator's seed file, YAML or JSON; an existing file works as it is.
/// What the session flow does not need (connections, invitations, webhook endpoints, ...) is
/// accepted and ignored. A misspelt key is an error that names it.
///
/// | section | keys |
/// |---|---|
/// | `users` | `email` (the only one required), `id`, `first_name`, `last_name`, `name`, `password`, `email_verified`, `external_id`, `metadata`, `impersonator: { email, reason }`, `oauth_provider`; beyond the official format: `profile_picture_url`, `locale`, `feature_flags`, `claims` (a map of custom claims) |
/// | `organizations` | `name` (required), `id`, `entitlements`, `memberships: [{ email, role, status }]`; beyond it: `memberships` by `user_id`, `feature_flags` |
/// | `roles` | `slug` (required), `permissions` |
/// | `permissions` | accepted; roles name what they need |
/// | `apiKeys` | further API keys that are valid besides [`Emulator::api_key`](crate::Emulator::api_key) |
/// | `redirect_uris`, `logout_uris` | beyond the official format: when given, only these are redirected to after signing in, or out |
///
/// The default seed has four users, each with the password `<first name>-password`:
///
/// | e-mail | organizations |
/// |---|---|
/// | `alice@acme.test` | Acme Corp (`admin`) and Globex (`member`) |
/// | `bob@acme.test` | Acme Corp (`member`) |
/// | `carol@example.test` | none |
/// | `dave@acme.test` | Acme Corp (`member`); every session of his is impersonated by `support@acme.test` |
///
/// # Examples
///
/// ```
/// use authkit_emulator::Seed;
///
/// let seed: Seed = "
/// users:
///   - email: zoe@initech.test
/// organizations:
///   - name: Initech
///     memberships: [{ email: zoe@initech.test, role: admin }]
/// ".parse()?;
///
/// let error = "users: [{ mail: zoe@initech.test }]".parse::<Seed>().unwrap_err();
/// assert!(error.to_string().contains("unknown field `mail`"));
/// # Ok::<(), authkit_emulator::SeedError>(())
/// ```
#[derive(Clone)]
pub struct Seed {
    pub(crate) directory: Directory,
    pub(crate) api_keys: Vec<String>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) logout_uris: Vec<String>,
}

impl Seed {
    /// Reads a seed file, YAML or JSON.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if the file cannot be read or is not a valid seed; the message names the file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, SeedError> {
        let path = path.as_ref();
        let named =
            |problem: &dyn fmt::Display| SeedError::new(format!("{}: {problem}", path.display()));
        let text = fs::read_to_string(path).map_err(|error| named(&error))?;
        text.parse().map_err(|error: SeedError| named(&error))
    }
}

impl FromStr for Seed {
    type Err = SeedError;

    /// Parses YAML or JSON.
    fn from_str(text: &str) -> Result<Self, SeedError> {
        file::parse(text)
    }
}

impl Default for Seed {
    fn default() -> Self {
        include_str!("seed/default.yaml").parse().expect("the built-in seed is valid")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Seed").field("users", &self.directory.users().len()).finish_non_exhaustive()
    }
}
