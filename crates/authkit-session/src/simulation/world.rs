//! Runs the events of a simulation in the order of their time.

use std::time::Duration;

use crate::simulation::{
    SimulatedFault, Simulation, SimulationReport,
    browsers::Browsers,
    exchanges::Client,
    fleet::Fleet,
    timeline::{Event, Timeline},
};

/// The state of a simulation.
pub(super) struct World {
    simulation: Simulation,
    browsers: Browsers,
    fleet: Fleet,
    timeline: Timeline,
}

impl World {
    pub(super) fn new(simulation: Simulation) -> Self {
        let mut timeline = Timeline::default();
        let mut browsers = Browsers::new(simulation);
        let fleet = Fleet::new(simulation, browsers.cookies());
        for session in 0..u32::try_from(simulation.sessions).unwrap() {
            let at = browsers.asks_next(session, Duration::ZERO);
            timeline.add(at, Event::Requests { session });
        }
        if let SimulatedFault::Replaced(within) | SimulatedFault::Killed(within) = simulation.fault
        {
            for place in 0..simulation.replicas {
                let share = place as f64 / simulation.replicas as f64;
                let at = simulation.fault_at() + within.mul_f64(share);
                timeline.add(at, Event::Replace { place });
            }
        }
        Self { simulation, browsers, fleet, timeline }
    }

    pub(super) fn run(mut self) -> SimulationReport {
        let length = self.simulation.length();
        while let Some((now, event)) = self.timeline.next().filter(|(now, _)| *now < length) {
            match event {
                Event::Requests { session } => self.requests(session, now),
                Event::Exchange { number, step } => {
                    let answers = self.fleet.exchanges.step(number, step, now, &mut self.timeline);
                    self.browsers.answered(answers);
                }
                Event::Replace { place } => match self.simulation.fault {
                    SimulatedFault::Killed(_) => self.browsers.answered(self.fleet.kill(place)),
                    _ => self.fleet.replace(place),
                },
            }
        }
        let Self { browsers, fleet, .. } = self;
        SimulationReport {
            length,
            requests: browsers.answers.requests,
            exchanges: fleet.exchanges.workos.exchanges,
            most_exchanges_in_a_second: fleet.exchanges.workos.most_in_a_second,
            unavailable: browsers.answers.unavailable,
            cut_off: browsers.answers.cut_off,
            signed_out: browsers.answers.signed_out,
            store_commands: fleet.exchanges.store.commands,
            most_outcomes: fleet.exchanges.store.most_outcomes,
            most_lineage_bytes: fleet.most_lineage_bytes(),
        }
    }

    /// A browser sends a few requests at once, each to any replica.
    fn requests(&mut self, session: u32, now: Duration) {
        let client = match self.simulation.fault {
            SimulatedFault::ClientsGone(one_in) if self.browsers.pick(one_in.into()) == 0 => {
                Client::Leaves
            }
            _ => Client::Stays,
        };
        let Some(cookie) = self.browsers.cookie(session) else { return };
        for _ in 0..AT_ONCE {
            let place = self.browsers.pick(self.simulation.replicas as u64) as usize;
            let request = ((session, cookie), (place, client));
            let answer = self.fleet.request(request.0, request.1, now, &mut self.timeline);
            self.browsers.answered(answer);
        }
        let next = self.browsers.asks_next(session, now);
        self.timeline.add(next, Event::Requests { session });
    }
}

/// How many requests a browser sends at once.
const AT_ONCE: usize = 4;
