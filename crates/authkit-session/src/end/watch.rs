//! Watches an admitted principal while a connection, such as an event stream, depends on it.

use std::{fmt, sync::Arc};

use crate::{
    api_key::verified::VerifiedApiKey, decide::CutOffEffect, end::SessionEnder,
    token::TokenIdentity,
};

/// Tells a connection that outlives its request whether the session or credential that admitted it has ended early.
///
/// It holds only ids, so it may live as long as a connection.
pub struct PrincipalWatch {
    ender: Arc<SessionEnder>,
    watched: Watched,
    /// The effect of revocations when the watch started.
    cut_off: CutOffEffect,
}

/// The subject of revocations.
enum Watched {
    Token {
        subject: Box<str>,
        session_id: Option<Box<str>>,
        organization_id: Option<Box<str>>,
        issued_at: u64,
    },
    ApiKey(Arc<VerifiedApiKey>),
}

impl PrincipalWatch {
    /// Watches the session or principal of a token.
    pub(crate) fn of_token(ender: Arc<SessionEnder>, token: TokenIdentity<'_>) -> Self {
        Self::new(ender, Watched::of(token))
    }

    /// Watches the owner of an API key.
    pub(crate) fn of_api_key(ender: Arc<SessionEnder>, key: &Arc<VerifiedApiKey>) -> Self {
        Self::new(ender, Watched::ApiKey(Arc::clone(key)))
    }

    fn new(ender: Arc<SessionEnder>, watched: Watched) -> Self {
        Self { cut_off: watched.cut_off(&ender), ender, watched }
    }

    /// Whether the session was signed out here or revoked, whether the API key was revoked, or whether a revocation
    /// since the start of the watch demands a newer token. Reads what this process knows; it does not wait.
    pub fn has_ended(&self) -> bool {
        let cut_off = self.watched.cut_off(&self.ender);
        match &self.watched {
            Watched::Token { session_id, .. } => {
                cut_off == CutOffEffect::Ended
                    // A token that was admitted despite an earlier cut-off stays good enough.
                    || cut_off > self.cut_off
                    || session_id.as_deref().is_some_and(|id| self.ender.has_ended(id))
            }
            // A change only means that WorkOS is asked when the key comes again.
            Watched::ApiKey(_) => cut_off == CutOffEffect::Ended,
        }
    }
}

impl Watched {
    fn of(identity: TokenIdentity<'_>) -> Self {
        Self::Token {
            subject: identity.subject.unwrap_or_default().into(),
            session_id: identity.session.map(Into::into),
            organization_id: identity.organization.map(Into::into),
            issued_at: identity.issued_at,
        }
    }

    fn cut_off(&self, ender: &SessionEnder) -> CutOffEffect {
        match self {
            Self::Token { subject, session_id, organization_id, issued_at } => {
                ender.cut_off(TokenIdentity {
                    subject: Some(subject),
                    session: session_id.as_deref(),
                    organization: organization_id.as_deref(),
                    issued_at: *issued_at,
                })
            }
            Self::ApiKey(key) => ender.cut_off_of_api_key(key),
        }
    }
}

impl fmt::Debug for PrincipalWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrincipalWatch").field("cut_off", &self.cut_off).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        Clock,
        end::{notice::RevocationPublisher, revocation::Revocation},
        testing::OwnerParts,
    };

    fn identity(clock: &Clock) -> TokenIdentity<'static> {
        TokenIdentity {
            subject: Some("user_1"),
            session: Some("session_1"),
            organization: Some("org_1"),
            issued_at: clock.unix(),
        }
    }

    /// A connection goes on with a token that was admitted after a change, until the next change.
    #[tokio::test]
    async fn a_watch_ends_with_its_session_and_when_a_newer_token_is_demanded() {
        let clock = OwnerParts::new(|config| config).settings.clock().clone();
        let (now, later) = (clock.wall(), clock.wall() + Duration::from_secs(1));
        let member = |at| Revocation::membership("user_1", "org_1", at);
        // What is revoked before the watch starts, and after that.
        let cases = [
            ("nothing", None, None, false),
            ("another session", None, Some(Revocation::session("session_2", now)), false),
            ("the session", None, Some(Revocation::session("session_1", now)), true),
            ("the user", None, Some(Revocation::user("user_1", now)), true),
            ("the membership", None, Some(member(now)), true),
            ("the membership before", Some(member(now)), None, false),
            ("the membership before and again", Some(member(now)), Some(member(later)), true),
            ("the session before", Some(Revocation::session("session_1", now)), None, true),
        ];
        for (name, before, after, expected) in cases {
            let parts = OwnerParts::new(|config| config);
            let publisher = parts.publisher();
            let revoke = async |publisher: &RevocationPublisher, revocation: Option<Revocation>| {
                if let Some(revocation) = revocation {
                    publisher.revoke(&revocation).await.unwrap();
                }
            };
            let ender = parts.ender_with(Arc::clone(&publisher));
            revoke(&publisher, before).await;
            let watched = Watched::of(identity(parts.settings.clock()));
            let watch = PrincipalWatch::new(Arc::clone(&ender), watched);
            revoke(&publisher, after).await;
            assert_eq!(watch.has_ended(), expected, "{name}");
        }

        let ender = OwnerParts::new(|config| config).ender();
        let watch = PrincipalWatch::new(Arc::clone(&ender), Watched::of(identity(&clock)));
        ender.end(None, Some("session_1"));
        assert!(watch.has_ended(), "signed out here");
    }
}
