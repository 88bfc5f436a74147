use crate::state::{Directory, User};

/// Somebody who can sign in, for lists such as a development server's start-up message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserInfo {
    /// User id, such as `user_01ALICE000000000000000000`.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Name, or the address of somebody without one.
    pub name: String,
    /// Organizations, in the order of the seed.
    pub memberships: Vec<MembershipInfo>,
    /// Who impersonates this user in every session, if anybody does.
    pub impersonated_by: Option<String>,
}

/// What a user is in an organization.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct MembershipInfo {
    /// Organization id, such as `org_01ACME0000000000000000000`.
    pub organization_id: String,
    /// Organization name.
    pub organization_name: String,
    /// Role slug, such as `admin`.
    pub role: String,
}

impl UserInfo {
    pub(crate) fn all(directory: &Directory) -> Vec<Self> {
        directory.users().iter().map(|user| Self::new(user, directory)).collect()
    }

    fn new(user: &User, directory: &Directory) -> Self {
        let memberships = directory.memberships_of(&user.id).filter_map(|membership| {
            let organization = directory.organization(&membership.organization_id)?;
            Some(MembershipInfo {
                organization_id: organization.id.clone(),
                organization_name: organization.name.clone(),
                role: membership.role.clone(),
            })
        });
        Self {
            id: user.id.clone(),
            email: user.email.clone(),
            name: user.display_name(),
            memberships: memberships.collect(),
            impersonated_by: user
                .impersonator
                .as_ref()
                .map(|impersonator| impersonator.email.clone()),
        }
    }
}

impl Directory {
    /// The user with an address, in calls where a typing error should stop the test.
    pub(crate) fn expect_user(&self, email: &str) -> &User {
        self.user_by_email(email).unwrap_or_else(|| panic!("the emulator knows no user {email}"))
    }

    pub(crate) fn expect_organization(&self, id_or_name: &str) -> String {
        let organization = self.organization_named(id_or_name);
        organization
            .unwrap_or_else(|| panic!("the emulator knows no organization {id_or_name}"))
            .id
            .clone()
    }

    pub(crate) fn pair(&self, email: &str, organization: &str) -> (String, String) {
        (self.expect_user(email).id.clone(), self.expect_organization(organization))
    }
}
