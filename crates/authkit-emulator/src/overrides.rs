use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

/// Changes to members of a JSON object: set to any value, or left out.
#[derive(Clone, Default, PartialEq)]
pub(crate) struct Overrides(BTreeMap<String, Option<Value>>);

impl Overrides {
    pub(crate) fn new(set: Map<String, Value>, left_out: impl IntoIterator<Item = String>) -> Self {
        let set = set.into_iter().map(|(name, value)| (name, Some(value)));
        Self(set.chain(left_out.into_iter().map(|name| (name, None))).collect())
    }

    /// Sets the given members.
    ///
    /// # Panics
    ///
    /// If `members` is not a JSON object.
    pub(crate) fn of(members: Value) -> Self {
        let Value::Object(members) = members else { panic!("{members} is no JSON object") };
        Self::new(members, [])
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), Some(value));
    }

    pub(crate) fn leave_out(&mut self, name: &str) {
        self.0.insert(name.to_owned(), None);
    }

    /// Adds other changes, which win over earlier ones.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn apply(&self, object: &mut Map<String, Value>) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => object.insert(name.clone(), value.clone()),
                None => object.remove(name),
            };
        }
    }
}

/// The names without the values, which may be addresses or tokens.
impl fmt::Debug for Overrides {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
