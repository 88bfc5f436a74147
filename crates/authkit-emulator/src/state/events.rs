//! Changes of the state that are sent as events to webhooks.

use std::time::SystemTime;

use serde_json::{Value, json};

use crate::{
    clock::timestamp,
    overrides::Overrides,
    seed::FileUser,
    state::{Membership, State, User},
    user_change::UserChange,
};

/// Ends a session; false if no session has that id. Ending it again changes nothing.
pub(crate) fn end_session(state: &mut State, id: &str) -> bool {
    let now = state.now();
    let was_active = state.sessions.get(id).is_some_and(|session| session.ended_at.is_none());
    let known = state.sessions.end(id, now);
    if let Some(session) = state.sessions.get(id).filter(|_| was_active) {
        state.webhooks.emit("session.revoked", &session.to_json(now), now);
    }
    known
}

/// Adds a user in the format of a seed's `users`, and returns the id.
pub(crate) fn add_user(state: &mut State, user: FileUser) -> Result<String, String> {
    let now = state.now();
    let id = user.add_to(&mut state.directory, now)?;
    if let Some(user) = state.directory.user(&id) {
        state.webhooks.emit("user.created", &user.to_json(), now);
    }
    Ok(id)
}

/// The id of the user with an address; adds a user if nobody has the address.
pub(crate) fn user_or_sign_up(state: &mut State, email: &str) -> String {
    if let Some(user) = state.directory.user_by_email(email) {
        return user.id.clone();
    }
    let now = state.now();
    let user = User::new(email.trim(), now);
    let (id, data) = (user.id.clone(), user.to_json());
    state.directory.add_user(user);
    state.webhooks.emit("user.created", &data, now);
    id
}

/// Changes members and claims of a user; an unknown id changes nothing.
pub(crate) fn change_user(state: &mut State, id: &str, change: UserChange) {
    let now = state.now();
    let Some(user) = state.directory.user_mut(id) else { return };
    if change.reset {
        user.fields = Overrides::default();
        user.answer = Overrides::default();
        user.claims.clear();
    }
    let seen = change.reset || !change.fields.is_empty();
    user.fields.extend(change.fields);
    user.answer.extend(change.answer);
    user.claims.extend(change.claims);
    if seen {
        state.webhooks.emit("user.updated", &user.to_json(), now);
    }
}

/// Removes an organization. Its members' next refresh is refused, since the organization does not exist.
pub(crate) fn remove_organization(state: &mut State, id: &str) {
    let now = state.now();
    let Some(data) = state.directory.organization(id).map(|organization| organization.to_json())
    else {
        return;
    };
    state.directory.remove_organization(id);
    state.webhooks.emit("organization.deleted", &data, now);
}

/// Makes a user a member, or gives a member another role.
pub(crate) fn set_membership(state: &mut State, membership: Membership) {
    let now = state.now();
    let Membership { user_id, organization_id, .. } = &membership;
    let event = match state.directory.membership(user_id, organization_id) {
        Some(_) => "organization_membership.updated",
        None => "organization_membership.created",
    };
    let data = membership_json(&membership, now);
    state.directory.add_membership(membership);
    state.webhooks.emit(event, &data, now);
}

/// Removes a user from an organization.
pub(crate) fn remove_membership(state: &mut State, user_id: &str, organization_id: &str) {
    let now = state.now();
    let Some(membership) = state.directory.membership(user_id, organization_id) else { return };
    let data = membership_json(membership, now);
    state.directory.remove_membership(user_id, organization_id);
    state.webhooks.emit("organization_membership.deleted", &data, now);
}

/// Removes a user and ends all sessions of that user.
pub(crate) fn remove_user(state: &mut State, id: &str) {
    let now = state.now();
    let Some(data) = state.directory.user(id).map(|user| user.to_json()) else { return };
    state.sessions.end_all(id, now);
    state.directory.remove_user(id);
    state.webhooks.emit("user.deleted", &data, now);
}

fn membership_json(membership: &Membership, now: SystemTime) -> Value {
    let Membership { user_id, organization_id, role } = membership;
    json!({
        "object": "organization_membership",
        "id": membership.id(),
        "user_id": user_id,
        "organization_id": organization_id,
        "status": "active",
        "role": { "slug": role },
        "custom_attributes": {},
        "directory_managed": false,
        "created_at": timestamp(now),
        "updated_at": timestamp(now),
    })
}
