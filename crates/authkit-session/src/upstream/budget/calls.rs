use std::{collections::VecDeque, time::Duration};

use crate::{
    meter::CircuitState,
    upstream::budget::{
        CallClass, PROBE_EVERY, RefreshLimits, RefreshOwner, SECOND, Throttled,
        shares::{ShareOwners, Shares},
    },
};

/// The counts of all calls. Plain data: the time is passed in.
#[derive(Debug)]
pub(super) struct Calls {
    refresh: ClassCalls,
    sign_in: ClassCalls,
    sign_out: ClassCalls,
    credential: ClassCalls,
    pub(super) shares: Shares,
    pub(super) failures: u32,
    next_probe: Duration,
    /// Until when WorkOS asked for no calls.
    pub(super) retry_at: Duration,
}

/// The calls of one class.
#[derive(Debug)]
pub(super) struct ClassCalls {
    limits: RefreshLimits,
    pub(super) under_way: usize,
    /// The start times of the calls of the last second.
    starts: VecDeque<Duration>,
}

impl ClassCalls {
    pub(super) fn new(at_once: usize, per_second: usize) -> Self {
        let limits = RefreshLimits { at_once, per_second };
        Self { limits, under_way: 0, starts: VecDeque::new() }
    }

    pub(super) fn has_room(&mut self, now: Duration) -> bool {
        while self.starts.front().is_some_and(|start| *start + SECOND <= now) {
            self.starts.pop_front();
        }
        self.under_way < self.limits.at_once && self.starts.len() < self.limits.per_second
    }

    pub(super) fn start(&mut self, now: Duration) {
        self.under_way += 1;
        self.starts.push_back(now);
    }
}

impl Calls {
    pub(super) fn new(limits: RefreshLimits) -> Self {
        Self {
            refresh: ClassCalls::new(limits.at_once, limits.per_second),
            sign_in: ClassCalls::new(SIGN_INS.at_once, SIGN_INS.per_second),
            sign_out: ClassCalls::new(SIGN_OUTS.at_once, SIGN_OUTS.per_second),
            credential: ClassCalls::new(CREDENTIALS.at_once, CREDENTIALS.per_second),
            shares: Shares::default(),
            failures: 0,
            next_probe: Duration::ZERO,
            retry_at: Duration::ZERO,
        }
    }

    pub(super) fn class(&mut self, class: CallClass) -> &mut ClassCalls {
        match class {
            CallClass::Refresh => &mut self.refresh,
            CallClass::SignIn => &mut self.sign_in,
            CallClass::SignOut => &mut self.sign_out,
            CallClass::Credential => &mut self.credential,
        }
    }

    pub(super) fn start(&mut self, class: CallClass, now: Duration) -> Result<(), Throttled> {
        match self.retry_after(now) {
            Duration::ZERO => {}
            wait => return Err(Throttled::RetryAfter(wait)),
        }
        let calls = self.class(class);
        if !calls.has_room(now) {
            return Err(Throttled::Busy);
        }
        calls.start(now);
        Ok(())
    }

    pub(super) fn start_refresh(
        &mut self,
        owner: RefreshOwner<'_>,
        now: Duration,
    ) -> Result<ShareOwners, Throttled> {
        let retry_after = self.retry_after(now);
        if retry_after > WORTH_WAITING {
            return Err(Throttled::RetryAfter(retry_after));
        }
        if !self.refresh.has_room(now) {
            return Err(Throttled::Busy);
        }
        self.probe(now).map_err(|_| Throttled::CircuitOpen)?;
        let owners = self.shares.start(owner, now).ok_or(Throttled::Busy)?;
        self.refresh.start(now);
        Ok(owners)
    }

    pub(super) fn retry_after(&self, now: Duration) -> Duration {
        self.retry_at.saturating_sub(now)
    }

    pub(super) fn attempt(&mut self, now: Duration) -> Result<(), Duration> {
        match self.retry_after(now) {
            Duration::ZERO => self.probe(now),
            wait => Err(wait),
        }
    }

    pub(super) fn probe(&mut self, now: Duration) -> Result<(), Duration> {
        if self.failures >= FAILURES {
            if now < self.next_probe {
                return Err(self.next_probe - now);
            }
            self.next_probe = now + PROBE_EVERY;
        }
        Ok(())
    }

    /// Whether refreshes stop calling WorkOS, except for probes.
    pub(super) fn circuit(&self) -> CircuitState {
        if self.failures >= FAILURES { CircuitState::Open } else { CircuitState::Closed }
    }

    pub(super) fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.next_probe = now + PROBE_EVERY;
        }
    }
}

/// The limits of sign-ins. With those of sign-outs, they leave 30 of WorkOS's 50 writes a second to refreshes.
pub(super) const SIGN_INS: RefreshLimits = RefreshLimits { at_once: 16, per_second: 15 };
/// The limits of revocations.
pub(super) const SIGN_OUTS: RefreshLimits = RefreshLimits { at_once: 4, per_second: 5 };
/// The limits of credential checks. WorkOS does not count them as writes, but within its 6,000 requests a minute for each
/// API key.
pub(super) const CREDENTIALS: RefreshLimits = RefreshLimits { at_once: 16, per_second: 40 };
/// How many failures in a row open the circuit.
const FAILURES: u32 = 5;
/// The longest `Retry-After` that an exchange waits for. It is shorter than a request waits for the exchange.
const WORTH_WAITING: Duration = Duration::from_secs(3);
