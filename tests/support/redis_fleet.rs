//! Several Redis servers of a test's own that take over from one another.

use crate::{
    authority::Certificate,
    condition::until,
    redis::{Mode, RedisServer},
    served::free_port,
};

/// Two servers, the second a replica of the first, and three sentinels that call them `main`.
#[derive(Debug)]
pub struct SentinelRedis {
    /// The first serves until it fails.
    pub servers: [RedisServer; 2],
    /// They watch the servers.
    pub sentinels: Vec<RedisServer>,
    doors: Vec<u16>,
    scheme: &'static str,
}

impl SentinelRedis {
    /// Starts them all.
    ///
    /// # Panics
    ///
    /// If one does not start, or they do not find each other.
    pub async fn start() -> Self {
        Self::start_with(None).await
    }

    /// Starts them all; with a certificate, they talk TLS to each other and to whoever comes.
    ///
    /// # Panics
    ///
    /// If one does not start, or they do not find each other.
    pub async fn start_with(certificate: Option<&Certificate>) -> Self {
        let (first, first_door) = start(Mode::Server, certificate, Vec::new()).await;
        let (second, second_door) = start(Mode::Server, certificate, Vec::new()).await;
        second.ask(&format!("REPLICAOF 127.0.0.1 {first_door}")).await;
        until("the replica follows", || second.says("INFO replication", "master_link_status:up"))
            .await;
        let watch = [
            ["sentinel", &format!("monitor main 127.0.0.1 {first_door} 2")],
            ["sentinel", "down-after-milliseconds main 500"],
            ["sentinel", "failover-timeout main 3000"],
            ["sentinel", &format!("known-replica main 127.0.0.1 {second_door}")],
        ];
        let watch: Vec<_> = watch.iter().map(|line| line.map(str::to_owned)).collect();
        let (mut sentinels, mut doors) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            let (sentinel, door) = start(Mode::Sentinel, certificate, watch.clone()).await;
            sentinels.push(sentinel);
            doors.push(door);
        }
        for sentinel in &sentinels {
            until("a sentinel knows the others", || {
                sentinel.says("SENTINEL CKQUORUM main", "OK 3 usable")
            })
            .await;
        }
        let scheme = if certificate.is_some() { "rediss" } else { "redis" };
        Self { servers: [first, second], sentinels, doors, scheme }
    }

    /// The URL of the service, without users.
    pub fn url(&self) -> String {
        url(&format!("{}+sentinel", self.scheme), &self.doors) + "/main"
    }

    /// Waits until every sentinel names another server than the first.
    ///
    /// # Panics
    ///
    /// If they do not within 30 seconds.
    pub async fn until_failed_over(&self) {
        let first = self.servers[0].door.to_string();
        for sentinel in &self.sentinels {
            until("the sentinels name another server", async || {
                let named = sentinel.ask("SENTINEL GET-MASTER-ADDR-BY-NAME main").await;
                named.starts_with("*2") && !named.contains(&first)
            })
            .await;
        }
    }
}

/// A cluster of three nodes, each with a replica.
#[derive(Debug)]
pub struct RedisCluster {
    /// The three that serve at first, and their replicas in the same order.
    pub nodes: Vec<RedisServer>,
    scheme: &'static str,
}

