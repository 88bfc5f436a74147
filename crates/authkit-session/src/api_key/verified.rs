use std::{fmt, time::SystemTime};

use crate::token::TokenIdentity;

/// A customer's API key that WorkOS has accepted.
///
/// Its [`Debug`] output shows ids only; the key itself is not kept.
#[derive(Clone)]
pub struct VerifiedApiKey {
    pub(super) id: Box<str>,
    pub(super) name: Option<Box<str>>,
    pub(super) owner: ApiKeyOwner,
    pub(super) permissions: Vec<String>,
    pub(super) expires_at: Option<SystemTime>,
    /// When the service asked WorkOS.
    pub(super) validated_at: SystemTime,
}

/// Who owns an API key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "an owner of another kind is refused until it is known what it stands for"
)]
pub enum ApiKeyOwner {
    /// An organization.
    Organization {
        /// Its id (`org_…`).
        id: Box<str>,
    },
    /// A user, for one organization.
    User {
        /// The user's id (`user_…`).
        id: Box<str>,
        /// The organization's id (`org_…`).
        organization_id: Box<str>,
    },
}

impl VerifiedApiKey {
    /// The key's id (`api_key_…`), which is no secret.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The name that the owner gave the key.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Who owns the key.
    pub fn owner(&self) -> &ApiKeyOwner {
        &self.owner
    }

    /// The id of the key's owner: a user's (`user_…`) or an organization's (`org_…`).
    pub fn owner_id(&self) -> &str {
        match &self.owner {
            ApiKeyOwner::Organization { id } | ApiKeyOwner::User { id, .. } => id,
        }
    }

    /// The user who owns the key (`user_…`); `None` if an organization owns it.
    pub fn user_id(&self) -> Option<&str> {
        match &self.owner {
            ApiKeyOwner::Organization { .. } => None,
            ApiKeyOwner::User { id, .. } => Some(id),
        }
    }

    /// The organization that the key gives access to (`org_…`).
    pub fn organization_id(&self) -> &str {
        match &self.owner {
            ApiKeyOwner::Organization { id } => id,
            ApiKeyOwner::User { organization_id, .. } => organization_id,
        }
    }

    /// The permissions that the key was given.
    pub fn permissions(&self) -> &[String] {
        &self.permissions
    }

    /// When the key expires; `None` if it never does.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// When the service asked WorkOS about the key.
    pub fn validated_at(&self) -> SystemTime {
        self.validated_at
    }

    /// The key's owner, as cut-offs compare it.
    pub(crate) fn owner_identity(&self) -> TokenIdentity<'_> {
        TokenIdentity {
            subject: self.user_id(),
            session: None,
            organization: Some(self.organization_id()),
            issued_at: seconds(self.validated_at),
        }
    }

    pub(crate) fn validated_second(&self) -> u64 {
        seconds(self.validated_at)
    }
}

impl fmt::Debug for VerifiedApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedApiKey")
            .field("id", &self.id)
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        end::{revocation::Revocation, watch::PrincipalWatch},
        testing::OwnerParts,
    };

    /// WorkOS is asked again about a key whose owner has changed when the key comes again.
    #[tokio::test]
    async fn a_watch_ends_with_its_key_and_not_with_a_change_of_it() {
        let now = OwnerParts::new(|config| config).clock.wall();
        let cases = [
            ("nothing", None, false),
            ("the key ends", Some(Revocation::api_key("api_key_1", now)), true),
            ("another key ends", Some(Revocation::api_key("api_key_2", now)), false),
            ("the key changes", Some(Revocation::changed_api_key("api_key_1", now)), false),
            ("its organization is gone", Some(Revocation::organization("org_1", now)), false),
        ];
        for (name, revocation, expected) in cases {
            let parts = OwnerParts::new(|config| config);
            let publisher = parts.publisher();
            let ender = parts.ender_with(Arc::clone(&publisher));
            let key = Arc::new(VerifiedApiKey {
                id: "api_key_1".into(),
                name: None,
                owner: ApiKeyOwner::Organization { id: "org_1".into() },
                permissions: Vec::new(),
                expires_at: None,
                validated_at: now,
            });
            let watch = PrincipalWatch::of_api_key(ender, &key);
            if let Some(revocation) = revocation {
                publisher.revoke(&revocation).await.unwrap();
            }
            assert_eq!(watch.has_ended(), expected, "{name}");
        }
    }
}
