//! Judging the session that a request brought: found, opened, verified, and held against all that is known of it.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;

use crate::{
    candidate::{
        Presented, Sealed, better,
        cache::{InUse, Remembered},
        cookies::{self, Candidate, Seen},
        verify::{verify, when},
    },
    core::Core,
    decide::{PairAge, Verdict},
    end::cut_offs::{Hit, Made},
    payload::Payload,
    refresh::hook::Ruled,
    refresh_state::lineage::Standing,
    seal::{Attempts, Opened, Reuse},
};

impl Core {
    /// Finds the session among the cookies of a request, and verifies it unless it was verified before.
    pub(crate) fn present(&self, headers: &HeaderMap) -> Presented {
        let mut attempts = Attempts::new();
        self.best(headers, |value, seen| match self.remembered(value) {
            Some((verdict, Remembered { session, pair, .. })) => {
                Presented { session: Some(session), pair, ..Presented::nothing(verdict, seen) }
            }
            None => self.examine_anew(value, seen, &mut attempts),
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
        let found = cookies::find(headers, self.settings.cookie_name());
        let mut candidates = found.candidates();
        let mut presented = match candidates.next() {
            Some(value) => look(value, found.seen),
            None => Presented::nothing(Verdict::Absent, found.seen),
        };
        for value in candidates {
            presented = better(presented, look(value, found.seen));
        }
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
        let in_use = self.in_use(self.settings.clock().monotonic());
        let presented = self.examine(&value, seen, attempts);
        self.remember(&value, &presented, in_use);
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
        Presented::of(Sealed::new(opened, payload), verdict, session, seen)
    }

    /// Looks up what is remembered of the session, and remembers that the browser has it.
    fn recall(&self, presented: &mut Presented) {
        let Some(made) = presented.made() else { return };
        let Some(mut table) = self.table_if_any() else { return };
        let now = self.settings.clock().monotonic();
        match table.lineages.presented(presented.pair, made.session, now) {
            Standing::Unknown => {}
            Standing::Ended => {
                presented.verdict = Verdict::SignedOut;
                presented.session = None;
            }
            Standing::Known(age) => {
                presented.age = PairAge::of(age, presented.lifetime());
            }
        }
    }

    /// Applies the cut-offs to what a request presented.
    pub(crate) fn check_cut_offs(&self, presented: &mut Presented) {
        match presented.made().map_or(Hit::Nothing, |made| self.cut_offs.hit(made)) {
            // It ended here before, and that is answered more gently: the browser may have signed in again.
            _ if presented.verdict == Verdict::SignedOut => {}
            Hit::Ended => {
                presented.verdict = Verdict::Revoked;
                presented.session = None;
            }
            hit @ (Hit::Nothing | Hit::ChangedMeanwhile | Hit::ChangedSince) => presented.hit = hit,
        }
    }

    /// What is known of a value that was verified before, if that still counts: its token has not ended by either
    /// clock, and what it was verified with is still in use.
    fn remembered(&self, value: Candidate<'_>) -> Option<(Verdict, Remembered)> {
        let remembered = self.cache.get(value)?;
        let Remembered { session, password, until, .. } = &remembered;
        let (unix, now) = self.settings.clock().both();
        let verdict = when(&session.claims, self.settings.rules.leeway, unix);
        let in_use = self.in_use(now);
        let is_unchanged = in_use.keys.is_some() && in_use == remembered.in_use;
        let is_still_in_use = || {
            let keys = self.jwks.current_at(now);
            let has_key = keys.as_ref().is_some_and(|keys| keys.has_id(session.key));
            has_key && self.ring.load().has(*password)
        };
        let counts = matches!(verdict, Verdict::Good | Verdict::Expiring)
            && now < *until
            && (is_unchanged || is_still_in_use());
        counts.then_some((verdict, remembered))
    }

    /// Remembers a session that may be admitted by the value that it came in.
    fn remember(&self, value: &[u8], presented: &Presented, in_use: InUse) {
        let Presented {
            verdict: Verdict::Good | Verdict::Expiring,
            session: Some(session),
            opened: Some(sealed),
            pair,
            ..
        } = presented
        else {
            return;
        };
        let Opened { seal, reuse: Reuse::Allowed, .. } = &sealed.opened else { return };
        let clock = self.settings.clock();
        let end = session.claims.exp.saturating_add(self.settings.rules.leeway);
        let left = Duration::from_secs(end.saturating_sub(clock.unix()));
        self.cache.insert(
            value,
            Remembered {
                session: Arc::clone(session),
                pair: *pair,
                password: seal.password(),
                in_use,
                until: clock.monotonic().saturating_add(left),
            },
        );
    }
}
