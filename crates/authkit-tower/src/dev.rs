//! For development and tests (feature `dev`): an emulator replaces WorkOS.
//!
//! - [`AuthKit::from_env_or_emulator`](crate::AuthKit::from_env_or_emulator) starts an application without an account.
//!   [`EnvOrEmulator`] is the same with settings.
//! - [`TestKit`] is the five lines of a test of one's own routes.

mod env_or_emulator;
mod kit_session;
mod test_kit;

pub use self::{env_or_emulator::EnvOrEmulator, kit_session::KitSession, test_kit::TestKit};
/// The crate `authkit-emulator`, whose [`Emulator`](authkit_emulator::Emulator) replaces WorkOS.
pub use authkit_emulator as emulator;
