//! What every request of a service shares, and what is known of the session that one brought.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use http::HeaderMap;
use tokio::sync::watch;

use crate::{
    cache::SessionCache,
    client::Client,
    coordinator::RefreshCoordinator,
    cut_offs::{CutOffs, Hit, Made},
    decide::{PairAge, Verdict},
    flight::Table,
    hooks::{Hooks, Ruled},
    jar::{self, Candidate, Seen},
    jwks::Jwks,
    jwt::Unverified,
    lineage::{PairId, Standing},
    payload::Payload,
    revocations::Revocations,
    seal::{Attempts, KeyRing, Opened, SealError, Target},
    session::VerifiedSession,
    settings::{Checked, Settings},
    token::{RefreshToken, TokenHash},
    verify::verify,
};

/// What every request of a service shares.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) client: Client,
    pub(crate) ring: ArcSwap<KeyRing>,
    pub(crate) cache: SessionCache,
    pub(crate) jwks: Jwks,
    pub(crate) cut_offs: CutOffs,
    /// The way to the other replicas.
    pub(crate) revocations: Option<Arc<dyn Revocations>>,
    /// What the application says of sessions.
    pub(crate) hooks: Hooks,
    table: Mutex<Table>,
    pub(crate) coordinator: Arc<dyn RefreshCoordinator>,
    /// How many tasks of ours are under way.
    pub(crate) tasks: watch::Sender<usize>,
    log_key: hmac::Key,
}

/// The session that a request brought, as far as it got.
pub(crate) struct Presented {
    pub(crate) verdict: Verdict,
    pub(crate) session: Option<Arc<VerifiedSession>>,
    /// Not there where the session was known by its cookie.
    pub(crate) opened: Option<Box<Sealed>>,
    /// Its refresh token, if it has one, and its access token, without being them.
    pub(crate) pair: Option<PairId>,
    /// The refresh token that it brought, if its lineage is remembered.
    pub(crate) lineage: Option<TokenHash>,
    pub(crate) age: PairAge,
    /// What the cut-offs ask for.
    pub(crate) hit: Hit,
    pub(crate) seen: Seen,
}

/// An opened cookie with a session in it.
pub(crate) struct Sealed {
    pub(crate) opened: Opened,
    pub(crate) payload: Payload,
    says: OnceLock<Unverified>,
}

impl Sealed {
    /// What its access token says, whether or not it still verifies.
    pub(crate) fn says(&self) -> &Unverified {
        self.says.get_or_init(|| Unverified::of(self.payload.access_token.expose()))
    }

    pub(crate) fn token(&self) -> Option<TokenHash> {
        self.payload.refresh_token.as_ref().map(RefreshToken::hash)
    }

    pub(crate) fn pair(&self) -> Option<PairId> {
        self.pair_made(self.says().iat.unwrap_or(0))
    }

    fn pair_made(&self, made: u64) -> Option<PairId> {
        Some(PairId { token: self.token()?, made })
    }

    /// Whose session it is: the token's user, or where the token cannot be read the cookie's.
    pub(crate) fn subject(&self) -> Option<String> {
        self.says().sub.clone().or_else(|| Some(self.payload.user.as_ref()?.id.clone()))
    }
}

impl Core {
    pub(crate) fn new(checked: Checked) -> Self {
        let Checked {
            settings,
            client,
            ring,
            cache,
            revocations,
            hooks,
            coordinator,
            refresh_limits,
            log_key,
        } = checked;
        Self {
            jwks: Jwks::new(client.clone(), settings.clock().clone()),
            settings,
            client,
            ring: ArcSwap::from_pointee(ring),
            cache,
            cut_offs: CutOffs::new(),
            revocations,
            hooks,
            table: Mutex::new(Table::new(refresh_limits)),
            coordinator,
            tasks: watch::Sender::new(0),
            log_key,
        }
    }

    /// The table of refreshes. Never held across an await.
    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        // Each of its methods leaves it whole, so a panic elsewhere says nothing about it.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the session among the cookies of a request, and verifies it unless it was verified before.
    pub(crate) fn present(&self, headers: &HeaderMap) -> Presented {
        let mut attempts = Attempts::new();
        self.best(headers, |value, seen| {
            self.remembered(value, seen)
                .unwrap_or_else(|| self.examine_anew(value, seen, &mut attempts))
        })
    }

    /// The same, but what is inside the cookie is there too, as a refresh needs it.
    pub(crate) fn present_opened(&self, headers: &HeaderMap) -> Presented {
        let mut attempts = Attempts::new();
        self.best(headers, |value, seen| self.examine_anew(value, seen, &mut attempts))
    }

