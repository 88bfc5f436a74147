//! What the tests in `tests/it` share.

pub mod browser;
pub mod harness;
pub mod peers;
pub mod served;

pub use crate::{
    browser::{Answer, Browser, DOCUMENT},
    harness::{Harness, PASSWORD, Running},
    served::{Port, Served},
};
