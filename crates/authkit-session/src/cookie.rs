//! Session cookies, as requests bring them and as responses set them.

pub(crate) mod received;
pub(crate) mod set_cookie;
