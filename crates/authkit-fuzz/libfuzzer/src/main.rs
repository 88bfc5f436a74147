//! Runs the target that `AUTHKIT_FUZZ_TARGET` names. `cargo xtask fuzz` builds this program with coverage.

#![no_main]

use std::{env, sync::LazyLock};

use authkit_fuzz::Target;
use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = env::var("AUTHKIT_FUZZ_TARGET").unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| panic!("there is no target `{name}`"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
