use std::{collections::BTreeMap, time::SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    clock::{self, timestamp},
    ids,
};

/// Who there is: users, organizations, who belongs where, and what a role may do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    users: Vec<User>,
    organizations: Vec<Organization>,
    memberships: Vec<Membership>,
    roles: BTreeMap<String, Vec<String>>,
}

#[derive(Clone)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) first_name: Option<String>,
    pub(crate) last_name: Option<String>,
    pub(crate) email_verified: bool,
    pub(crate) password: Option<String>,
    pub(crate) external_id: Option<String>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) impersonator: Option<Impersonator>,
    pub(crate) oauth_provider: Option<String>,
    pub(crate) profile_picture_url: Option<String>,
    pub(crate) locale: Option<String>,
    pub(crate) feature_flags: Vec<String>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) last_sign_in_at: Option<SystemTime>,
    pub(crate) created_at: SystemTime,
    pub(crate) updated_at: SystemTime,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Impersonator {
    pub(crate) email: String,
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) entitlements: Vec<String>,
    pub(crate) feature_flags: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Membership {
    pub(crate) user_id: String,
    pub(crate) organization_id: String,
    pub(crate) role: String,
}

impl Directory {
    pub(crate) fn users(&self) -> &[User] {
        &self.users
    }

    pub(crate) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(crate) fn user_mut(&mut self, id: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.id == id)
    }

    /// Addresses are compared without case, as WorkOS does.
    pub(crate) fn user_by_email(&self, email: &str) -> Option<&User> {
        let email = email.trim().to_lowercase();
        self.users.iter().find(|user| user.email.to_lowercase() == email)
    }

    pub(crate) fn organization(&self, id: &str) -> Option<&Organization> {
        self.organizations.iter().find(|organization| organization.id == id)
    }

    /// Finds an organization by id or by name.
    pub(crate) fn organization_named(&self, id_or_name: &str) -> Option<&Organization> {
        let named = |organization: &&Organization| {
            organization.id == id_or_name || organization.name == id_or_name
        };
        self.organizations.iter().find(named)
    }

    /// The user with an address, in calls where a typing error should stop the test.
    pub(crate) fn expect_user(&self, email: &str) -> &User {
        self.user_by_email(email).unwrap_or_else(|| panic!("the emulator knows no user {email}"))
    }

    /// The id of an organization named by id or name, in calls where a typing error should stop the test.
    pub(crate) fn expect_organization(&self, id_or_name: &str) -> String {
        let organization = self.organization_named(id_or_name);
        organization
            .unwrap_or_else(|| panic!("the emulator knows no organization {id_or_name}"))
            .id
            .clone()
    }

    pub(crate) fn membership(&self, user_id: &str, organization_id: &str) -> Option<&Membership> {
        self.memberships_of(user_id)
            .find(|membership| membership.organization_id == organization_id)
    }

    pub(crate) fn memberships_of(&self, user_id: &str) -> impl Iterator<Item = &Membership> {
        self.memberships.iter().filter(move |membership| membership.user_id == user_id)
    }

    pub(crate) fn organizations_of(&self, user_id: &str) -> Vec<&Organization> {
        self.memberships_of(user_id)
            .filter_map(|membership| self.organization(&membership.organization_id))
            .collect()
    }

    pub(crate) fn permissions_of(&self, role: &str) -> &[String] {
        self.roles.get(role).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn add_user(&mut self, user: User) {
        self.users.push(user);
    }

    /// Adds a user who is known by an address only.
    pub(crate) fn sign_up(&mut self, email: &str, now: SystemTime) -> String {
        let user = User::new(email.trim(), now);
        let id = user.id.clone();
        self.users.push(user);
        id
    }

    pub(crate) fn remove_user(&mut self, id: &str) {
        self.users.retain(|user| user.id != id);
        self.memberships.retain(|membership| membership.user_id != id);
    }

    pub(crate) fn add_organization(&mut self, organization: Organization) {
        self.organizations.push(organization);
    }

    pub(crate) fn add_role(&mut self, slug: String, permissions: Vec<String>) {
        self.roles.insert(slug, permissions);
    }

    /// Makes somebody a member, or gives a member another role.
    pub(crate) fn add_membership(&mut self, membership: Membership) {
        let same = |other: &&mut Membership| {
            other.user_id == membership.user_id
                && other.organization_id == membership.organization_id
        };
        match self.memberships.iter_mut().find(same) {
            Some(existing) => existing.role = membership.role,
            None => self.memberships.push(membership),
        }
    }

    pub(crate) fn remove_membership(&mut self, user_id: &str, organization_id: &str) {
        self.memberships.retain(|membership| {
            membership.user_id != user_id || membership.organization_id != organization_id
        });
    }
}

impl User {
    fn new(email: &str, now: SystemTime) -> Self {
        Self {
            id: ids::object_id("user", now),
            email: email.to_owned(),
            name: None,
            first_name: None,
            last_name: None,
            email_verified: true,
            password: None,
            external_id: None,
            metadata: Map::new(),
            impersonator: None,
            oauth_provider: None,
            profile_picture_url: None,
            locale: None,
            feature_flags: Vec::new(),
            claims: Map::new(),
            last_sign_in_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// What a person is called on a page.
    pub(crate) fn display_name(&self) -> String {
        match (&self.name, &self.first_name, &self.last_name) {
            (Some(name), _, _) => name.clone(),
            (None, Some(first), Some(last)) => format!("{first} {last}"),
            (None, Some(name), None) | (None, None, Some(name)) => name.clone(),
            (None, None, None) => self.email.clone(),
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        json!({
            "object": "user",
            "id": self.id,
            "email": self.email,
            "email_verified": self.email_verified,
            "name": self.name,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "profile_picture_url": self.profile_picture_url,
            "external_id": self.external_id,
            "metadata": self.metadata,
            "last_sign_in_at": self.last_sign_in_at.map(timestamp),
            "locale": self.locale,
            "created_at": clock::timestamp(self.created_at),
            "updated_at": clock::timestamp(self.updated_at),
        })
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Impersonator {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "email": self.email, "reason": self.reason })
    }
}
