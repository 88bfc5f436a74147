use std::time::Duration;

use crate::overrides::Overrides;

/// A fault that changes what an exchange does rather than how the answer travels.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Twist {
    #[default]
    None,
    StrictRotation,
    NewSessionId,
    ClockAhead(Duration),
    ClockBehind(Duration),
    /// Claims of the access token, reserved ones too.
    Claims(Overrides),
    /// Members of the answer.
    Fields(Overrides),
}
