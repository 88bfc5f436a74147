//! The user and the impersonator in a cookie. They are display data (see [`strictness`](crate::strictness)), except the
//! user's id: the session is refused if it differs from the `sub` of the access token.

pub(crate) mod metadata;
pub(crate) mod shown;

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use crate::{
    json,
    strictness::{Display, FromJson as _, OddValues, Strict},
    user::metadata::{Metadata, MetadataJson},
};

/// A WorkOS user, as WorkOS described it at the last sign-in or refresh.
///
/// Only [`id`](Self::id) decides anything. Every other field is for display: a field that cannot be read counts as absent,
/// like one that is missing or `null`, and a log line names it.
///
/// Deserializes from snake_case and camelCase; serializes in snake_case. Its [`Debug`] output shows the id only.
///
/// Source: the user object of the WorkOS API reference.
#[derive(Clone, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct User {
    /// `user_…`; the `sub` of the access token.
    pub id: String,
    /// The address that the user signs in with.
    pub email: Option<String>,
    /// Whether WorkOS has verified that the address is the user's. `false` if the field cannot be read.
    pub email_verified: bool,
    /// First name.
    pub first_name: Option<String>,
    /// Last name.
    pub last_name: Option<String>,
    /// Full name, if WorkOS has one.
    pub name: Option<String>,
    /// The URL of a picture of the user.
    pub profile_picture_url: Option<String>,
    /// The user's id in the application, if it gave WorkOS one.
    pub external_id: Option<String>,
    /// The metadata that the application stored with the user.
    pub metadata: Metadata,
    /// When the user last signed in (RFC 3339).
    pub last_sign_in_at: Option<String>,
    /// The user's language (BCP 47).
    pub locale: Option<String>,
    /// When the user was created (RFC 3339).
    pub created_at: Option<String>,
    /// When the user was last changed (RFC 3339).
    pub updated_at: Option<String>,
}

impl User {
    /// The user's name for a page: the full name, else first and last name, else the address, else the id.
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

    /// Reads a user, and notes the fields that cannot be read in `odd`.
    ///
    /// `None` if `json` is not an object with an `id`.
    pub(crate) fn read(json: &str, odd: &mut OddValues) -> Option<Self> {
        UserFields::read(json, odd).map(UserFields::into_user)
    }

    /// A user of whom only the id is known.
    pub(crate) fn known_by_id(id: &str) -> Self {
        Self::of::<String>(id.to_owned(), false, UserTexts::default())
    }

    fn of<T: AsRef<str> + Into<String>>(
        id: String,
        email_verified: bool,
        texts: UserTexts<Option<T>>,
    ) -> Self {
        let metadata = texts.metadata.and_then(|json| Metadata::from_json(json.as_ref()));
        Self {
            id,
            email: texts.email.map(Into::into),
            email_verified,
            first_name: texts.first_name.map(Into::into),
            last_name: texts.last_name.map(Into::into),
            name: texts.name.map(Into::into),
            profile_picture_url: texts.profile_picture_url.map(Into::into),
            external_id: texts.external_id.map(Into::into),
            metadata: metadata.unwrap_or_default(),
            last_sign_in_at: texts.last_sign_in_at.map(Into::into),
            locale: texts.locale.map(Into::into),
            created_at: texts.created_at.map(Into::into),
            updated_at: texts.updated_at.map(Into::into),
        }
    }
}

/// The fields of a user in a cookie: checked, and still borrowed from the cookie.
pub(crate) struct UserFields<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) email_verified: bool,
    pub(crate) texts: UserTexts<Option<Cow<'a, str>>>,
}

