//! The `state` parameter of a sign-in, which travels to WorkOS and back.

use authkit_session::{SealError, integration::Purpose};

use crate::{authkit::AuthKit, uri::ReturnTarget};

/// The content of a state, which does not depend on the browser: it is sealed, with the redirect URI as context.
///
/// It tells where a sign-in leads if the browser does not send the flow cookie back, for instance because the sign-in
/// started on another host of the service.
pub(super) struct State {
    /// How often the sign-in has started again.
    pub(super) restarts: u8,
    /// Where the sign-in leads, unless that is the root or too long for a state.
    pub(super) return_path: Option<ReturnTarget>,
}

impl State {
    pub(super) fn seal(
        authkit: &AuthKit,
        restarts: u8,
        return_path: &ReturnTarget,
    ) -> Result<String, SealError> {
        let path = return_path.as_str();
        let path =
            if path == authkit.site().root() || path.len() > MAX_STATE_PATH { "" } else { path };
        let content = [&[restarts], path.as_bytes()].concat();
        let context = authkit.site().redirect_uri().as_bytes();
        authkit.authenticator().seal_for(Purpose::State, context, &content)
    }

    /// Reads a state. `None` if it is not ours.
    pub(super) fn open(authkit: &AuthKit, state: &str) -> Option<Self> {
        if state.len() > MAX_STATE {
            return None;
        }
        let context = authkit.site().redirect_uri().as_bytes();
        let content = authkit.authenticator().open_for(Purpose::State, context, state)?;
        let (restarts, path) = content.split_first()?;
        let path = std::str::from_utf8(path).ok()?;
        let return_path = ReturnTarget::parse(path, authkit.site());
        Some(Self { restarts: *restarts, return_path })
    }
}

/// The random start of a state, which identifies it.
pub(super) fn state_id(state: &str) -> &str {
    state.get(..STATE_ID).unwrap_or(state)
}

/// The longest return path in a state, in bytes: states are part of URLs.
pub(super) const MAX_STATE_PATH: usize = 256;
/// The longest state that is opened, in bytes: longer than any of ours.
pub(super) const MAX_STATE: usize = 512;
/// The number of characters that identify a state: more than 96 random bits.
const STATE_ID: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    /// These have more than 96 random bits; what follows may be changed, and makes no other state.
    #[test]
    fn a_state_is_known_by_its_first_22_characters() {
        let state = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        assert_eq!(state_id(state), "ABCDEFGHIJKLMNOPQRSTUV");
        assert_eq!(state_id("short"), "short");
    }
}
