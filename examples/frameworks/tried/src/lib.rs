//! An empty library. The frameworks are tried in `tests/`.

#![forbid(unsafe_code)]
