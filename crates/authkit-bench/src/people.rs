use authkit_emulator::{Emulator, TestSession};
use serde_json::{Value, json};

/// A session with a user of its own, since the refreshes of one user are limited.
pub fn session_of(emulator: &Emulator, name: &str, n: usize) -> TestSession {
    let email = format!("{name}_{n}@acme.test");
    emulator.people().add_user(json!({ "email": email }));
    emulator.session(&email)
}

/// WorkOS's answer to a refresh of this session, with another refresh token.
pub fn refresh_answer(session: &TestSession) -> Value {
    let mut answer = session.answer();
    answer["refresh_token"] = json!(format!("{}_next", session.refresh_token()));
    answer
}
