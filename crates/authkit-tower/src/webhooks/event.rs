//! The content of a delivery.
//!
//! Read strictly where it decides: the name of the event and its subject. Other fields are read leniently: an id that
//! is missing or not a text counts as none, and an event without a readable time gets the time of its arrival.

use std::time::{Duration, SystemTime};

use authkit_session::{Revocation, integration::parse_timestamp};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::signature::TOLERANCE;

/// An event of WorkOS.
pub(super) struct WebhookEvent {
    pub(super) id: Option<String>,
    pub(super) effect: Effect,
}

/// The effect of an event in this process.
pub(super) enum Effect {
    Revokes(Revocation),
    None,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: String,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    created_at: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct With<T> {
    data: T,
}

/// A session, a user, an organization or an API key.
#[derive(Deserialize)]
struct Named {
    id: Id,
}

#[derive(Deserialize)]
struct OfMember {
    user_id: Id,
    organization_id: Id,
}

#[derive(Deserialize)]
struct OfOrganization {
    organization_id: Id,
}

impl WebhookEvent {
    /// Reads an event that arrives at `now`. `None` if it is not an event, or if it has an effect but names no subject.
    pub(super) fn parse(body: &[u8], now: SystemTime) -> Option<Self> {
        let Envelope { event, id, created_at } = serde_json::from_slice(body).ok()?;
        let at = created_at.and_then(text).and_then(|time| parse_timestamp(&time)).unwrap_or(now);
        // WorkOS signed the event just now, so it happened before now. A time far ahead would hit all future tokens.
        let at = at.min(now + Duration::from_secs(TOLERANCE));
        let revocation = match event.as_str() {
            "session.revoked" => {
                let session: Named = data(body)?;
                Some(Revocation::session(session.id.0, at))
            }
            "user.deleted" => {
                let user: Named = data(body)?;
                Some(Revocation::deleted_user(user.id.0, at))
            }
            "organization_membership.updated" | "organization_membership.deleted" => {
                let OfMember { user_id, organization_id } = data(body)?;
                Some(Revocation::membership(user_id.0, organization_id.0, at))
            }
            "api_key.revoked" => {
                let key: Named = data(body)?;
                Some(Revocation::api_key(key.id.0, at))
            }
            "api_key.updated" => {
                let key: Named = data(body)?;
                Some(Revocation::changed_api_key(key.id.0, at))
            }
            "organization.deleted" => {
                let organization: Named = data(body)?;
                Some(Revocation::organization(organization.id.0, at))
            }
            "organization_role.updated" | "organization_role.deleted" => {
                let OfOrganization { organization_id } = data(body)?;
                Some(Revocation::organization(organization_id.0, at))
            }
            // WorkOS has some 90 kinds of events, and will add more.
            _ => None,
        };
        Some(Self {
            id: id.and_then(text),
            effect: revocation.map_or(Effect::None, Effect::Revokes),
        })
    }
}

fn data<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    serde_json::from_slice::<With<T>>(body).ok().map(|with| with.data)
}

/// An id of WorkOS. It is never empty.
#[derive(Deserialize)]
#[serde(try_from = "Box<str>")]
struct Id(Box<str>);

impl TryFrom<Box<str>> for Id {
    type Error = &'static str;

    fn try_from(id: Box<str>) -> Result<Self, &'static str> {
        if id.is_empty() { Err("an empty id") } else { Ok(Self(id)) }
    }
}

/// A text; a value of another type counts as none.
fn text(json: &RawValue) -> Option<String> {
    serde_json::from_str(json.get()).ok().filter(|text: &String| !text.is_empty())
}
