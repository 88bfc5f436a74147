use std::time::Duration;

/// A fault that changes what an exchange does rather than how the answer travels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Twist {
    #[default]
    None,
    StrictRotation,
    NewSessionId,
    NoRefreshToken,
    ClockAhead(Duration),
    ClockBehind(Duration),
}
