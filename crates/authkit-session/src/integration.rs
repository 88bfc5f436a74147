//! What only a crate needs that puts this one behind a web framework.
//!
//! Applications do not: `authkit-tower` uses these seams, and has what handlers want. They are closed enums, so that a
//! framework crate answers every case, and plain data that reads no clock.

pub use crate::{decide::reason::SignInCause, error::ErrorClass, log_limit::LogLimiter};
