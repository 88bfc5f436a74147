use std::{fmt, sync::Arc};

use crate::{
    connect::{introspection::Introspector, reader::ConnectReader, token::ConnectToken},
    request::{
        jwt_authenticator::JwtAuthenticator,
        policy::Policy,
        waiting::{Decision, Waiting},
    },
};

/// Decides about the tokens of one kind of an AuthKit domain: offline, and then by introspection if that is on.
#[derive(Clone)]
pub(crate) struct ConnectTokens {
    offline: Arc<JwtAuthenticator<ConnectReader>>,
    introspector: Option<Arc<Introspector>>,
}

impl ConnectTokens {
    pub(crate) fn new(
        offline: JwtAuthenticator<ConnectReader>,
        introspector: Option<Introspector>,
    ) -> Self {
        Self { offline: Arc::new(offline), introspector: introspector.map(Arc::new) }
    }

    /// The issuer of its tokens.
    pub(crate) fn issuer(&self) -> &str {
        self.offline.reader().domain.issuer()
    }

    pub(crate) fn authenticate(&self, token: &str, policy: Policy) -> Decision<Arc<ConnectToken>> {
        let decision = self.offline.authenticate(token, policy);
        let Some(introspector) = &self.introspector else { return decision };
        match decision {
            Decision::Admit(token) => introspector.decide(token),
            Decision::Refuse(refusal) => Decision::Refuse(refusal),
            Decision::Wait(waiting) => {
                let introspector = Arc::clone(introspector);
                Decision::Wait(Waiting::new(async move {
                    let token = waiting.await?;
                    match introspector.decide(token) {
                        Decision::Admit(token) => Ok(token),
                        Decision::Refuse(refusal) => Err(refusal),
                        Decision::Wait(waiting) => waiting.await,
                    }
                }))
            }
        }
    }
}

impl fmt::Debug for ConnectTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectTokens").field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
