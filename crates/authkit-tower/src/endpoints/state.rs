//! The `state` parameter of a sign-in, which travels to WorkOS and back.

use authkit_session::{SealError, integration::Purpose};

use crate::{authkit::AuthKit, uri::ReturnTarget};

/// What a state says, in whatever browser: it is sealed, with the redirect URI as context.
///
/// It says where a sign-in leads whose flow cookie the browser does not send back, as when it began on another host of
/// the service.
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

/// What tells a state from all others: the beginning of it, which is random.
pub(super) fn state_id(state: &str) -> &str {
    state.get(..STATE_ID).unwrap_or(state)
}

/// The longest return path that a state carries, in bytes: states are part of URLs.
pub(super) const MAX_STATE_PATH: usize = 256;
/// The longest state that is opened, in bytes: longer than any of ours.
pub(super) const MAX_STATE: usize = 512;
/// The characters of a state that tell it from all others: 96 random bits and more.
const STATE_ID: usize = 22;
