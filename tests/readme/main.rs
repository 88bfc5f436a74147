//! The README's first program.

#![forbid(unsafe_code)]

include!(concat!(env!("OUT_DIR"), "/readme.rs"));
