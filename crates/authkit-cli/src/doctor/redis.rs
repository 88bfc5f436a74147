//! Checks Redis as a service uses it: through `authkit-redis`, which logs the problems that it meets.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use authkit_redis::RedisReplicas;
use authkit_session::{Authenticator, Claim, Config, RefreshCoordinator};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tokio::time::sleep;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

use crate::{arguments::Network, doctor::report::Report, variables};

/// Shares a value through the Redis of `REDIS_URL`, and reports why replicas cannot do so.
pub(super) async fn check(report: &mut Report, network: Network) {
    let Some(url) = variables::value("REDIS_URL") else {
        report.ok("redis", "REDIS_URL is not set: each replica refreshes for itself");
        return;
    };
    let heard = Heard::default();
    // Fails only if a subscriber is set already, and this program sets none.
    let _ = tracing::subscriber::set_global_default(heard.clone());
    let replicas = match RedisReplicas::connect(&url) {
        Ok(replicas) => replicas,
        Err(problem) => {
            report.problem(
                "redis",
                format!("REDIS_URL cannot be used: {problem}; write one such as `redis://user:password@host:6379`"),
            );
            return;
        }
    };
    if network == Network::Offline {
        report.ok("redis", "was not asked (--offline)");
        return;
    }
    // Listens to revocations, as a service does.
    let service =
        Config::from_env().map(|config| replicas.share(config)).and_then(Authenticator::new);
    let is_shared = is_shared(&replicas).await;
    if is_shared {
        sleep(SETTLED).await;
    }
    drop(service);
    let trouble = heard.take();
    match (is_shared, trouble.first()) {
        (true, None) => report.ok("redis", "it takes what replicas share"),
        (true, Some(_)) => {
            for trouble in trouble {
                report.warning("redis", trouble.advise());
            }
        }
        (false, Some(trouble)) => report.problem("redis", trouble.advise()),
        (false, None) => report.problem(
            "redis",
            "Redis does not answer: check the host and the port in REDIS_URL, and the firewall",
        ),
    }
}

/// Whether a published value can be read back.
async fn is_shared(replicas: &RedisReplicas) -> bool {
    let mut random = [0; 16];
    if getrandom::fill(&mut random).is_err() {
        return false;
    }
    let exchange = format!("doctor-{}", URL_SAFE_NO_PAD.encode(random));
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        RefreshCoordinator::publish(replicas, &exchange, b"doctor".to_vec().into()).await;
        if let Claim::Published(_) = replicas.look(&exchange).await {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

/// The warnings of `authkit-redis`.
#[derive(Clone, Debug, Default)]
struct Heard(Arc<Mutex<Vec<Trouble>>>);

/// One warning. It has no secret, since a service's log has none either.
#[derive(Clone, Debug, Default)]
struct Trouble {
    message: String,
    /// The words of Redis or of the operating system.
    cause: String,
}

impl Heard {
    fn take(&self) -> Vec<Trouble> {
        self.0.lock().map(|mut heard| heard.drain(..).collect()).unwrap_or_default()
    }
}

impl Trouble {
    fn advise(&self) -> String {
        let Self { message, cause } = self;
        let known = ADVICE.iter().find(|(word, _)| cause.contains(word));
        let advice =
            known.map_or("look at REDIS_URL, and at Redis's own log", |(_, advice)| advice);
        format!("REDIS_URL: {message} ({cause}): {advice}")
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("authkit_redis")
    }

    fn event(&self, event: &Event<'_>) {
        let mut trouble = Trouble::default();
        event.record(&mut trouble);
        if let Ok(mut heard) = self.0.lock() {
            heard.push(trouble);
        }
    }

    // The program has no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Trouble {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "fault" | "reply" | "reason" => self.cause = format!("{value:?}"),
            _ => {}
        }
    }
}

/// How long to wait for Redis; a refused connection is reported at once.
const PATIENCE: Duration = Duration::from_secs(4);
/// By then a service has subscribed to the channel and read the list.
const SETTLED: Duration = Duration::from_millis(700);

/// The remedy, by a word of the cause.
const ADVICE: [(&str, &str); 10] = [
    ("refused", "start Redis, or correct the host and the port"),
    ("lookup", "correct the host, or ask the name server for it"),
    ("no answer", "correct the host and the port, or let the firewall pass it"),
    (
        "WRONGPASS",
        "correct the user and the password; `#`, `/`, `?`, `%` and `@` in them are percent-encoded",
    ),
    ("NOAUTH", "write the password too: `redis://user:password@host:6379`"),
    ("READONLY", "this server is a replica: write the URL of the primary"),
    ("NOPERM", "give the user the commands, keys and channels that docs/replicas.md lists"),
    ("unknown command", "run Redis 6 or later, or any Valkey"),
    (
        "certificate",
        "write the name that the server's certificate has, and install its authority in the system",
    ),
    ("closed", "write `rediss://` where the server wants TLS, and `redis://` where it does not"),
];
