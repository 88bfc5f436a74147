//! What threads share, as the owners use it: primitives of `std` and of the libraries for them.
//!
//! With `--cfg interleavings`, the tests get the same names from the model checker [loom](https://docs.rs/loom): each use is then a
//! step, and `explore` tries every order of the steps of several threads, and every value that the memory model lets a
//! thread see. Only what those tests check is taken from here. `cargo xtask interleavings` runs them.

#[cfg(all(test, interleavings))]
mod interleaved;

#[cfg(not(all(test, interleavings)))]
pub(crate) use {
    arc_swap::{ArcSwap, ArcSwapOption},
    quick_cache::sync::Cache,
    std::{
        hash::RandomState,
        sync::{
            Mutex, MutexGuard,
            atomic::{AtomicU32, AtomicU64},
        },
    },
    tokio::{spawn, sync::watch},
};

#[cfg(all(test, interleavings))]
pub(crate) use self::interleaved::{
    ArcSwap, ArcSwapOption, AtomicU32, AtomicU64, Cache, Flag, Mutex, MutexGuard, RandomState,
    explore,
    tasks::{Fate, block_on, spawn, tasks_are, thread},
    watch,
};
