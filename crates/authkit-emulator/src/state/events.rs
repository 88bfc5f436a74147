//! Changes that applications are told of by webhooks.

use std::time::SystemTime;

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::{
    clock::timestamp,
    state::{Membership, State},
};

/// Ends a session; false if there is none of that id. Ending it again changes nothing.
pub(crate) fn end_session(state: &mut State, id: &str) -> bool {
    let now = state.now();
    let was_active = state.sessions.get(id).is_some_and(|session| session.ended_at.is_none());
    let known = state.sessions.end(id, now);
    if let Some(session) = state.sessions.get(id).filter(|_| was_active) {
        state.webhooks.emit("session.revoked", &session.to_json(now), now);
    }
    known
}

/// Makes somebody a member, or gives a member another role.
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

/// Takes somebody out of an organization.
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
        "id": membership_id(user_id, organization_id),
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

/// The same for the same membership, though the directory keeps none.
fn membership_id(user_id: &str, organization_id: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{user_id} {organization_id}").as_bytes());
    let hex: String = digest.as_ref()[..13].iter().map(|byte| format!("{byte:02X}")).collect();
    format!("om_{hex}")
}
