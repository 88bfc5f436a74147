use std::time::Duration;

use crate::overrides::Overrides;

/// A fault that changes what an exchange issues, not how the answer is sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Twist {
    #[default]
    None,
    StrictRotation,
    NewSessionId,
    ClockAhead(Duration),
    ClockBehind(Duration),
    /// Changes to claims of the access token, also to reserved ones.
    Claims(Overrides),
    /// Changes to members of the answer.
    Fields(Overrides),
}
