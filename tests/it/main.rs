//! Behaviour through the public API, one behaviour a module.

mod peers_seal;
