//! A JSON object as a list of members in order, with each value as it is spelt.

use std::borrow::Cow;

use zeroize::Zeroizing;

use crate::{
    json::{self, JsonName},
    payload::names::{self, Field},
    seal::KeyStyle,
    strictness::OddValues,
    user::Impersonator,
};

/// The members of an object.
#[derive(Default)]
pub(super) struct Object<'a>(Vec<(MemberName<'a>, MemberValue<'a>)>);

/// The name of a member.
#[derive(Clone, Copy)]
pub(super) enum MemberName<'a> {
    /// As the object spelt it.
    Spelt(JsonName<'a>),
    /// One of WorkOS's names, in the spelling to write.
    Ours(&'static str),
}

impl<'a> MemberName<'a> {
    pub(super) fn text(self) -> Cow<'a, str> {
        match self {
            Self::Spelt(name) => name.text(),
            Self::Ours(name) => Cow::Borrowed(name),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Spelt(name) => name.spelt().len(),
            Self::Ours(name) => name.len(),
        }
    }
}

impl<'a> Object<'a> {
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        let mut object = Self::default();
        json::members(json, |name, value| {
            object.push(MemberName::Spelt(name), MemberValue::raw(value))
        })?;
        Some(object)
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &(MemberName<'a>, MemberValue<'a>)> {
        self.0.iter()
    }

    pub(super) fn push(&mut self, key: MemberName<'a>, value: MemberValue<'a>) {
        self.0.push((key, value));
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.0.iter().any(|(key, _)| Field::of(&key.text()) == Some(field))
    }

    /// Removes `fields`; returns whether there were any.
    pub(super) fn remove(&mut self, fields: &[Field]) -> bool {
        let before = self.0.len();
        self.0
            .retain(|(key, _)| Field::of(&key.text()).is_none_or(|field| !fields.contains(&field)));
        self.0.len() < before
    }

    /// The spelling of a session's own keys.
    pub(super) fn outer_style(&self) -> KeyStyle {
        let camel = Field::AccessToken.name(KeyStyle::Camel);
        if self.0.iter().any(|(key, _)| key.text() == camel) {
            KeyStyle::Camel
        } else {
            KeyStyle::Snake
        }
    }

    /// The spelling of the keys of a session's user, if it can be told.
    pub(super) fn user_style(&self) -> Option<KeyStyle> {
        let is_user = |key: &MemberName<'_>| Field::of(&key.text()) == Some(Field::User);
        let (_, user) = self.0.iter().find(|(key, _)| is_user(key))?;
        let user = Object::parse(user.json()?)?;
        user.0.iter().find_map(|(key, _)| names::style_of(&key.text(), Field::User.inner()))
    }

    pub(super) fn to_json(&self) -> Zeroizing<Vec<u8>> {
        // Allocated at its final size: a buffer that grows leaves copies of the tokens behind.
        let len =
            self.0.iter().map(|(key, value)| key.len() + value.len() + r#""":"",{}"#.len()).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(len));
        json.push(b'{');
        for (at, (key, value)) in self.0.iter().enumerate() {
            if at > 0 {
                json.push(b',');
            }
            match key {
                MemberName::Spelt(name) => json.extend_from_slice(name.spelt().as_bytes()),
                MemberName::Ours(name) => write_string(&mut json, name),
            }
            json.push(b':');
            match value {
                MemberValue::Raw(raw) => json.extend_from_slice(raw.as_bytes()),
                MemberValue::Text(text) => write_string(&mut json, text),
            }
        }
        json.push(b'}');
        json
    }
}

/// The value of a member.
#[derive(Clone)]
pub(super) enum MemberValue<'a> {
    /// JSON.
    Raw(Cow<'a, str>),
    /// A string that is not quoted yet.
    Text(&'a str),
}

impl<'a> MemberValue<'a> {
    pub(super) fn raw(json: &'a str) -> Self {
        Self::Raw(Cow::Borrowed(json))
    }

    /// Whether the value stands for nothing, in Ruby 6's spelling too.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.json(), Some("null" | r#""null""#))
    }

    /// Whether the value names an impersonator.
    pub(super) fn names_an_impersonator(&self) -> bool {
        let read = |json| Impersonator::read(json, &mut OddValues::default());
        self.json().and_then(read).is_some()
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

/// `None` if there is nothing to respell.
fn respell<'a>(json: &str, names: &[names::FieldName], style: KeyStyle) -> Option<MemberValue<'a>> {
    if names.is_empty() {
        return None;
    }
    let object = Object::parse(json)?;
    let mut respelt = Object::default();
    for (key, value) in object.members() {
        let ours = names::find(&key.text(), names);
        respelt.push(
            ours.map_or(*key, |name| MemberName::Ours(names::spelt(name, style))),
            value.clone(),
        );
    }
    let json = String::from_utf8(respelt.to_json().to_vec()).ok()?;
    Some(MemberValue::Raw(Cow::Owned(json)))
}

fn write_string(json: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(json, text).expect("a string is JSON, and a buffer takes it");
}
