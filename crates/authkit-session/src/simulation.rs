//! Simulates many replicas and many sessions in virtual time, for the tables of `docs/replicas.md`: `cargo xtask simulate`.
//!
//! The code that decides is the production code: the tables `decide`, `after_refresh` and `after_refusal`, the lineages of each
//! replica, the budget of its calls to WorkOS and the plan of an exchange's attempts. WorkOS, the store and the browsers are
//! models of a few lines each, and the steps of an exchange follow those of `refresh/exchange.rs`:
//!
//! 1. A browser sends four requests at once, every 30 seconds on average, each to any replica. It keeps the cookie of the
//!    last answer.
//! 2. WorkOS answers after 200 milliseconds. It spends a refresh token when it is exchanged, repeats its answer for 30
//!    seconds, and then refuses the token.
//! 3. The store keeps marks and outcomes as `authkit-redis` does, and counts the commands for them.
//!
//! Nothing is sealed, signed or sent. A simulation gives the same result in every run.

mod browsers;
mod exchanges;
mod fleet;
mod random;
mod replica;
mod store;
mod tables;
mod timeline;
mod workos;
mod world;

use std::time::Duration;

use self::world::World;

/// The parameters of a simulation.
#[derive(Clone, Copy, Debug)]
struct Simulation {
    replicas: usize,
    sessions: usize,
    lifetime: Duration,
    fault: SimulatedFault,
    limits: SimulatedLimits,
}

/// The fault of a simulation, which begins in its middle.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SimulatedFault {
    None,
    /// WorkOS answers 503 for this long.
    WorkosDown(Duration),
    /// The store that the replicas share is gone for this long.
    StoreDown(Duration),
    /// The replicas are replaced one after the other, within this time. Each finishes the exchanges that it has started.
    Replaced(Duration),
    /// The same, but each replica is killed, with the exchanges that it has started.
    Killed(Duration),
    /// One in this many requests loses its client before the answer, from the beginning on.
    ClientsGone(u32),
}

/// How many refreshes a replica may start.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum SimulatedLimits {
    /// The default limits of a process.
    Default,
    /// No limits, which shows how many would be needed.
    None,
}

/// The result of a simulation.
#[derive(Clone, Copy, Debug, PartialEq)]
struct SimulationReport {
    /// The virtual time that it took.
    length: Duration,
    /// Requests that the browser got an answer to.
    requests: u64,
    /// Exchanges that WorkOS got, including repetitions.
    exchanges: u64,
    most_exchanges_in_a_second: u64,
    /// Requests that were answered 503 and kept their cookie.
    unavailable: u64,
    /// Requests whose process was killed.
    cut_off: u64,
    /// Sessions whose user was redirected to sign in although nothing had ended them.
    signed_out: u64,
    /// Commands that the store got for exchanges.
    store_commands: u64,
    /// The most outcomes that the store held at once.
    most_outcomes: usize,
    /// The largest size of one replica's lineages, in bytes as it counts them.
    most_lineage_bytes: usize,
}

impl Simulation {
    /// This many replicas and sessions, with access tokens of this lifetime, without faults and limits.
    fn new(replicas: usize, sessions: usize, lifetime: Duration) -> Self {
        let (fault, limits) = (SimulatedFault::None, SimulatedLimits::None);
        Self { replicas, sessions, lifetime, fault, limits }
    }

    fn with_fault(mut self, fault: SimulatedFault) -> Self {
        self.fault = fault;
        self
    }

    fn with_limits(mut self, limits: SimulatedLimits) -> Self {
        self.limits = limits;
        self
    }

    fn run(self) -> SimulationReport {
        World::new(self).run()
    }

    /// Every session is exchanged once, and those of short tokens several times.
    fn length(self) -> Duration {
        self.lifetime + Duration::from_secs(1_200)
    }

    /// The middle, when the fault begins.
    fn fault_at(self) -> Duration {
        self.length() / 2
    }

    /// The wall clock. At the start of the simulation it shows the lifetime of a token, since tokens were issued before.
    fn unix(self, now: Duration) -> u64 {
        self.lifetime.as_secs() + now.as_secs()
    }
}

impl SimulationReport {
    /// Exchanges a second, on average.
    fn exchanges_per_second(&self) -> f64 {
        self.exchanges as f64 / self.length.as_secs_f64()
    }

    /// Commands per second that the store got for exchanges, on average.
    fn store_commands_per_second(&self) -> f64 {
        self.store_commands as f64 / self.length.as_secs_f64()
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    #[test]
    fn without_faults_a_session_is_exchanged_once_in_a_lifetime_and_nobody_is_turned_away() {
        for replicas in [1, 3, 30] {
            let report = Simulation::new(replicas, 300, LIFETIME).run();
            let expected = 300.0 / LIFETIME.as_secs_f64();
            let rate = report.exchanges_per_second();
            assert!((0.9 * expected..1.15 * expected).contains(&rate), "{replicas}: {rate}");
            assert_eq!((report.signed_out, report.unavailable), (0, 0), "{replicas}: {report:?}");
            assert_eq!(report, Simulation::new(replicas, 300, LIFETIME).run(), "the same again");
        }
    }

    #[test]
    fn no_outage_and_no_deploy_signs_anybody_out() {
        let faults = [
            (SimulatedFault::WorkosDown(MINUTE), true),
            (SimulatedFault::StoreDown(MINUTE), false),
            (SimulatedFault::Replaced(MINUTE), false),
        ];
        for (fault, turns_away) in faults {
            let report = Simulation::new(3, 1_000, LIFETIME).with_fault(fault).run();
            assert_eq!(report.signed_out, 0, "{fault:?}: {report:?}");
            assert_eq!(report.unavailable > 0, turns_away, "{fault:?}: {report:?}");
        }
    }

    #[test]
    fn processes_that_are_killed_cost_no_more_sessions_than_they_were_refreshing() {
        let killed = SimulatedFault::Killed(MINUTE);
        let report = Simulation::new(30, 20_000, LIFETIME).with_fault(killed).run();
        assert!(report.cut_off > 0, "{report:?}");
        assert!(report.signed_out <= report.cut_off, "{report:?}");
    }

    #[test]
    fn without_a_store_each_replica_that_is_asked_exchanges_the_session() {
        let shared = Simulation::new(30, 300, LIFETIME).run();
        let alone = SimulatedFault::StoreDown(Duration::from_secs(3_600));
        let alone = Simulation::new(30, 300, LIFETIME).with_fault(alone).run();
        assert!(alone.exchanges > shared.exchanges * 3 / 2, "{alone:?} {shared:?}");
        assert!(alone.store_commands < shared.store_commands, "{alone:?} {shared:?}");
    }

    #[test]
    fn more_sessions_than_the_limits_allow_for_are_told_to_come_again_and_none_is_signed_out() {
        // 40 a second is what a process begins, and 50 a second would be needed.
        let simulation = Simulation::new(1, 3_000, MINUTE);
        let report = simulation.with_limits(SimulatedLimits::Default).run();
        assert!(report.unavailable > 0, "{report:?}");
        assert!(report.most_exchanges_in_a_second <= 40, "{report:?}");
        assert_eq!(report.signed_out, 0, "{report:?}");
    }
}
