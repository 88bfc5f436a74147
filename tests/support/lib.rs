//! What the tests in `tests/it` share.

#![forbid(unsafe_code)]

pub mod browser;
pub mod events;
mod form;
pub mod harness;
pub mod logs;
pub mod peers;
pub mod program;
pub mod secrets;
pub mod served;
pub mod wiretap;

pub use crate::{
    browser::{Answer, Browser, DOCUMENT},
    events::Events,
    harness::{Harness, Neighbour, PASSWORD, Running},
    logs::Logs,
    program::Program,
    secrets::Secrets,
    served::{Port, Served},
    wiretap::Wiretap,
};
