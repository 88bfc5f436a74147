//! Finds the server that accepts writes.
//!
//! 1. One server: the server of the URL.
//! 2. Sentinels: all are asked at once. A server that more than half of them name is used at once; otherwise, after a
//!    second and a half, every named server is tried, the most named first.
//! 3. A cluster: every node knows which node has the slot of our keys. The last owner is asked first, then the nodes of
//!    the URL, with those that did not answer last.
//!
//! The named server must accept a write: a demoted server, or one about which a sentinel is out of date, refuses it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{task::JoinSet, time};

use crate::{
    address::RedisAddress,
    dialer::{Dialed, Dialer},
    fault::{About, ConnectionFault, ErrorReply},
    url::{RedisDeployment, Sentinels},
};

/// Finds the server that accepts writes.
pub(crate) struct Locator {
    dialer: Arc<Dialer>,
    deployment: RedisDeployment,
    cluster: Mutex<ClusterNodes>,
}

/// What is known of the nodes of a cluster.
struct ClusterNodes {
    /// The last known owner of the slot.
    owner: Option<RedisAddress>,
    /// The nodes of the URL, in the order in which they are asked.
    named: Vec<RedisAddress>,
}

impl Locator {
    pub(crate) fn new(dialer: Arc<Dialer>, deployment: RedisDeployment) -> Self {
        let named = match &deployment {
            RedisDeployment::Cluster(nodes) => nodes.clone(),
            RedisDeployment::Server(_) | RedisDeployment::Sentinel(_) => Vec::new(),
        };
        Self { dialer, deployment, cluster: Mutex::new(ClusterNodes { owner: None, named }) }
    }

    /// The servers to try, in order.
    pub(crate) async fn candidates(&self) -> Result<Vec<RedisAddress>, ConnectionFault> {
        match &self.deployment {
            RedisDeployment::Server(address) => Ok(vec![address.clone()]),
            RedisDeployment::Sentinel(sentinels) => self.ask(sentinels).await,
            RedisDeployment::Cluster(_) => {
                let cluster = self.cluster();
                Ok(cluster.owner.iter().chain(&cluster.named).cloned().collect())
            }
        }
    }

    /// Records that a server does not serve. Returns the server that it names instead.
    pub(crate) fn failed(
        &self,
        address: &RedisAddress,
        fault: &ConnectionFault,
    ) -> Option<RedisAddress> {
        let RedisDeployment::Cluster(_) = self.deployment else { return None };
        let mut cluster = self.cluster();
        if let ConnectionFault::Refused(reply) = fault
            && let Some((host, port)) = reply.owner_of_slot()
        {
            cluster.owner = address.neighbour(host, port);
            return cluster.owner.clone();
        }
        if let Some(index) = cluster.named.iter().position(|named| named == address) {
            let named = cluster.named.remove(index);
            cluster.named.push(named);
        }
        None
    }

    /// Records that a server serves.
    pub(crate) fn found(&self, address: &RedisAddress) {
        if let RedisDeployment::Cluster(_) = self.deployment {
            self.cluster().owner = Some(address.clone());
        }
    }

    /// Whether an error reply says to ask another server.
    pub(crate) fn is_elsewhere(&self, reply: &ErrorReply) -> bool {
        match self.deployment {
            RedisDeployment::Cluster(_) => reply.is_about_the_slot(),
            RedisDeployment::Server(_) | RedisDeployment::Sentinel(_) => false,
        }
    }

    async fn ask(&self, sentinels: &Sentinels) -> Result<Vec<RedisAddress>, ConnectionFault> {
        let mut asked = JoinSet::new();
        for address in &sentinels.addresses {
            let question = SentinelQuery {
                dialer: Arc::clone(&self.dialer),
                sentinel: address.clone(),
                sentinels: sentinels.clone(),
            };
            asked.spawn(question.ask());
        }
        let mut votes = Votes::of(asked.len());
        let mut fault = ConnectionFault::Silent;
        let counting = async {
            while let Some(answer) = asked.join_next().await {
                match answer {
                    Ok(Ok(address)) => {
                        if votes.are_decided_by(address) {
                            return;
                        }
                    }
                    Ok(Err(other)) => fault = other,
                    // A task that failed has no vote.
                    Err(_) => {}
                }
            }
        };
        // Sentinels that have not answered by then have no vote.
        let _ = time::timeout(ASKING, counting).await;
        let named = votes.named();
        if named.is_empty() { Err(fault) } else { Ok(named) }
    }

