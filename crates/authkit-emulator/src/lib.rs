//! WorkOS AuthKit in memory, for development and tests.

#![forbid(unsafe_code)]

mod api_error;
mod builder;
mod clock;
mod emulator;
mod endpoint;
mod error;
mod faults;
mod ids;
mod interfere;
mod keys;
mod pages;
mod people;
mod redirects;
mod reply;
mod routes;
mod seal;
mod seed;
mod server;
mod state;
mod test_session;
mod token;

pub use self::{
    builder::{EmulatorBuilder, Rotation, SignIn},
    emulator::Emulator,
    endpoint::Endpoint,
    error::{KeyError, SeedError},
    faults::Fault,
    keys::SigningKey,
    people::{MembershipInfo, UserInfo},
    seal::seal,
    seed::Seed,
    test_session::TestSession,
};
