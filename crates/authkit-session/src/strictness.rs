//! How strictly a value is read depends on what it decides; its type states it.
//!
//! Tokens and cookies hold values of three kinds. A new claim or field is declared with one of these types, so that its
//! reader cannot choose.
//!
//! 1. A **security claim** decides who a token belongs to, whom it is meant for and when it is valid. It is [`Strict`]:
//!    a value of another type refuses the token, with a reason that names the claim. Such a value never counts as
//!    absent, which would lift a limit (CVE-2026-25537) or hide an impersonation.
//! 2. An **authorization claim** decides what somebody may do in the application. The customer's JWT template may set
//!    it to anything. It is [`Held`]: a value of another type grants nothing, so that guards deny and the session
//!    continues.
//! 3. **Display data** decides nothing. It is [`Display`]: a value that cannot be read is absent.
//!
//! For all of them:
//!
//! 4. `null` counts as an absent member.
//! 5. A repeated member is ambiguous, although one of its values be `null` (RFC 7519 section 4: names are unique): a
//!    strict one refuses, a held one grants nothing, and of display data the last readable value counts, as in the
//!    parsers of JavaScript, Python and Ruby.
//! 6. Values that rules 2 and 3 ignore are noted in [`OddValues`], and one log line a minute names the claim or the
//!    field.
//!    The value itself is never logged.

use std::borrow::Cow;

use crate::json;

/// A type that a JSON value can be read as.
pub(crate) trait FromJson<'a>: Sized {
    /// `None` where the value is of another type. It is never called with `null`.
    fn from_json(json: &'a str) -> Option<Self>;
}

/// A security claim: rule 1.
#[derive(Debug)]
pub(crate) struct Strict<T>(Member<T>);

/// An authorization claim: rule 2.
#[derive(Debug)]
pub(crate) struct Held<T>(Member<T>);

/// Display data: rule 3.
#[derive(Debug)]
pub(crate) struct Display<T>(Member<T>);

/// The names of claims and fields that were ignored.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct OddValues(Vec<&'static str>);

impl<T> Strict<T> {
    pub(crate) fn read<'a>(&mut self, json: &'a str)
    where
        T: FromJson<'a>,
    {
        self.0.read_once(json);
    }

    /// The value, if there is one. No method ignores a mistyped value.
    ///
    /// # Errors
    ///
    /// `mistyped` if the claim has a value of another type.
    pub(crate) fn value<E>(self, mistyped: E) -> Result<Option<T>, E> {
        match self.0 {
            Member::Absent | Member::Null => Ok(None),
            Member::Value(value) => Ok(Some(value)),
            Member::Mistyped => Err(mistyped),
        }
    }
}

impl<T> Held<T> {
    pub(crate) fn read<'a>(&mut self, json: &'a str)
    where
        T: FromJson<'a>,
    {
        self.0.read_once(json);
    }

    /// The value, if there is one; a mistyped claim is noted under `name`.
    pub(crate) fn value(self, name: &'static str, odd: &mut OddValues) -> Option<T> {
        self.0.noted(name, odd)
    }
}

impl<T> Display<T> {
    pub(crate) fn read<'a>(&mut self, json: &'a str)
    where
        T: FromJson<'a>,
    {
        self.0.read_last(json);
    }

    /// The value to display, if there is one; an unreadable value is noted under `name`.
    pub(crate) fn value(self, name: &'static str, odd: &mut OddValues) -> Option<T> {
        self.0.noted(name, odd)
    }
}

/// The result of reading a member.
#[derive(Debug)]
enum Member<T> {
    Absent,
    /// Written once, as `null`.
    Null,
    Value(T),
    Mistyped,
}

impl<T> Member<T> {
    /// Reads a member that may occur once: rule 5.
    fn read_once<'a>(&mut self, json: &'a str)
    where
        T: FromJson<'a>,
    {
        *self = match self {
            Self::Absent if json == NULL => Self::Null,
            Self::Absent => T::from_json(json).map_or(Self::Mistyped, Self::Value),
            Self::Null | Self::Value(_) | Self::Mistyped => Self::Mistyped,
        };
    }

    /// Reads a member of which the last readable value counts: rule 5.
    fn read_last<'a>(&mut self, json: &'a str)
    where
        T: FromJson<'a>,
    {
        if json == NULL {
            return;
        }
        match (T::from_json(json), &self) {
            (Some(value), _) => *self = Self::Value(value),
            (None, Self::Absent | Self::Null) => *self = Self::Mistyped,
            (None, Self::Value(_) | Self::Mistyped) => {}
        }
    }

    fn noted(self, name: &'static str, odd: &mut OddValues) -> Option<T> {
        match self {
            Self::Absent | Self::Null => None,
            Self::Value(value) => Some(value),
            Self::Mistyped => {
                odd.note(name);
                None
            }
        }
    }
}

