//! What is remembered of refreshes and of those under way.

pub(crate) mod breaker;
pub(crate) mod lineage;
pub(crate) mod pace;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::{
    refresh_state::{
        breaker::{Breaker, RefreshLimits},
        lineage::{Carriage, Limits, Lineages, PairId, RefusedFor, RefusedSince, Successor},
        pace::Pace,
    },
    set_cookie::SessionLifetime,
};

/// What is remembered of refreshes, behind one lock.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) lineages: Lineages<Join, Pair>,
    pub(crate) breaker: Breaker,
    pub(crate) pace: Pace,
}

impl Table {
    pub(crate) fn new(limits: RefreshLimits) -> Self {
        Self {
            lineages: Lineages::new(Limits::default()),
            breaker: Breaker::new(limits),
            pace: Pace::default(),
        }
    }
}

/// A session after a refresh, as its cookie will have it.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) sealed: String,
    pub(crate) lifetime: SessionLifetime,
    pub(crate) carriage: Carriage,
    pub(crate) id: PairId,
    pub(crate) session_id: Option<Box<str>>,
    pub(crate) organization: Option<Box<str>>,
}

impl Successor for Pair {
    fn id(&self) -> PairId {
        self.id
    }

    fn session_id(&self) -> Option<&str> {
        self.session_id.as_deref()
    }

    fn organization(&self) -> Option<&str> {
        self.organization.as_deref()
    }

    fn carriage(&self) -> Carriage {
        self.carriage
    }

    fn bytes(&self) -> usize {
        self.sealed.len() + 512
    }
}

/// The way to wait for an exchange.
#[derive(Clone, Debug)]
pub(crate) struct Join {
    landing: watch::Receiver<Option<Landing>>,
    /// The organization that it asks for.
    organization: Option<Arc<str>>,
}

impl Join {
    pub(crate) fn is_for(&self, organization: Option<&str>) -> bool {
        self.organization.as_deref() == organization
    }
}

/// How an exchange ended.
#[derive(Clone, Debug)]
pub(crate) enum Landing {
    Renewed(Arc<Pair>),
    Refused {
        why: RefusedFor,
        since: RefusedSince,
        /// Where WorkOS wants the browser sent to (`authkit_redirect_url`).
        sign_in_at: Option<Arc<str>>,
    },
    SignedOut,
    /// The application refused the new session.
    Denied,
    /// It could not say anything of it.
    Undecided,
    Foreign,
    Misconfigured,
    Rejected,
    Transient {
        retry_after: Option<Duration>,
    },
}

impl Landing {
    /// Whether it says something of the organization that was asked for, and nothing of the token.
    pub(crate) fn is_about_organization(&self) -> bool {
        match self {
            Self::Refused { why, .. } => why.is_about_organization(),
            Self::Foreign => true,
            Self::Renewed(_)
            | Self::SignedOut
            | Self::Denied
            | Self::Undecided
            | Self::Misconfigured
            | Self::Rejected
            | Self::Transient { .. } => false,
        }
    }
}

/// The two ends of an exchange for `organization`.
pub(crate) fn channel(organization: Option<&str>) -> (watch::Sender<Option<Landing>>, Join) {
    let (sender, landing) = watch::channel(None);
    (sender, Join { landing, organization: organization.map(Into::into) })
}

/// Waits for the end of an exchange.
pub(crate) async fn landed(mut join: Join) -> Landing {
    match join.landing.wait_for(Option::is_some).await {
        Ok(landing) => landing.clone().expect("it waited for that"),
        // The task vanished.
        Err(_) => Landing::Transient { retry_after: None },
    }
}
