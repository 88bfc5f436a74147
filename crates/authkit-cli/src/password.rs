//! `authkit password`.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::Output;

/// A new cookie password: 32 random bytes in padded base64, as `openssl rand -base64 32` makes it.
pub(crate) fn run() -> Result<Output, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| format!("the system gives no random bytes: {error}"))?;
    Ok(Output::good(format!("{}\n", STANDARD.encode(bytes))))
}
