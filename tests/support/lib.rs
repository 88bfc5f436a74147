//! What the tests in `tests/it` share.

pub mod peers;