impl<'a> UserFields<'a> {
    /// Reads the fields, and notes those that cannot be read in `odd`.
    ///
    /// `None` if `json` is not an object with an `id`.
    pub(crate) fn read(json: &'a str, odd: &mut OddValues) -> Option<Self> {
        let mut id = Strict::<Cow<'a, str>>::default();
        let mut email_verified = Display::default();
        let mut metadata = Display::<MetadataJson<'a>>::default();
        let mut texts = UserTexts::<Display<Cow<'a, str>>>::default();
        json::members(json, |name, value| match &*name.text() {
            "id" => id.read(value),
            "email" => texts.email.read(value),
            "email_verified" | "emailVerified" => email_verified.read(value),
            "first_name" | "firstName" => texts.first_name.read(value),
            "last_name" | "lastName" => texts.last_name.read(value),
            "name" => texts.name.read(value),
            "profile_picture_url" | "profilePictureUrl" => texts.profile_picture_url.read(value),
            "external_id" | "externalId" => texts.external_id.read(value),
            "metadata" => metadata.read(value),
            "last_sign_in_at" | "lastSignInAt" => texts.last_sign_in_at.read(value),
            "locale" => texts.locale.read(value),
            "created_at" | "createdAt" => texts.created_at.read(value),
            "updated_at" | "updatedAt" => texts.updated_at.read(value),
            _ => {}
        })?;
        let id = id.value(()).ok()??;
        let metadata = metadata.value("user.metadata", odd);
        if metadata.is_some_and(MetadataJson::has_odd_values) {
            odd.note("user.metadata");
        }
        let email_verified = email_verified.value("user.email_verified", odd).unwrap_or_default();
        let mut texts = texts.map(|name, field| field.value(name, odd));
        texts.metadata = metadata.map(|MetadataJson(json)| Cow::Borrowed(json));
        Some(Self { id, email_verified, texts })
    }

    /// Copies the fields into a user.
    pub(crate) fn into_user(self) -> User {
        User::of(self.id.into_owned(), self.email_verified, self.texts)
    }
}

/// One value for each field of a user that is kept as a text. The metadata is JSON.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct UserTexts<T> {
    pub(crate) email: T,
    pub(crate) first_name: T,
    pub(crate) last_name: T,
    pub(crate) name: T,
    pub(crate) profile_picture_url: T,
    pub(crate) external_id: T,
    pub(crate) metadata: T,
    pub(crate) last_sign_in_at: T,
    pub(crate) locale: T,
    pub(crate) created_at: T,
    pub(crate) updated_at: T,
}

impl<T> UserTexts<T> {
    /// Maps each value in order. `with` also gets the name by which logs call the field.
    fn map<U>(self, mut with: impl FnMut(&'static str, T) -> U) -> UserTexts<U> {
        UserTexts {
            email: with("user.email", self.email),
            first_name: with("user.first_name", self.first_name),
            last_name: with("user.last_name", self.last_name),
            name: with("user.name", self.name),
            profile_picture_url: with("user.profile_picture_url", self.profile_picture_url),
            external_id: with("user.external_id", self.external_id),
            metadata: with("user.metadata", self.metadata),
            last_sign_in_at: with("user.last_sign_in_at", self.last_sign_in_at),
            locale: with("user.locale", self.locale),
            created_at: with("user.created_at", self.created_at),
            updated_at: with("user.updated_at", self.updated_at),
        }
    }

    fn as_ref(&self) -> UserTexts<&T> {
        UserTexts {
            email: &self.email,
            first_name: &self.first_name,
            last_name: &self.last_name,
            name: &self.name,
            profile_picture_url: &self.profile_picture_url,
            external_id: &self.external_id,
            metadata: &self.metadata,
            last_sign_in_at: &self.last_sign_in_at,
            locale: &self.locale,
            created_at: &self.created_at,
            updated_at: &self.updated_at,
        }
    }
}

/// Works with every self-describing format. Fails only if the input is not an object with an `id`.
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

/// The administrator who uses a user's session from the WorkOS dashboard.
///
/// The address comes from the signed access token (`act`, RFC 8693 section 4.1).
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Impersonator {
    /// The administrator's address.
    pub email: String,
    /// The reason that the administrator gave.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Impersonator {
    /// Reads the impersonator in a cookie, and notes a reason that cannot be read in `odd`.
    ///
    /// `None` if `json` is not an object with an address: then it names no impersonator.
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
