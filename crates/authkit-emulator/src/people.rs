use serde_json::{Map, Value};

use crate::{
    seed::FileOrganization,
    state::{Directory, Membership, Shared, User, events},
    user_change::UserChange,
};

/// A user who can sign in, for lists such as a development server's start-up message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct UserInfo {
    /// User id, such as `user_01ALICE000000000000000000`.
    pub id: String,
    /// E-mail address.
    pub email: String,
    /// Name, or the address if the user has no name.
    pub name: String,
    /// Organizations, in the order of the seed.
    pub memberships: Vec<MembershipInfo>,
    /// Who impersonates this user in every session, if anybody does.
    pub impersonated_by: Option<String>,
}

/// A user's membership in an organization.
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

/// Users and organizations of a running emulator; see [`Emulator::people`](crate::Emulator::people).
///
/// A user is named by address or id, an organization by id or name.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// emulator.people().set_role("bob@acme.test", "Acme Corp", "admin");
/// assert_eq!(emulator.session("bob@acme.test").claims()["role"], "admin");
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct People<'a> {
    shared: &'a Shared,
}

impl<'a> People<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared }
    }

    /// All users, in the order of the seed.
    pub fn users(&self) -> Vec<UserInfo> {
        UserInfo::all(&self.shared.lock().directory)
    }

    /// Gives a member of an organization another role, or makes a user a member. Sessions see it at their next refresh.
    ///
    /// # Panics
    ///
    /// If there is no such user or organization.
    pub fn set_role(&self, email: &str, organization: &str, role: &str) {
        let mut state = self.shared.lock();
        let user_id = state.directory.expect_user(email).id.clone();
        let organization_id = state.directory.expect_organization(organization);
        events::set_membership(
            &mut state,
            Membership { user_id, organization_id, role: role.to_owned() },
        );
    }

    /// Removes a user from an organization. Sessions see it at their next refresh.
    ///
    /// # Panics
    ///
    /// If there is no such user or organization.
    pub fn remove_membership(&self, email: &str, organization: &str) {
        let mut state = self.shared.lock();
        let user_id = state.directory.expect_user(email).id.clone();
        let organization_id = state.directory.expect_organization(organization);
        events::remove_membership(&mut state, &user_id, &organization_id);
    }

    /// Removes a user and ends all of that user's sessions.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn remove_user(&self, email: &str) {
        let mut state = self.shared.lock();
        let user_id = state.directory.expect_user(email).id.clone();
        events::remove_user(&mut state, &user_id);
    }

    /// Adds a user in the format of a seed's `users`, given as JSON.
    ///
    /// # Panics
    ///
    /// If the user is not valid, or a user with this address or id exists.
    pub fn add_user(&self, user: Value) -> UserInfo {
        let user = serde_json::from_value(user).map_err(|error| error.to_string());
        let mut state = self.shared.lock();
        let id = user.and_then(|user| events::add_user(&mut state, user));
        let id = id.unwrap_or_else(|problem| panic!("this user cannot be added: {problem}"));
        UserInfo::new(state.directory.expect_user(&id), &state.directory)
    }

    /// Adds an organization in the format of a seed's `organizations`, given as JSON; returns its id.
    ///
    /// # Panics
    ///
    /// If the organization is not valid, or one with this id exists.
    pub fn add_organization(&self, organization: Value) -> String {
        let organization: Result<FileOrganization, _> = serde_json::from_value(organization);
        let mut state = self.shared.lock();
        let now = state.now();
        let id = organization
            .map_err(|error| error.to_string())
            .and_then(|organization| organization.add_to(&mut state.directory, now));
        id.unwrap_or_else(|problem| panic!("this organization cannot be added: {problem}"))
    }

    /// Removes an organization and its memberships. Its sessions go on until their next refresh, which the emulator
    /// refuses with `organization_not_found`.
    ///
    /// # Panics
    ///
    /// If there is no such organization.
    pub fn remove_organization(&self, organization: &str) {
        let mut state = self.shared.lock();
        let id = state.directory.expect_organization(organization);
        events::remove_organization(&mut state, &id);
    }

    /// Changes members and claims of a user to any value, from now on; see [`UserChange`]. Changes add up.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn change_user(&self, email: &str, change: UserChange) {
        let mut state = self.shared.lock();
        let id = state.directory.expect_user(email).id.clone();
        events::change_user(&mut state, &id, change);
    }

    /// Sets a custom claim in the access tokens that a user gets from now on.
    ///
    /// As in a JWT template, `iss`, `sub`, `exp`, `iat`, `nbf` and `jti` cannot be set, and `null` leaves a claim out.
    /// Every other claim can be set to any value, including standard claims such as `role`. A user's claims win over
    /// those of the organization, and these over those of all users.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn set_claim(&self, email: &str, name: &str, value: Value) {
        self.change_user(email, UserChange::new().claim(name, value));
    }

    /// Sets a custom claim in all access tokens for an organization, as [`set_claim`](Self::set_claim) does.
    ///
    /// # Panics
    ///
    /// If there is no such organization.
    pub fn set_organization_claim(&self, organization: &str, name: &str, value: Value) {
        let mut state = self.shared.lock();
        let id = state.directory.expect_organization(organization);
        if let Some(organization) = state.directory.organization_mut(&id) {
            organization.claims.insert(name.to_owned(), value);
        }
    }

    /// Sets a custom claim in the access tokens of all users, as [`set_claim`](Self::set_claim) does.
    pub fn set_claim_for_all(&self, name: &str, value: Value) {
        let claims = Map::from_iter([(name.to_owned(), value)]);
        self.shared.lock().directory.set_claims_for_all(claims);
    }

    /// The code that production would have mailed to a user whose sign-in by password stopped at
    /// `email_verification_required`, if such a sign-in is pending.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    pub fn verification_code(&self, email: &str) -> Option<String> {
        let state = self.shared.lock();
        let user_id = &state.directory.expect_user(email).id;
        state.codes.verification_code(user_id, state.now()).map(str::to_owned)
    }
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