impl OddValues {
    pub(crate) fn note(&mut self, name: &'static str) {
        self.0.push(name);
    }

    pub(crate) fn names(&self) -> &[&'static str] {
        &self.0
    }
}

// Derived impls would require `T: Default`.
impl<T> Default for Strict<T> {
    fn default() -> Self {
        Self(Member::Absent)
    }
}

impl<T> Default for Held<T> {
    fn default() -> Self {
        Self(Member::Absent)
    }
}

impl<T> Default for Display<T> {
    fn default() -> Self {
        Self(Member::Absent)
    }
}

impl<'a> FromJson<'a> for Cow<'a, str> {
    fn from_json(json: &'a str) -> Option<Self> {
        json::text(json)
    }
}

impl FromJson<'_> for String {
    fn from_json(json: &str) -> Option<Self> {
        json::text(json).map(Cow::into_owned)
    }
}

impl FromJson<'_> for bool {
    fn from_json(json: &str) -> Option<Self> {
        match json {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}

impl FromJson<'_> for Vec<String> {
    fn from_json(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }
}

/// Any value, as it is spelt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spelt<'a>(pub(crate) &'a str);

impl<'a> FromJson<'a> for Spelt<'a> {
    fn from_json(json: &'a str) -> Option<Self> {
        Some(Self(json))
    }
}

const NULL: &str = "null";

#[cfg(test)]
mod tests {
    use super::*;

    fn strict(values: &[&str]) -> Result<Option<String>, ()> {
        let mut strict = Strict::default();
        values.iter().for_each(|value| strict.read(value));
        strict.value(())
    }

    fn held(values: &[&str]) -> (Option<String>, OddValues) {
        let (mut held, mut odd) = (Held::default(), OddValues::default());
        values.iter().for_each(|value| held.read(value));
        (held.value("claim", &mut odd), odd)
    }

    fn display(values: &[&str]) -> (Option<String>, OddValues) {
        let (mut display, mut odd) = (Display::default(), OddValues::default());
        values.iter().for_each(|value| display.read(value));
        (display.value("field", &mut odd), odd)
    }

    #[test]
    fn a_mistyped_value_refuses_is_held_by_nobody_or_is_absent() {
        let a = || Some("a".to_owned());
        let fine = OddValues::default;
        let (claim, field) = (|| OddValues(vec!["claim"]), || OddValues(vec!["field"]));
        let cases: [(&[&str], _, _, _); 12] = [
            (&[], Ok(None), (None, fine()), (None, fine())),
            (&["null"], Ok(None), (None, fine()), (None, fine())),
            (&[r#""a""#], Ok(a()), (a(), fine()), (a(), fine())),
            (&["null", r#""a""#], Err(()), (None, claim()), (a(), fine())),
            (&[r#""a""#, "null"], Err(()), (None, claim()), (a(), fine())),
            (&["null", "null"], Err(()), (None, claim()), (None, fine())),
            (&["1"], Err(()), (None, claim()), (None, field())),
            (&[r#"["a"]"#], Err(()), (None, claim()), (None, field())),
            (&[r#""\ud800""#], Err(()), (None, claim()), (None, field())),
            (&["1", r#""a""#], Err(()), (None, claim()), (a(), fine())),
            (&[r#""a""#, "1"], Err(()), (None, claim()), (a(), fine())),
            (&[r#""b""#, r#""a""#], Err(()), (None, claim()), (a(), fine())),
        ];
        for (values, of_strict, of_held, of_display) in cases {
            assert_eq!(strict(values), of_strict, "strict: {values:?}");
            assert_eq!(held(values), of_held, "held: {values:?}");
            assert_eq!(display(values), of_display, "display: {values:?}");
        }
    }
}
