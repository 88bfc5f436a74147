//! Seed files: the users and organizations that exist when the emulator starts.

mod file;
mod organization;
mod user;
mod webhook;

use std::{fmt, fs, path::Path, str::FromStr};

pub(crate) use self::{organization::FileOrganization, user::FileUser, webhook::FileWebhook};
use serde_json::Value;

use crate::{error::SeedError, state::Directory};

/// The users, organizations and roles that exist when the emulator starts.
///
/// The format is the official emulator's seed file, YAML or JSON; an existing file works as it is.
/// An unknown key is an error that names the key.
///
/// | section | official keys | beyond the official format |
/// |---|---|---|
/// | `users` | `email` (the only one required), `id`, `first_name`, `last_name`, `name`, `password`, `email_verified`, `external_id`, `metadata`, `impersonator: { email, reason }`, `oauth_provider`, `oauth_idp_id` | `profile_picture_url`, `locale`, `feature_flags`; `claims`; `fields`, `without_fields`, `answer_fields`, `without_answer_fields` |
/// | `organizations` | `name` (required), `id`, `external_id`, `metadata`, `entitlements`, `memberships: [{ email, role, status }]` | `memberships` by `user_id`, `feature_flags`, `claims` |
/// | `roles` | `slug` (required), `permissions` | |
/// | `permissions` | accepted and ignored; roles list their permissions | |
/// | `apiKeys` | further API keys that are valid besides [`Emulator::api_key`](crate::Emulator::api_key) | |
/// | `webhookEndpoints` | `endpoint_url` (required; `url` is an alias), `secret` (default: a random one, which [`Webhooks::all`](crate::Webhooks::all) returns and the program prints), `events` (all if empty), `enabled` | |
/// | `jwtTemplate` | `content`: text with expressions such as `{{ user.email }}` that renders to the custom claims of every token | |
/// | `claims` | | custom claims of every token, without a template |
/// | `redirect_uris`, `logout_uris` | | if given, the only addresses to redirect to after a sign-in, or a sign-out |
///
/// `connections`, `pipeConnections`, `connectedAccounts`, `invitations`, `connectApplications`, `errorHooks`, a
/// user's `totp`, and an organization's `domains`, `groups` and `allow_profiles_outside_organization` are accepted
/// and ignored: they change nothing about sessions.
///
/// # Data of any type
///
/// `claims` are custom claims as a JWT template sets them: a map from name to any JSON. A user's claims win over those of
/// the organization, these over those of the top level, and these over the template's; `null` leaves a claim out.
/// `fields` replace members of the user object, and `answer_fields` members of the answer of `authenticate` for the user,
/// by values of any type; the `without_` lists leave members out:
///
/// ```yaml
/// users:
///   - email: zoe@initech.test          # identifies her, whatever the answers contain
///     fields: { email: null, locale: {}, metadata: { seats: 5 } }
///     without_fields: [last_name]
///     answer_fields: { authentication_method: 7, impersonator: [] }
///     claims: { role: { slug: admin }, permissions: "a b", auth_time: x }
/// ```
///
/// The default seed has four users, each with the password `<first name>-password`:
///
/// | e-mail | organizations |
/// |---|---|
/// | `alice@acme.test` | Acme Corp (`admin`) and Globex (`member`) |
/// | `bob@acme.test` | Acme Corp (`member`) |
/// | `carol@example.test` | none |
/// | `dave@acme.test` | Acme Corp (`member`); `support@acme.test` impersonates him in every session |
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
    pub(crate) webhooks: Vec<FileWebhook>,
}

impl Seed {
    /// Reads a seed from a JSON value in the same format.
    ///
    /// # Errors
    ///
    /// [`SeedError`] if the value is not a valid seed.
    pub fn from_json(seed: Value) -> Result<Self, SeedError> {
        file::from_json(seed)
    }

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

/// Whether `text` could be an e-mail address. A rough check is enough, since nothing is mailed.
pub(crate) fn is_address(text: &str) -> bool {
    let parts = text.split_once('@');
    let plain = text.chars().all(|character| !character.is_whitespace() && !character.is_control());
    plain
        && parts.is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

/// Refuses an id that would need encoding, since ids are path segments of the API.
pub(crate) fn check_id(id: &str) -> Result<(), String> {
    let plain =
        |character: char| character.is_ascii_alphanumeric() || character == '_' || character == '-';
    if !id.is_empty() && id.chars().all(plain) {
        Ok(())
    } else {
        Err(format!("the id `{id}` has characters other than letters, digits, `_` and `-`"))
    }
}
