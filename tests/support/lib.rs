//! What the tests in `tests/it` share.

pub mod browser;
pub mod events;
pub mod harness;
pub mod peers;
pub mod served;

pub use crate::{
    browser::{Answer, Browser, DOCUMENT},
    events::Events,
    harness::{Harness, Neighbour, PASSWORD, Running},
    served::{Port, Served},
};
