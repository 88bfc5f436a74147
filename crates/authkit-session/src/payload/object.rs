//! A JSON object as a list of members in their order, with values kept as they are spelt.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{
    payload::names::{self, Field},
    seal::KeyStyle,
};

/// The members of an object.
#[derive(Default)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(json).ok()
    }

    pub(super) fn members(&self) -> impl Iterator<Item = (&str, &Value<'a>)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    pub(super) fn push(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        self.0.push((name.into(), value));
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.0.iter().any(|(name, _)| Field::of(name) == Some(field))
    }

    /// Removes `fields`; whether there were any.
    pub(super) fn remove(&mut self, fields: &[Field]) -> bool {
        let before = self.0.len();
        self.0.retain(|(name, _)| Field::of(name).is_none_or(|field| !fields.contains(&field)));
        self.0.len() < before
    }

    /// How a session spells its own keys.
    pub(super) fn outer_style(&self) -> KeyStyle {
        let camel = Field::AccessToken.name(KeyStyle::Camel);
        if self.0.iter().any(|(name, _)| name == camel) { KeyStyle::Camel } else { KeyStyle::Snake }
    }

    /// How a session spells the keys of its user, if that can be seen.
    pub(super) fn user_style(&self) -> Option<KeyStyle> {
        let (_, user) = self.0.iter().find(|(name, _)| Field::of(name) == Some(Field::User))?;
        let user: Object<'_> = serde_json::from_str(user.json()?).ok()?;
        user.0.iter().find_map(|(name, _)| names::style_of(name, Field::User.inner()))
    }

    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // Grown to its size at once: a buffer that moves leaves copies of the tokens behind.
        let len =
            self.0.iter().map(|(name, value)| name.len() + value.len() + r#""":"",{}"#.len()).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(len));
        json.push(b'{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            write_string(&mut json, name);
            json.push(b':');
            match value {
                Value::Raw(raw) => json.extend_from_slice(raw.as_bytes()),
                Value::Text(text) => write_string(&mut json, text),
            }
        }
        json.push(b'}');
        json
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut object = Object::default();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    object.push(name, Value::raw(value.get()));
                }
                Ok(object)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The value of a member.
#[derive(Clone)]
pub(super) enum Value<'a> {
    /// JSON.
    Raw(Cow<'a, str>),
    /// A string that is not quoted yet.
    Text(&'a str),
}

impl<'a> Value<'a> {
    pub(super) fn raw(json: &'a str) -> Self {
        Self::Raw(Cow::Borrowed(json))
    }

    /// Whether it says that there is nothing, in Ruby 6's words too.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.json(), Some("null" | r#""null""#))
    }

    /// Spells the keys inside the value of `field` in `style`.
    pub(super) fn respelt(&self, field: Field, style: KeyStyle) -> Self {
        self.json()
            .and_then(|json| respell(json, field.inner(), style))
            .unwrap_or_else(|| self.clone())
    }

    fn json(&self) -> Option<&str> {
        match self {
            Self::Raw(json) => Some(json),
            Self::Text(_) => None,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Raw(json) => json.len(),
            Self::Text(text) => text.len(),
        }
    }
}

/// Whether `json` is an object, if it is JSON.
pub(super) fn is_object(json: &[u8]) -> bool {
    json.trim_ascii_start().starts_with(b"{")
}

/// `None`: nothing to respell.
fn respell<'a>(json: &str, names: &[names::Name], style: KeyStyle) -> Option<Value<'a>> {
    if names.is_empty() {
        return None;
    }
    let object: Object<'_> = serde_json::from_str(json).ok()?;
    let mut respelt = Object::default();
    for (key, value) in object.members() {
        let key = names::find(key, names).map_or(key, |name| names::spelt(name, style));
        respelt.push(key, value.clone());
    }
    let json = String::from_utf8(respelt.to_json().to_vec()).ok()?;
    Some(Value::Raw(Cow::Owned(json)))
}

fn write_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a string is JSON, and a buffer takes it");
}
