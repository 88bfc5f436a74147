//! What replicas tell each other of an exchange: sealed for that alone, and bound to the token that was spent.

use std::time::Duration;

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use tokio::time;

use crate::{
    core::Core,
    refresh::coordinator::{Claim, Coordinating},
    refresh_state::lineage::RefusedFor,
    seal::Purpose,
    token::TokenHash,
};

/// An exchange that other replicas may be making too.
pub(crate) struct SharedExchange {
    name: String,
    context: Vec<u8>,
}

/// What is known of it.
pub(crate) enum Claimed {
    Alone,
    Contested,
    Told(News),
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum News {
    /// WorkOS's answer.
    Renewed(Bytes),
    Refused(RefusedFor),
}

impl SharedExchange {
    /// The exchange of this token for this organization.
    pub(crate) fn new(core: &Core, token: TokenHash, organization: Option<&str>) -> Self {
        let mut context = Vec::from(*token.as_bytes());
        if let Some(organization) = organization {
            context.push(b'@');
            context.extend_from_slice(organization.as_bytes());
        }
        // The same on every replica, whatever passwords it has, and no way back to the token.
        let name = digest::digest(&digest::SHA256, &core.context(token.as_bytes()));
        Self { name: URL_SAFE_NO_PAD.encode(name), context: core.context(&context) }
    }

    pub(crate) async fn claim(&self, core: &Core) -> Claimed {
        self.read(core, core.coordinator.claim(&self.name), CLAIM).await
    }

    pub(crate) async fn look(&self, core: &Core) -> Claimed {
        self.read(core, core.coordinator.look(&self.name), LOOK).await
    }

    pub(crate) async fn publish(&self, core: &Core, news: &News) {
        let sealed = core.ring.load().seal_for(Purpose::Replica, &self.context, &news.to_bytes());
        // Without randomness nothing can be sealed; then the others make the exchange themselves.
        let Ok(sealed) = sealed else { return };
        let published = core.coordinator.publish(&self.name, Bytes::from(sealed));
        if time::timeout(PUBLISH, published).await.is_err() {
            tracing::debug!("the refresh coordinator took too long to publish");
        }
    }

    async fn read(
        &self,
        core: &Core,
        asked: Coordinating<'_, Claim>,
        at_most: Duration,
    ) -> Claimed {
        match time::timeout(at_most, asked).await {
            Ok(Claim::Alone) => Claimed::Alone,
            Ok(Claim::Contested) => Claimed::Contested,
            Ok(Claim::Published(sealed)) => self.open(core, &sealed).unwrap_or_else(|| {
                tracing::warn!("another process published a refresh that cannot be opened here");
                Claimed::Contested
            }),
            Err(_) => {
                tracing::debug!("the refresh coordinator took too long to answer");
                Claimed::Alone
            }
        }
    }

    fn open(&self, core: &Core, sealed: &[u8]) -> Option<Claimed> {
        let sealed = std::str::from_utf8(sealed).ok()?;
        let opened = core.ring.load().open_for(Purpose::Replica, &self.context, sealed)?;
        Some(Claimed::Told(News::of(&opened)?))
    }
}

impl News {
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Renewed(body) => [RENEWED, body].concat(),
            Self::Refused(RefusedFor::Grant) => GRANT_REFUSED.to_vec(),
            Self::Refused(RefusedFor::OrganizationGone) => ORGANIZATION_GONE.to_vec(),
            Self::Refused(RefusedFor::InteractionNeeded) => INTERACTION_NEEDED.to_vec(),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            GRANT_REFUSED => Some(Self::Refused(RefusedFor::Grant)),
            ORGANIZATION_GONE => Some(Self::Refused(RefusedFor::OrganizationGone)),
            INTERACTION_NEEDED => Some(Self::Refused(RefusedFor::InteractionNeeded)),
            _ => Some(Self::Renewed(Bytes::copy_from_slice(bytes.strip_prefix(RENEWED)?))),
        }
    }
}

const RENEWED: &[u8] = b"renewed ";
const GRANT_REFUSED: &[u8] = b"refused grant";
const ORGANIZATION_GONE: &[u8] = b"refused organization";
const INTERACTION_NEEDED: &[u8] = b"refused interaction";
/// How long a coordinator may take; longer than the 1.5 seconds that it may wait itself.
const CLAIM: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(500);
const PUBLISH: Duration = Duration::from_secs(2);
