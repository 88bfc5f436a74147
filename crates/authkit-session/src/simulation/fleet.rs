//! The replicas behind a load balancer: a number of places, each with the replica that serves in it.

use std::{collections::HashMap, ops::Range, time::Duration};

use crate::{
    decide::{Action, Fallback},
    simulation::{
        SimulatedFault, Simulation,
        exchanges::{Client, Exchanges},
        replica::{Answer, AnswerKind, SimulatedReplica, WaitingRequest, pair_id},
        store::SimulatedStore,
        timeline::Timeline,
        workos::{Minted, SimulatedWorkos},
    },
};

/// The places.
pub(super) struct Fleet {
    simulation: Simulation,
    serving: Vec<usize>,
    pub(super) exchanges: Exchanges,
}

impl Fleet {
    pub(super) fn new(simulation: Simulation, signed_in: impl Iterator<Item = Minted>) -> Self {
        let mut store = SimulatedStore::default();
        let mut workos = SimulatedWorkos::with_sessions(signed_in);
        let from = simulation.fault_at();
        match simulation.fault {
            SimulatedFault::StoreDown(time) => store.gone = Range { start: from, end: from + time },
            SimulatedFault::WorkosDown(time) => {
                workos.down = Range { start: from, end: from + time }
            }
            SimulatedFault::None
            | SimulatedFault::Replaced(_)
            | SimulatedFault::Killed(_)
            | SimulatedFault::ClientsGone(_) => {}
        }
        let new = |_| SimulatedReplica::new(simulation.limits, simulation.lifetime);
        let exchanges = Exchanges {
            simulation,
            replicas: (0..simulation.replicas).map(new).collect(),
            store,
            workos,
            under_way: HashMap::new(),
            next_exchange: 0,
        };
        Self { simulation, serving: (0..simulation.replicas).collect(), exchanges }
    }

    /// Passes a request to the replica in this place. `None` if the request waits, or its client has left.
    pub(super) fn request(
        &mut self,
        (session, cookie): (u32, Minted),
        (place, client): (usize, Client),
        now: Duration,
        timeline: &mut Timeline,
    ) -> Option<Answer> {
        let (at, unix, id) =
            (self.serving[place], self.simulation.unix(now), pair_id(session, cookie));
        let action = self.exchanges.replicas[at].decide(id, cookie.at, now, unix);
        let request = |or| WaitingRequest { session, token: id.token, or, since: now };
        match action {
            Action::Admit => Some(self.exchanges.replicas[at].after_refresh(
                request(Fallback::Current),
                Ok(()),
                now,
            )),
            Action::Refresh { or } => {
                let pair = (id, cookie.number);
                let outcome =
                    self.exchanges.refresh(request(or), client, pair, at, now, timeline)?;
                Some(self.exchanges.replicas[at].after_refresh(request(or), outcome, now))
            }
            Action::FetchKeys | Action::Refuse(_) => panic!("{action:?} for a cookie of ours"),
        }
    }

    /// Replaces the replica in this place by a new one, whose tables are empty.
    pub(super) fn replace(&mut self, place: usize) {
        let new = SimulatedReplica::new(self.simulation.limits, self.simulation.lifetime);
        let replicas = &mut self.exchanges.replicas;
        self.serving[place] = replicas.len();
        replicas.push(new);
    }

    /// The same, and kills the old replica with its running exchanges.
    pub(super) fn kill(&mut self, place: usize) -> Vec<Answer> {
        let killed = self.serving[place];
        self.replace(place);
        let mut answers = Vec::new();
        self.exchanges.under_way.retain(|_, exchange| {
            let stays = exchange.replica != killed;
            if !stays {
                answers.extend(exchange.waiting.iter().map(|request| Answer {
                    session: request.session,
                    kind: AnswerKind::CutOff,
                    cookie: None,
                }));
            }
            stays
        });
        answers
    }

    /// The largest size of one replica's lineages, in bytes as it counts them.
    pub(super) fn most_lineage_bytes(&self) -> usize {
        self.exchanges.replicas.iter().map(|it| it.most_bytes).max().unwrap_or_default()
    }
}
