use std::collections::BTreeMap;

use aws_lc_rs::digest;
use serde_json::{Map, Value, json};

use crate::{state::User, template::Template};

/// The users, organizations, memberships, and permissions of roles.
#[derive(Clone, Debug, Default)]
pub(crate) struct Directory {
    users: Vec<User>,
    organizations: Vec<Organization>,
    memberships: Vec<Membership>,
    roles: BTreeMap<String, Vec<String>>,
    /// The JWT template, and the claims of all users.
    template: Option<Template>,
    claims: Map<String, Value>,
}

#[derive(Clone, Debug)]
pub(crate) struct Organization {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) external_id: Value,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) entitlements: Vec<String>,
    pub(crate) feature_flags: Vec<String>,
    pub(crate) claims: Map<String, Value>,
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

    pub(crate) fn organization_mut(&mut self, id: &str) -> Option<&mut Organization> {
        self.organizations.iter_mut().find(|organization| organization.id == id)
    }

    /// Finds an organization by id or by name.
    pub(crate) fn organization_named(&self, id_or_name: &str) -> Option<&Organization> {
        let named = |organization: &&Organization| {
            organization.id == id_or_name || organization.name == id_or_name
        };
        self.organizations.iter().find(named)
    }

    /// Finds a user by address or by id.
    pub(crate) fn user_named(&self, email_or_id: &str) -> Option<&User> {
        self.user_by_email(email_or_id).or_else(|| self.user(email_or_id))
    }

    /// The user with an address or id. Panics if there is none, so that a typing error stops the test.
    pub(crate) fn expect_user(&self, email: &str) -> &User {
        self.user_named(email).unwrap_or_else(|| panic!("the emulator knows no user {email}"))
    }

    /// The id of the organization with an id or name. Panics if there is none, so that a typing error stops the test.
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

    pub(crate) fn template(&self) -> Option<&Template> {
        self.template.as_ref()
    }

    pub(crate) fn set_template(&mut self, template: Template) {
        self.template = Some(template);
    }

    /// The claims of all users' tokens.
    pub(crate) fn claims_for_all(&self) -> &Map<String, Value> {
        &self.claims
    }

    pub(crate) fn set_claims_for_all(&mut self, claims: Map<String, Value>) {
        self.claims.extend(claims);
    }

    pub(crate) fn remove_user(&mut self, id: &str) {
        self.users.retain(|user| user.id != id);
        self.memberships.retain(|membership| membership.user_id != id);
    }

    pub(crate) fn remove_organization(&mut self, id: &str) {
        self.organizations.retain(|organization| organization.id != id);
        self.memberships.retain(|membership| membership.organization_id != id);
    }

    pub(crate) fn add_organization(&mut self, organization: Organization) {
        self.organizations.push(organization);
    }

    pub(crate) fn add_role(&mut self, slug: String, permissions: Vec<String>) {
        self.roles.insert(slug, permissions);
    }

    /// Makes a user a member, or gives a member another role.
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

impl Membership {
    /// A membership's id. It is a hash of user and organization, so that a membership keeps its id over changes.
    pub(crate) fn id(&self) -> String {
        let parts = format!("{} {}", self.user_id, self.organization_id);
        let digest = digest::digest(&digest::SHA256, parts.as_bytes());
        let hex: String = digest.as_ref()[..13].iter().map(|byte| format!("{byte:02X}")).collect();
        format!("om_{hex}")
    }
}

impl Organization {
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "object": "organization",
            "id": self.id,
            "name": self.name,
            "external_id": self.external_id,
            "metadata": self.metadata,
            "domains": [],
            "allow_profiles_outside_organization": false,
        })
    }
}
