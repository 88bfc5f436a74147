//! Nothing: what was tried is in `tests/`.

#![forbid(unsafe_code)]