impl RedisCluster {
    /// Starts them all, with more options.
    ///
    /// # Panics
    ///
    /// If one does not start, or they do not find each other.
    pub async fn start_with(certificate: Option<&Certificate>, options: &[[&str; 2]]) -> Self {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..6 {
            let bus = free_port();
            let mut own = vec![
                ["cluster-enabled".to_owned(), "yes".to_owned()],
                ["cluster-port".to_owned(), bus.to_string()],
                ["cluster-node-timeout".to_owned(), "1000".to_owned()],
                ["cluster-replica-validity-factor".to_owned(), "0".to_owned()],
            ];
            own.extend(options.iter().map(|option| option.map(str::to_owned)));
            let (node, _) = start(Mode::Server, certificate, own).await;
            nodes.push(node);
            buses.push(bus);
        }
        for (index, slots) in SLOTS.iter().enumerate() {
            nodes[index].ask(&format!("CLUSTER ADDSLOTSRANGE {slots}")).await;
            nodes[index].ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1)).await;
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.door)).await;
        }
        for node in &nodes {
            until("the nodes find each other", || {
                node.says("CLUSTER INFO", "cluster_known_nodes:6")
            })
            .await;
        }
        for index in 0..3 {
            let id = nodes[index].ask("CLUSTER MYID").await;
            let id = id.lines().nth(1).expect("it has an id").to_owned();
            let replica = &nodes[index + 3];
            let follow = format!("CLUSTER REPLICATE {id}");
            until("a replica knows its node", || replica.says(&follow, "+OK")).await;
            until("a replica follows its node", || {
                replica.says("INFO replication", "master_link_status:up")
            })
            .await;
        }
        let scheme = if certificate.is_some() { "rediss" } else { "redis" };
        let cluster = Self { nodes, scheme };
        cluster.until_ok().await;
        cluster
    }

    /// The URL of the cluster, without a user; it names three of the nodes.
    pub fn url(&self) -> String {
        let doors: Vec<_> = self.nodes[..3].iter().map(|node| node.door).collect();
        url(&format!("{}+cluster", self.scheme), &doors)
    }

    /// Which of the first three nodes has the slot of a key.
    ///
    /// # Panics
    ///
    /// If the cluster does not say.
    pub async fn owner(&self, key: &str) -> usize {
        let slot = self.nodes[0].ask(&format!("CLUSTER KEYSLOT {key}")).await;
        let slot: usize = slot.lines().next().and_then(|line| line[1..].parse().ok()).expect(&slot);
        (slot / 5_461).min(2)
    }

    /// Waits until every node knows that the cluster is well.
    ///
    /// # Panics
    ///
    /// If it is not within 30 seconds.
    pub async fn until_ok(&self) {
        for node in &self.nodes {
            until("the cluster is well", || node.says("CLUSTER INFO", "cluster_state:ok")).await;
        }
    }

    /// Waits until a replica has taken over.
    ///
    /// # Panics
    ///
    /// If it has not within 30 seconds.
    pub async fn until_promoted(&self, replica: usize) {
        let replica = &self.nodes[replica];
        until("the replica takes over", async || {
            replica.says("INFO replication", "role:master").await
                && replica.says("CLUSTER INFO", "cluster_state:ok").await
        })
        .await;
    }
}

/// Starts one, and says at which port the others and the clients reach it.
async fn start(
    mode: Mode,
    certificate: Option<&Certificate>,
    mut options: Vec<[String; 2]>,
) -> (RedisServer, u16) {
    let door = certificate.map(|certificate| {
        let door = free_port();
        let files = [
            ("tls-port", door.to_string()),
            ("tls-replication", "yes".to_owned()),
            ("tls-cluster", "yes".to_owned()),
            ("tls-auth-clients", "no".to_owned()),
            ("tls-cert-file", certificate.file.clone()),
            ("tls-key-file", certificate.key.clone()),
            ("tls-ca-cert-file", certificate.authority.clone()),
        ];
        options.extend(files.map(|(name, value)| [name.to_owned(), value]));
        door
    });
    let options: Vec<_> = match mode {
        Mode::Server => {
            options.into_iter().flat_map(|[name, value]| [format!("--{name}"), value]).collect()
        }
        Mode::Sentinel => options.into_iter().map(|line| line.join(" ")).collect(),
    };
    let mut server = RedisServer::start_as(mode, &options).await;
    server.door = door.unwrap_or(server.door);
    let door = server.door;
    (server, door)
}

fn url(scheme: &str, doors: &[u16]) -> String {
    let hosts: Vec<_> = doors.iter().map(|door| format!("127.0.0.1:{door}")).collect();
    format!("{scheme}://{}", hosts.join(","))
}

/// The slots of each of the three nodes.
const SLOTS: [&str; 3] = ["0 5460", "5461 10921", "10922 16383"];
