//! For development and tests (feature `dev`): an emulator in the place of WorkOS.
//!
//! [`AuthKit::from_env_or_emulator`](crate::AuthKit::from_env_or_emulator) starts an application without an account.
//! [`EnvOrEmulator`] is the same with settings.

mod env_or_emulator;

pub use self::env_or_emulator::EnvOrEmulator;
/// The crate `authkit-emulator`, whose [`Emulator`](authkit_emulator::Emulator) takes the place of WorkOS.
pub use authkit_emulator as emulator;
