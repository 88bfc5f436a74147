use crate::candidate::OpenedSession;

/// What a refresh token is exchanged for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum ExchangePurpose {
    /// The same session, with a new token.
    Refresh,
    /// The same session, in this organization.
    Switch(String),
}

impl ExchangePurpose {
    /// The organization that the new session is to be in.
    pub(super) fn organization(&self, session: &OpenedSession) -> Option<String> {
        match self {
            Self::Refresh => session.unverified().org_id.clone(),
            Self::Switch(organization) => Some(organization.clone()),
        }
    }
}
