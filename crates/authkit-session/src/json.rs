//! JSON read one level at a time: an object's members in their order, each value as it is spelt until somebody reads it.
//!
//! One member that no parser can read (a number beyond all bounds, half of a surrogate pair, lists 10,000 deep) is then
//! that member's trouble, and not the whole object's.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer as _,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The name of a member, as it is spelt: in quotes, with its escapes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct JsonName<'a>(&'a str);

impl<'a> JsonName<'a> {
    /// The name itself. One that is not Unicode stays as it is spelt, and is then equal to no name of ours.
    pub(crate) fn text(self) -> Cow<'a, str> {
        text(self.0).unwrap_or(Cow::Borrowed(self.0))
    }

    /// The name in quotes, with its escapes.
    pub(crate) fn spelt(self) -> &'a str {
        self.0
    }
}

/// Calls `each` with every member of an object, in order: its name and its value.
///
/// `None` where `json` is not one object and nothing else; `each` may have been called by then.
pub(crate) fn members<'a>(json: &'a str, each: impl FnMut(JsonName<'a>, &'a str)) -> Option<()> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    // Unlike a derived `Deserialize`, this takes no list of the values.
    deserializer.deserialize_map(Members(each)).ok()?;
    deserializer.end().ok()
}

/// The text of a string; `None` for any other value, and for a string that is not Unicode.
pub(crate) fn text(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(json).ok().map(Cow::Owned)
}

/// Whether a value is an object.
pub(crate) fn is_object(json: &str) -> bool {
    json.starts_with('{')
}

struct Members<F>(F);

impl<'de, F: FnMut(JsonName<'de>, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&RawValue, &RawValue>()? {
            (self.0)(JsonName(name.get()), value.get());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Vec<(String, &str)>> {
        let mut all = Vec::new();
        members(json, |name, value| all.push((name.text().into_owned(), value)))?;
        Some(all)
    }

    #[test]
    fn members_come_in_order_with_their_values_as_they_are_spelt() {
        let json =
            r#" { "a" : 1.0e+400 ,"\u0062":"\ud800", "a":[ null ],"\ud800":{"x": 1} , "" : -0 }  "#;
        let expected = [
            ("a", "1.0e+400"),
            ("b", r#""\ud800""#),
            ("a", "[ null ]"),
            (r#""\ud800""#, r#"{"x": 1}"#),
            ("", "-0"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(read(json).unwrap(), expected);
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        assert_eq!(read(&format!(r#"{{"deep":{deep}}}"#)).unwrap()[0].1, deep);
    }

    #[test]
    fn only_one_whole_object_has_members() {
        for json in
            ["", "null", "[]", r#"[["a",1]]"#, r#""a""#, "1", "{", r#"{"a":1"#, "{}x", "{}{}"]
        {
            assert_eq!(read(json), None, "{json}");
        }
        for json in
            [r#"{"a"}"#, r#"{"a":}"#, r#"{a:1}"#, r#"{"a":01}"#, r#"{"a":NaN}"#, r#"{"a":1,}"#]
        {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read("{}").unwrap(), []);
    }

    #[test]
    fn a_text_is_a_string_of_unicode() {
        let cases = [
            (r#""""#, Some("")),
            (r#""plain""#, Some("plain")),
            (r#""\"\\\u00e4\ud83d\ude00""#, Some("\"\\ä😀")),
            (r#""\ud83d""#, None),
            ("1", None),
            ("null", None),
            (r#"["a"]"#, None),
            (r#"{"a":"b"}"#, None),
        ];
        for (json, expected) in cases {
            assert_eq!(text(json).as_deref(), expected, "{json}");
        }
    }
}
