use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    ids,
    seed::check_id,
    state::{Directory, Membership, Organization},
};

/// An organization in a seed file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileOrganization {
    name: String,
    id: Option<String>,
    #[serde(default)]
    external_id: Value,
    #[serde(default)]
    metadata: Map<String, Value>,
    #[serde(default)]
    entitlements: Vec<String>,
    #[serde(default)]
    feature_flags: Vec<String>,
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    memberships: Vec<FileMembership>,

    #[serde(default, rename = "domains")]
    _domains: Value,
    #[serde(default, rename = "allow_profiles_outside_organization")]
    _allow_profiles_outside_organization: Value,
    #[serde(default, rename = "groups")]
    _groups: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMembership {
    email: Option<String>,
    user_id: Option<String>,
    role: Option<String>,
    #[serde(default)]
    status: FileStatus,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FileStatus {
    #[default]
    Active,
    Inactive,
    Pending,
}

impl FileOrganization {
    /// Adds the organization and its memberships, and returns its id.
    pub(crate) fn add_to(
        self,
        directory: &mut Directory,
        now: SystemTime,
    ) -> Result<String, String> {
        let id = self.id.unwrap_or_else(|| ids::object_id("org", now));
        check_id(&id)?;
        if directory.organization(&id).is_some() {
            return Err(format!("the id {id} is there twice"));
        }
        let mut memberships = Vec::new();
        for (index, membership) in self.memberships.into_iter().enumerate() {
            let user = match (&membership.email, &membership.user_id) {
                (Some(email), None) => directory.user_by_email(email),
                (None, Some(user_id)) => directory.user(user_id),
                (None, None) | (Some(_), Some(_)) => {
                    return Err(format!(
                        "memberships[{index}]: name the user by `email` or by `user_id`"
                    ));
                }
            };
            let user_id = user
                .ok_or_else(|| format!("memberships[{index}]: no such user in `users`"))?
                .id
                .clone();
            if matches!(membership.status, FileStatus::Active) {
                let role = membership.role.unwrap_or_else(|| "member".to_owned());
                memberships.push(Membership { user_id, organization_id: id.clone(), role });
            }
        }
        directory.add_organization(Organization {
            id: id.clone(),
            name: self.name,
            external_id: self.external_id,
            metadata: self.metadata,
            entitlements: self.entitlements,
            feature_flags: self.feature_flags,
            claims: self.claims,
        });
        memberships.into_iter().for_each(|membership| directory.add_membership(membership));
        Ok(id)
    }
}