    /// Looks at each session that a request brought, and looks up what else is known of the one that counts.
    fn best(
        &self,
        headers: &HeaderMap,
        mut look: impl FnMut(Candidate<'_>, Seen) -> Presented,
    ) -> Presented {
        let found = jar::find(headers, self.settings.cookie_name());
        let presented = found.candidates().map(|value| look(value, found.seen)).reduce(better);
        let mut presented =
            presented.unwrap_or_else(|| Presented::nothing(Verdict::Absent, found.seen));
        self.recall(&mut presented);
        self.check_cut_offs(&mut presented);
        if self.ruled(&presented) != Ruled::Already {
            presented.hit = presented.hit.max(Hit::ChangedSince);
        }
        presented
    }

    /// Whether the application has said what it thinks of the session.
    pub(crate) fn ruled(&self, presented: &Presented) -> Ruled {
        if self.hooks.refresh.is_none() {
            return Ruled::Already;
        }
        let Some(Made { session: Some(id), at, .. }) = presented.made() else {
            return Ruled::Already;
        };
        self.hooks.ruled(id, at, self.settings.clock().monotonic())
    }

    /// Opens and verifies one value of a request, and remembers it.
    fn examine_anew(&self, value: Candidate<'_>, seen: Seen, attempts: &mut Attempts) -> Presented {
        let value = value.whole();
        let presented = self.examine(&value, seen, attempts);
        self.remember(&value, &presented);
        presented
    }

    /// Opens and verifies one value.
    pub(crate) fn examine(
        &self,
        candidate: &[u8],
        seen: Seen,
        attempts: &mut Attempts,
    ) -> Presented {
        let clock = self.settings.clock();
        let Ok(opened) = self.ring.load().open(candidate, clock.unix_millis(), attempts) else {
            return Presented::nothing(Verdict::Unreadable, seen);
        };
        let Ok(mut payload) = Payload::parse(&opened.plaintext) else {
            return Presented::nothing(Verdict::NotASession, seen);
        };
        let (verdict, session) = verify(
            &mut payload,
            self.jwks.current().as_deref(),
            &self.settings.rules,
            clock.unix(),
        );
        let sealed = Sealed { opened, payload, says: OnceLock::new() };
        Presented {
            verdict,
            pair: match &session {
                Some(session) => sealed.pair_made(session.claims.iat),
                None => sealed.pair(),
            },
            session: session.map(Arc::new),
            opened: Some(Box::new(sealed)),
            ..Presented::nothing(verdict, seen)
        }
    }

    /// Looks up what is remembered of the session, and remembers that the browser has it.
    fn recall(&self, presented: &mut Presented) {
        let Some(made) = presented.made() else { return };
        let mut table = self.table();
        if table.lineages.is_empty() {
            return;
        }
        let now = self.settings.clock().monotonic();
        match table.lineages.presented(presented.pair, made.session, now) {
            Standing::Unknown => {}
            Standing::Ended => {
                presented.verdict = Verdict::SignedOut;
                presented.session = None;
            }
            Standing::Known(age) => {
                presented.lineage = presented.pair.map(|pair| pair.token);
                presented.age = PairAge::of(age, presented.lifetime());
            }
        }
    }

    /// Seals a session; leaves out what no SDK reads back where it would not fit into one cookie.
    pub(crate) fn seal(&self, plaintext: &[u8], target: &Target<'_>) -> Result<String, SealError> {
        let now = self.settings.clock().unix_millis();
        let sealed = target.seal(plaintext, now)?;
        if self.settings.cookies.fits_one(&sealed) {
            return Ok(sealed);
        }
        Payload::slimmed(plaintext).map_or(Ok(sealed), |slim| target.seal(&slim, now))
    }

    /// A word for a session in logs: the same on every replica, and no way back to the id.
    pub(crate) fn log_word(&self, session_id: &str) -> String {
        let tag = hmac::sign(&self.log_key, session_id.as_bytes());
        tag.as_ref()[..6].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Presented {
    pub(crate) fn nothing(verdict: Verdict, seen: Seen) -> Self {
        Self {
            verdict,
            session: None,
            opened: None,
            pair: None,
            lineage: None,
            age: PairAge::Older,
            hit: Hit::Nothing,
            seen,
        }
    }

    /// The id of the session for logs, as its token says.
    pub(crate) fn session_id(&self) -> Option<&str> {
        self.made()?.session
    }

    fn lifetime(&self) -> Duration {
        match (&self.session, &self.opened) {
            (Some(session), _) => Duration::from_secs(session.claims.lifetime()),
            (None, Some(sealed)) => sealed.says().lifetime(),
            (None, None) => Duration::ZERO,
        }
    }

    /// Whose its token is, and of when.
    pub(crate) fn made(&self) -> Option<Made<'_>> {
        if let Some(session) = &self.session {
            return Some(Made {
                session: Some(session.session_id()),
                user: Some(session.user_id()),
                organization: session.organization_id(),
                at: session.claims.iat,
            });
        }
        let says = self.opened.as_ref()?.says();
        Some(Made {
            session: says.sid.as_deref(),
            user: says.sub.as_deref(),
            organization: says.org_id.as_deref(),
            at: says.iat.unwrap_or(0),
        })
    }

    /// When its token was made, if its signature verified.
    fn verified_at(&self) -> Option<(u64, &str)> {
        self.session.as_ref().map(|session| (session.claims.iat, session.user_id()))
    }
}

/// Of two cookies of one name: the later session of one user, none of two users, and else the one that got further.
fn better(a: Presented, b: Presented) -> Presented {
    if a.verdict == Verdict::Ambiguous {
        return a;
    }
    match (a.verified_at(), b.verified_at()) {
        (Some((_, a_user)), Some((_, b_user))) if a_user != b_user => {
            Presented::nothing(Verdict::Ambiguous, a.seen)
        }
        (Some((a_made, _)), Some((b_made, _))) => {
            if b_made > a_made {
                b
            } else {
                a
            }
        }
        (Some(_), None) => a,
        (None, Some(_)) => b,
        (None, None) => {
            if b.opened.is_some() && a.opened.is_none() {
                b
            } else {
                a
            }
        }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("settings", &self.settings)
            .field("jwks", &self.jwks)
            .finish_non_exhaustive()
    }
}
