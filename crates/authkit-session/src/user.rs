//! The user and the impersonator as a cookie has them: display data (see [`strictness`](crate::strictness)), but for the
//! user's id, which is the `sub` of the access token or the session is refused.

pub(crate) mod metadata;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    json,
    strictness::{Display, OddValues, Strict},
    user::metadata::Metadata,
};

/// A WorkOS user, as the session's cookie has it from the last sign-in or refresh.
///
/// Only [`id`](Self::id) decides anything. Every other field is for display: one that cannot be read is absent, as is
/// one that is missing or `null`, and a log line names it.
///
/// Read from snake_case and camelCase alike; written in snake_case. Its [`Debug`] output names the user by id only.
///
/// Source: the user object of the WorkOS API reference.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct User {
    /// `user_…`; the `sub` of the access token.
    pub id: String,
    /// The address that the user signs in with.
    pub email: Option<String>,
    /// Whether WorkOS has seen that the address is the user's. `false` where that cannot be read.
    pub email_verified: bool,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Full name, where WorkOS has one.
    pub name: Option<String>,
    /// A picture of the user.
    pub profile_picture_url: Option<String>,
    /// The user's id in the application, if it gave WorkOS one.
    pub external_id: Option<String>,
    /// What the application stored with the user.
    pub metadata: Metadata,
    /// When the user last signed in (RFC 3339).
    pub last_sign_in_at: Option<String>,
    /// The user's language (BCP 47).
    pub locale: Option<String>,
    /// When the user was made (RFC 3339).
    pub created_at: Option<String>,
    /// When the user was last changed (RFC 3339).
    pub updated_at: Option<String>,
}

impl User {
    /// What to call the user on a page: the full name, first and last name, the address or the id, whichever is there
    /// first.
    pub fn display_name(&self) -> Cow<'_, str> {
        fn there(text: &Option<String>) -> Option<&str> {
            text.as_deref().filter(|text| !text.trim().is_empty())
        }
        match (there(&self.name), there(&self.first_name), there(&self.last_name)) {
            (Some(name), _, _) | (None, Some(name), None) | (None, None, Some(name)) => name.into(),
            (None, Some(first), Some(last)) => format!("{first} {last}").into(),
            (None, None, None) => there(&self.email).unwrap_or(&self.id).into(),
        }
    }

    /// Reads a user; notes the fields that cannot be read.
    ///
    /// `None` where `json` is no object with an `id`.
    pub(crate) fn read(json: &str, odd: &mut OddValues) -> Option<Self> {
        #[derive(Default)]
        struct UserFields {
            id: Strict<String>,
            email: Display<String>,
            email_verified: Display<bool>,
            first_name: Display<String>,
            last_name: Display<String>,
            name: Display<String>,
            profile_picture_url: Display<String>,
            external_id: Display<String>,
            metadata: Display<Metadata>,
            last_sign_in_at: Display<String>,
            locale: Display<String>,
            created_at: Display<String>,
            updated_at: Display<String>,
        }

        let mut fields = UserFields::default();
        json::members(json, |name, value| match &*name.text() {
            "id" => fields.id.read(value),
            "email" => fields.email.read(value),
            "email_verified" | "emailVerified" => fields.email_verified.read(value),
            "first_name" | "firstName" => fields.first_name.read(value),
            "last_name" | "lastName" => fields.last_name.read(value),
            "name" => fields.name.read(value),
            "profile_picture_url" | "profilePictureUrl" => fields.profile_picture_url.read(value),
            "external_id" | "externalId" => fields.external_id.read(value),
            "metadata" => fields.metadata.read(value),
            "last_sign_in_at" | "lastSignInAt" => fields.last_sign_in_at.read(value),
            "locale" => fields.locale.read(value),
            "created_at" | "createdAt" => fields.created_at.read(value),
            "updated_at" | "updatedAt" => fields.updated_at.read(value),
            _ => {}
        })?;
        let id = fields.id.value(()).ok()??;
        let metadata = fields.metadata.value("user.metadata", odd).unwrap_or_default();
        metadata.note_odd("user.metadata", odd);
        Some(Self {
            id,
            email: fields.email.value("user.email", odd),
            email_verified: fields
                .email_verified
                .value("user.email_verified", odd)
                .unwrap_or_default(),
            first_name: fields.first_name.value("user.first_name", odd),
            last_name: fields.last_name.value("user.last_name", odd),
            name: fields.name.value("user.name", odd),
            profile_picture_url: fields.profile_picture_url.value("user.profile_picture_url", odd),
            external_id: fields.external_id.value("user.external_id", odd),
            metadata,
            last_sign_in_at: fields.last_sign_in_at.value("user.last_sign_in_at", odd),
            locale: fields.locale.value("user.locale", odd),
            created_at: fields.created_at.value("user.created_at", odd),
            updated_at: fields.updated_at.value("user.updated_at", odd),
        })
    }
}

/// From every format that describes itself. Fails only where there is no object with an `id`.
impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = serde_json::Value::deserialize(deserializer)?.to_string();
        let user = Self::read(&json, &mut OddValues::default());
        user.ok_or_else(|| D::Error::custom("a user is an object with an id"))
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Who is using the user's session in their stead: an administrator, from the WorkOS dashboard.
///
/// The address is the one that the signed access token names (`act`, RFC 8693 section 4.1).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Impersonator {
    /// The administrator's address.
    pub email: String,
    /// Why, in the administrator's words.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Impersonator {
    /// Reads whom a cookie names as impersonator; notes a reason that cannot be read.
    ///
    /// `None` where `json` is no object with an address: that names nobody.
    pub(crate) fn read(json: &str, odd: &mut OddValues) -> Option<Self> {
        let (mut email, mut reason) = (Strict::<String>::default(), Display::default());
        json::members(json, |name, value| match &*name.text() {
            "email" => email.read(value),
            "reason" => reason.read(value),
            _ => {}
        })?;
        let email = email.value(()).ok()??;
        Some(Self { email, reason: reason.value("impersonator.reason", odd) })
    }
}

impl fmt::Debug for Impersonator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impersonator").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
