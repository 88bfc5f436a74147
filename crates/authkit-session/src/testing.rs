//! What tests share: keys, a WorkOS in memory, a service that talks to it, and browsers.

mod accounts;
mod child;
mod coordinator;
mod keys;
mod owner_parts;
mod service;
mod workos;

pub(crate) use self::{
    accounts::Rotation,
    child::{in_child, is_child},
    coordinator::{Together, Trouble},
    keys::{Key, key},
    owner_parts::OwnerParts,
    service::{Answer, Browser, Service, clock},
    workos::{Endpoint, Reply, Workos},
};
