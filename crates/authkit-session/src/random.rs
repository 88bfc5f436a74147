/// `N` bytes from the operating system.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    try_bytes().expect("the operating system has randomness once it has booted")
}

/// Like [`bytes`], for callers that can handle a failure.
pub(crate) fn try_bytes<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
