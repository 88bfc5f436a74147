use serde_json::{Map, Value};

use crate::overrides::Overrides;

/// Changes to members and claims of a user; see [`People::change_user`](crate::People::change_user).
///
/// WorkOS's customers put any data into a user's metadata and into their JWT template, and WorkOS may add members and
/// change types. A change can set every member to any JSON, whatever its right type.
///
/// # Examples
///
/// ```
/// use authkit_emulator::UserChange;
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let emulator = authkit_emulator::Emulator::start().await;
/// let change = UserChange::new()
///     .field("metadata", json!({ "seats": 5 }))
///     .field("email", json!(null))
///     .without_field("last_name")
///     .answer_field("authentication_method", json!(["SSO"]))
///     .claim("role", json!({ "slug": "admin" }));
/// emulator.people().change_user("alice@acme.test", change);
///
/// let session = emulator.session("alice@acme.test");
/// assert_eq!(session.answer()["user"]["metadata"]["seats"], 5);
/// assert_eq!(session.claims()["role"]["slug"], "admin");
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "hand it to `People::change_user`"]
pub struct UserChange {
    pub(crate) reset: bool,
    pub(crate) fields: Overrides,
    pub(crate) answer: Overrides,
    pub(crate) claims: Map<String, Value>,
}

impl UserChange {
    /// Changes nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// First undoes all earlier changes, including the seed's `fields`, `answer_fields` and `claims`.
    pub fn reset(mut self) -> Self {
        self.reset = true;
        self
    }

    /// Sets a member of the user object in every answer. The emulator still finds the user by the seed's address and id.
    pub fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.set(name, value.into());
        self
    }

    /// Leaves a member out of the user object.
    pub fn without_field(mut self, name: &str) -> Self {
        self.fields.leave_out(name);
        self
    }

    /// Sets a member of the answer of 200 that `authenticate` gives for this user, such as `authentication_method` or
    /// `impersonator`. The payload of a [`TestSession`](crate::TestSession) has it too.
    pub fn answer_field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.answer.set(name, value.into());
        self
    }

    /// Leaves a member out of the answer of 200 that `authenticate` gives for this user.
    pub fn without_answer_field(mut self, name: &str) -> Self {
        self.answer.leave_out(name);
        self
    }

    /// Sets a claim as [`People::set_claim`](crate::People::set_claim) does.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }
}
