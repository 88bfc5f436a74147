//! What a delivery says.

use authkit_session::Revocation;
use serde::{Deserialize, de::DeserializeOwned};

use super::timestamp;

/// An event of WorkOS.
pub(super) struct Event {
    pub(super) id: String,
    pub(super) tidings: Tidings,
}

/// What it means here.
pub(super) enum Tidings {
    Revoked(Revocation),
    OfNoConcern,
}

#[derive(Deserialize)]
struct Envelope {
    id: String,
    event: String,
    created_at: String,
}

#[derive(Deserialize)]
struct With<T> {
    data: T,
}

/// A session or a user.
#[derive(Deserialize)]
struct Named {
    id: String,
}

#[derive(Deserialize)]
struct Membership {
    user_id: String,
    organization_id: String,
}

impl Event {
    /// `None` for what is no event, or a known one without what counts.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let Envelope { id, event, created_at } = serde_json::from_slice(body).ok()?;
        let at = || timestamp::parse(&created_at);
        let tidings = match event.as_str() {
            "session.revoked" => {
                let session: Named = data(body)?;
                Tidings::Revoked(Revocation::session(session.id, at()?))
            }
            "user.deleted" => {
                let user: Named = data(body)?;
                Tidings::Revoked(Revocation::user(user.id, at()?))
            }
            "organization_membership.updated" | "organization_membership.deleted" => {
                let Membership { user_id, organization_id } = data(body)?;
                Tidings::Revoked(Revocation::membership(user_id, organization_id, at()?))
            }
            _ => Tidings::OfNoConcern,
        };
        Some(Self { id, tidings })
    }
}

fn data<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice::<With<T>>(body).ok().map(|with| with.data)
}