    fn cluster(&self) -> MutexGuard<'_, ClusterNodes> {
        // Each change leaves the state consistent, so a panic elsewhere does no harm.
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The request to one sentinel.
struct SentinelQuery {
    dialer: Arc<Dialer>,
    sentinel: RedisAddress,
    sentinels: Sentinels,
}

impl SentinelQuery {
    async fn ask(self) -> Result<RedisAddress, ConnectionFault> {
        let Self { dialer, sentinel, sentinels } = self;
        let credentials = sentinels.credentials;
        let Dialed { mut connection, driver: _driver, bound } =
            dialer.dial_as(&sentinel, credentials, 0, |_| {}).await?;
        let mut question = redis::pipe();
        question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(&*sentinels.service);
        let answer: (Option<(String, u16)>,) = question
            .query_async(&mut connection)
            .await
            .map_err(|error| match About::error(error, &question) {
                About::Command(reply) => ConnectionFault::Refused(reply),
                About::Connection(fault) => bound.explain(fault),
            })?;
        let (host, port) = answer.0.ok_or(ConnectionFault::NoServer)?;
        sentinel.neighbour(&host, port).ok_or(ConnectionFault::NoServer)
    }
}

/// How many sentinels name a server.
struct Votes {
    sentinels: usize,
    counted: Vec<(RedisAddress, usize)>,
}

impl Votes {
    fn of(sentinels: usize) -> Self {
        Self { sentinels, counted: Vec::new() }
    }

    /// Counts one vote, and returns whether more than half of all are for the same server.
    fn are_decided_by(&mut self, address: RedisAddress) -> bool {
        let index = self.counted.iter().position(|(counted, _)| *counted == address);
        let index = index.unwrap_or_else(|| {
            self.counted.push((address, 0));
            self.counted.len() - 1
        });
        self.counted[index].1 += 1;
        2 * self.counted[index].1 > self.sentinels
    }

    /// The servers that were named, the most named first.
    fn named(mut self) -> Vec<RedisAddress> {
        self.counted.sort_by_key(|(_, votes)| std::cmp::Reverse(*votes));
        self.counted.into_iter().map(|(address, _)| address).collect()
    }
}

/// How long sentinels may take to answer.
const ASKING: Duration = Duration::from_millis(1_500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::RedisUrl;

    fn address(port: u16) -> RedisAddress {
        RedisAddress::Tcp { host: "127.0.0.1".into(), port }
    }

    #[test]
    fn the_server_that_most_sentinels_name_is_tried_first() {
        // (sentinels, the ports that they name in turn, after how many it is decided, the order)
        let cases = [
            (1, vec![1], Some(1), vec![1]),
            (3, vec![1, 1], Some(2), vec![1]),
            (3, vec![1, 2, 2], Some(3), vec![2, 1]),
            (3, vec![1], None, vec![1]),
            (4, vec![1, 1, 2, 2], None, vec![1, 2]),
        ];
        for (sentinels, ports, decided, order) in cases {
            let mut votes = Votes::of(sentinels);
            let at = ports.iter().position(|port| votes.are_decided_by(address(*port)));
            assert_eq!(at.map(|index| index + 1), decided, "{ports:?}");
            let order: Vec<_> = order.into_iter().map(address).collect();
            assert_eq!(votes.named(), order);
        }
    }

    #[tokio::test]
    async fn the_nodes_of_a_cluster_are_asked_in_the_order_in_which_they_may_know() {
        let url = "redis+cluster://127.0.0.1:1,127.0.0.1:2,127.0.0.1:3";
        let url = RedisUrl::parse(url).unwrap();
        let locator = Locator::new(Arc::new(Dialer::plain(&url)), url.deployment);
        assert_eq!(locator.candidates().await.unwrap(), [1, 2, 3].map(address));
        assert_eq!(locator.failed(&address(1), &ConnectionFault::Silent), None);
        assert_eq!(locator.candidates().await.unwrap(), [2, 3, 1].map(address));

        let moved = ErrorReply::moved("3999 127.0.0.1:9");
        assert!(locator.is_elsewhere(&moved));
        let named = locator.failed(&address(2), &ConnectionFault::Refused(moved));
        assert_eq!(named, Some(address(9)));
        locator.found(&address(9));
        assert_eq!(locator.candidates().await.unwrap(), [9, 2, 3, 1].map(address));
    }
}
