//! The content of a delivery.
//!
//! Read strictly where it decides: the name of the event and its subject. Other fields are read leniently: an id that
//! is missing or not a text counts as none, and an event without a readable time gets the time of its arrival.

use std::time::{Duration, SystemTime};

use authkit_session::{
    Revocation,
    integration::{json_object, parse_timestamp},
};
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
struct With<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
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
        let Envelope { event, id, created_at } = json_object(body)?;
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
    json_object(json_object::<With<'_>>(body)?.data.get().as_bytes())
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

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::{Value, json};

    use super::*;

    fn parse(event: &Value) -> WebhookEvent {
        let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        WebhookEvent::parse(event.to_string().as_bytes(), now).unwrap()
    }

    /// What an event revokes, which tokens that hits, and when it happened.
    fn revoked(event: &Value) -> Option<String> {
        match parse(event).effect {
            Effect::Revokes(revocation) => Some(format!("{revocation:?}")),
            Effect::None => None,
        }
    }

    #[test]
    fn every_event_with_an_effect_revokes_what_it_is_about() {
        let one = json!({ "id": "a" });
        let member = json!({ "user_id": "a", "organization_id": "b" });
        let role = json!({ "organization_id": "b", "slug": "c" });
        let cases = [
            ("session.revoked", &one, Some(("session", "Every"))),
            ("session.created", &one, None),
            ("user.deleted", &one, Some(("user", "Every"))),
            ("user.updated", &one, None),
            ("organization_membership.updated", &member, Some(("membership", "Earlier"))),
            ("organization_membership.deleted", &member, Some(("membership", "Earlier"))),
            ("organization_membership.created", &member, None),
            ("api_key.revoked", &one, Some(("api_key", "Every"))),
            ("api_key.updated", &one, Some(("api_key", "Earlier"))),
            ("api_key.created", &one, None),
            ("organization.deleted", &one, Some(("organization", "Earlier"))),
            ("organization.updated", &one, None),
            ("organization_role.updated", &role, Some(("organization", "Earlier"))),
            ("organization_role.deleted", &role, Some(("organization", "Earlier"))),
            ("organization_role.created", &role, None),
        ];
        for (event, data, expected) in cases {
            let revoked = revoked(&json!({ "event": event, "data": data }));
            let expected = expected.map(|(of, hits)| {
                format!("Revocation {{ of: \"{of}\", hits: {hits}, at: 1800000000, .. }}")
            });
            assert_eq!(revoked, expected, "{event}");
        }
    }

    #[test]
    fn an_event_happened_when_it_says_and_hardly_after_it_arrived() {
        let cases = [
            (json!("2027-01-15T07:59:00Z"), 1_799_999_940),
            (json!("2027-01-15T08:01:00Z"), 1_800_000_060),
            (json!("2027-01-15T09:00:00Z"), 1_800_000_180),
            (json!("yesterday"), 1_800_000_000),
            (json!(1_700_000_000), 1_800_000_000),
            (Value::Null, 1_800_000_000),
        ];
        for (created_at, expected) in cases {
            let event = json!({
                "event": "session.revoked", "data": { "id": "a" }, "created_at": created_at,
            });
            let revoked = revoked(&event).unwrap();
            assert!(revoked.contains(&format!("at: {expected},")), "{created_at}: {revoked}");
        }
    }

    #[test]
    fn an_event_and_its_data_are_objects() {
        for (event, is_one) in [
            (json!({ "event": "session.revoked", "data": { "id": "session_1" } }), true),
            (json!({ "event": "session.revoked", "data": ["session_1"] }), false),
            (json!({ "event": "session.revoked", "data": "session_1" }), false),
            (json!(["session.revoked"]), false),
            (json!(["user.created", "event_1", null]), false),
        ] {
            let parsed = WebhookEvent::parse(event.to_string().as_bytes(), UNIX_EPOCH);
            assert_eq!(parsed.is_some(), is_one, "{event}");
        }
    }

    #[test]
    fn an_event_is_known_by_its_own_id() {
        for (id, expected) in [
            (json!("event_1"), Some("event_1")),
            (json!(""), None),
            (json!(1), None),
            (Value::Null, None),
        ] {
            let event = parse(&json!({ "event": "user.created", "data": {}, "id": id }));
            assert_eq!(event.id.as_deref(), expected, "{id}");
        }
    }
}
