use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer, de::DeserializeOwned, ser::SerializeMap};

use crate::{json, strictness::FromJson};

/// The metadata that the application stored with a user: values by name.
///
/// WorkOS documents that values are texts, which [`get`](Self::get) returns. Values of other types are kept unchanged:
/// [`value`](Self::value) reads them as a type of your own, and [`raw`](Self::raw) returns their JSON. The [`Debug`]
/// output shows only the number of values.
///
/// # Examples
///
/// ```
/// # use authkit_session::User;
/// # let user = r#"{"id":"user_1","metadata":{"plan":"pro","seats":5,"trial":null}}"#;
/// # let user: User = serde_json::from_str(user).unwrap();
/// // {"plan": "pro", "seats": 5, "trial": null}
/// assert_eq!(user.metadata.get("plan"), Some("pro"));
/// assert_eq!(user.metadata.value::<u32>("seats"), Some(5));
/// assert_eq!(user.metadata.get("seats"), None, "a number is no text");
/// assert_eq!(user.metadata.raw("trial"), Some("null"));
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Metadata(Box<[(Box<str>, MetadataEntry)]>);

#[derive(Clone, Eq, PartialEq)]
struct MetadataEntry {
    /// The value's JSON, unchanged.
    json: Box<str>,
    /// The text of a string with escapes.
    unescaped: Option<Box<str>>,
}

impl Metadata {
    /// The text with this name; `None` if there is no value or the value is not a text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entry(name)?.text()
    }

    /// The value with this name as a type of your own; `None` if there is no value or it has another type.
    pub fn value<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.raw(name)?).ok()
    }

    /// The value with this name in JSON, unchanged.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.entry(name).map(|entry| &*entry.json)
    }

    /// Every name with its value in JSON, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, entry)| (&**name, &*entry.json))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn entry(&self, name: &str) -> Option<&MetadataEntry> {
        let at = self.0.binary_search_by(|(entry, _)| (**entry).cmp(name)).ok()?;
        Some(&self.0[at].1)
    }
}

impl MetadataEntry {
    fn new(json: &str) -> Self {
        let unescaped = if json.contains('\\') { String::from_json(json) } else { None };
        Self { json: json.into(), unescaped: unescaped.map(String::into_boxed_str) }
    }

    fn text(&self) -> Option<&str> {
        let plain = || {
            let text = self.json.strip_prefix('"')?.strip_suffix('"')?;
            (!text.contains('\\')).then_some(text)
        };
        self.unescaped.as_deref().or_else(plain)
    }
}

/// The JSON of [`Metadata`]: an object, or the empty list that PHP writes for an object without members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MetadataJson<'a>(pub(crate) &'a str);

impl MetadataJson<'_> {
    /// Whether a value is neither a text nor `null`, unlike what WorkOS documents.
    pub(crate) fn has_odd_values(self) -> bool {
        let mut is_odd = false;
        let _ = json::members(self.0, |_, value| {
            is_odd |= value != "null" && json::text(value).is_none();
        });
        is_odd
    }
}

impl<'a> FromJson<'a> for MetadataJson<'a> {
    fn from_json(json: &'a str) -> Option<Self> {
        let is_empty_list = || Some(json.strip_prefix('[')?.strip_suffix(']')?.trim().is_empty());
        (json::is_object(json) || is_empty_list() == Some(true)).then_some(Self(json))
    }
}

impl FromJson<'_> for Metadata {
    fn from_json(json: &str) -> Option<Self> {
        let MetadataJson(json) = MetadataJson::from_json(json)?;
        let mut entries = BTreeMap::new();
        if json::is_object(json) {
            json::members(json, |name, value| {
                entries.insert(name.text().into(), MetadataEntry::new(value));
            })?;
        }
        Some(Self(entries.into_iter().collect()))
    }
}

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (name, json) in self.iter() {
            match serde_json::from_str::<serde_json::Value>(json) {
                Ok(value) => map.serialize_entry(name, &value)?,
                // A number beyond all bounds, and the like.
                Err(_) => map.serialize_entry(name, json)?,
            }
        }
        map.end()
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metadata({})", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entries that are kept of an object: name, JSON, and text if it is one.
    fn kept(json: &str) -> Option<Vec<(String, String, Option<String>)>> {
        let metadata = Metadata::from_json(json)?;
        let entries = metadata.iter().map(|(name, raw)| {
            (name.to_owned(), raw.to_owned(), metadata.get(name).map(str::to_owned))
        });
        Some(entries.collect())
    }

    #[test]
    fn a1_every_value_is_kept_as_it_came() {
        let cases = [
            (r#""pro""#, Some("pro")),
            (r#""\u00e4\n""#, Some("ä\n")),
            (r#""\ud800""#, None),
            ("5", None),
            ("1e999", None),
            ("null", None),
            ("true", None),
            (r#"{"a": [1]}"#, None),
            (r#"["pro"]"#, None),
        ];
        for (json, text) in cases {
            let expected = ("k".to_owned(), json.to_owned(), text.map(str::to_owned));
            assert_eq!(kept(&format!(r#"{{"k": {json} }}"#)), Some(vec![expected]), "{json}");
        }
        let twice = ("k".to_owned(), "2".to_owned(), None);
        assert_eq!(kept(r#"{"k":1,"\u006b":2}"#), Some(vec![twice]), "the last one counts");
        assert_eq!(kept("{}"), Some(vec![]));
        assert_eq!(kept("[ ]"), Some(vec![]), "as PHP writes it");
        for json in ["[1]", "1", r#""text""#, "true"] {
            assert_eq!(kept(json), None, "{json}");
        }
    }

    #[test]
    fn a_value_is_read_as_the_type_that_is_asked_for() {
        let metadata = Metadata::from_json(r#"{"n":5,"s":"5","o":{"a":[1]},"z":null}"#).unwrap();
        assert_eq!(metadata.value::<u8>("n"), Some(5));
        assert_eq!(metadata.value::<u8>("s"), None);
        assert_eq!(metadata.value::<String>("s").as_deref(), Some("5"));
        assert_eq!(metadata.value::<serde_json::Value>("o"), Some(serde_json::json!({"a": [1]})));
        assert_eq!(metadata.value::<Option<u8>>("z"), Some(None));
        assert_eq!(metadata.value::<u8>("nothing"), None);
        assert_eq!((metadata.len(), metadata.is_empty()), (4, false));
    }

    #[test]
    fn it_is_written_as_it_was_read() {
        let json = r#"{"a":5,"b":"x\n","c":null,"d":{"e":[true]}}"#;
        let metadata = Metadata::from_json(json).unwrap();
        assert_eq!(serde_json::to_string(&metadata).unwrap(), json);
        let metadata = Metadata::from_json(r#"{"a":1e999}"#).unwrap();
        assert_eq!(serde_json::to_string(&metadata).unwrap(), r#"{"a":"1e999"}"#);
    }

    #[test]
    fn its_debug_output_tells_nothing_that_is_in_it() {
        let metadata = Metadata::from_json(r#"{"secret_name":"secret value"}"#).unwrap();
        assert_eq!(format!("{metadata:?}"), "Metadata(1)");
    }
}
