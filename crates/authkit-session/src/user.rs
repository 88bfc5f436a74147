use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

/// A WorkOS user, as the session's cookie has it from the last sign-in or refresh.
///
/// Read from snake_case and camelCase alike; written in snake_case. Absent fields and `null` are alike.
/// Its [`Debug`] output names the user by id only.
///
/// Source: the user object of the WorkOS API reference.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct User {
    /// `user_…`; the `sub` of the access token.
    pub id: String,
    /// The address that the user signs in with.
    pub email: String,
    /// Whether WorkOS has seen that the address is the user's.
    #[serde(default, alias = "emailVerified", deserialize_with = "null_is_default")]
    pub email_verified: bool,
    /// First name.
    #[serde(default, alias = "firstName")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(default, alias = "lastName")]
    pub last_name: Option<String>,
    /// Full name, where WorkOS has one.
    #[serde(default)]
    pub name: Option<String>,
    /// A picture of the user.
    #[serde(default, alias = "profilePictureUrl")]
    pub profile_picture_url: Option<String>,
    /// The user's id in the application, if it gave WorkOS one.
    #[serde(default, alias = "externalId")]
    pub external_id: Option<String>,
    /// What the application stored with the user.
    #[serde(default, deserialize_with = "metadata")]
    pub metadata: BTreeMap<String, String>,
    /// When the user last signed in (RFC 3339).
    #[serde(default, alias = "lastSignInAt")]
    pub last_sign_in_at: Option<String>,
    /// The user's language (BCP 47).
    #[serde(default)]
    pub locale: Option<String>,
    /// When the user was made (RFC 3339).
    #[serde(default, alias = "createdAt")]
    pub created_at: Option<String>,
    /// When the user was last changed (RFC 3339).
    #[serde(default, alias = "updatedAt")]
    pub updated_at: Option<String>,
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

impl fmt::Debug for Impersonator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impersonator").finish_non_exhaustive()
    }
}

/// PHP writes an object without members as an empty list.
fn metadata<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    struct Metadata;

    impl<'de> Visitor<'de> for Metadata {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of strings")
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BTreeMap::new())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            match list.next_element::<IgnoredAny>()? {
                None => Ok(BTreeMap::new()),
                Some(_) => Err(A::Error::invalid_type(Unexpected::Seq, &self)),
            }
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut metadata = BTreeMap::new();
            while let Some((name, value)) = map.next_entry()? {
                metadata.insert(name, value);
            }
            Ok(metadata)
        }
    }

    deserializer.deserialize_any(Metadata)
}

/// Reads `null` as the default, as different SDKs write an absent value.
pub(crate) fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_user_is_read() {
        let cases = [
            (
                "snake",
                r#"{"id":"u","email":"e","first_name":"A","email_verified":true,"metadata":{"k":"v"}}"#,
            ),
            (
                "camel",
                r#"{"id":"u","email":"e","firstName":"A","emailVerified":true,"metadata":{"k":"v"}}"#,
            ),
        ];
        for (name, json) in cases {
            let user: User = serde_json::from_str(json).unwrap();
            assert_eq!(user.first_name.as_deref(), Some("A"), "{name}");
            assert!(user.email_verified, "{name}");
            assert_eq!(user.metadata["k"], "v", "{name}");
        }
        for metadata in ["null", "{}", "[]"] {
            let json =
                format!(r#"{{"id":"u","email":"e","metadata":{metadata},"email_verified":null}}"#);
            assert!(serde_json::from_str::<User>(&json).unwrap().metadata.is_empty(), "{metadata}");
        }
    }

    #[test]
    fn a_debugged_user_is_an_id() {
        let user: User =
            serde_json::from_str(r#"{"id":"user_1","email":"alice@example.com"}"#).unwrap();
        assert_eq!(format!("{user:?}"), r#"User { id: "user_1", .. }"#);
    }
}
