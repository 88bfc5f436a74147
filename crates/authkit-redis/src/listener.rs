//! Receives revocations at once, on a connection of its own.
//!
//! 1. The list in Redis is authoritative and is read once a second; the channel only makes revocations arrive faster. A
//!    fault here costs a second, and affects neither the exchange nor the list.
//! 2. If Redis refuses the channel, or ends it again and again, the pauses between attempts become longer.
//! 3. At most 1,024 messages wait, and 10,000 a second are read; the list has the others. If more arrive, the listener
//!    pauses.
//! 4. Once a second the connection must show that it is alive.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{PushInfo, PushKind, from_redis_value};
use tokio::{
    sync::mpsc,
    time::{self, Instant, MissedTickBehavior},
};

use crate::{
    address::RedisAddress,
    backoff::Backoff,
    command_group::CommandGroup,
    connection::CommandConnection,
    dialer::Dialed,
    fault::{About, ConnectionFault},
    list::LONGEST_NOTICE,
    reminders::Reminders,
    revocations::RevocationStore,
};

/// Receives revocations at once.
pub(crate) struct Listener {
    connection: Arc<CommandConnection>,
    channel: Arc<CommandGroup>,
    revocations: Arc<RevocationStore>,
}

/// A message of a channel.
struct Message {
    channel: String,
    text: String,
}

/// Why listening ended.
enum ListeningEnd {
    Fault(ConnectionFault),
    /// Redis refuses the channel, which is logged elsewhere.
    Refused,
    /// There were too many messages.
    Flooded,
    /// Commands go to another server.
    Moved,
}

impl Listener {
    pub(crate) fn new(
        connection: Arc<CommandConnection>,
        channel: Arc<CommandGroup>,
        revocations: Arc<RevocationStore>,
    ) -> Self {
        Self { connection, channel, revocations }
    }

    /// Listens as long as it is polled.
    pub(crate) async fn run(&self) {
        let mut backoff = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE, HEALTHY);
        let mut reminders = Reminders::growing();
        let mut wanted = self.revocations.read_requests();
        loop {
            // Without a service there is nothing to receive, and without a command connection there is none for the
            // channel.
            wanted.borrow_and_update();
            if self.revocations.channels().is_empty() {
                let _ = wanted.changed().await;
                continue;
            }
            self.connection.up().await;
            let Some(address) = self.connection.address() else { continue };
            let began = Instant::now();
            let ended = self.listen(&address).await;
            self.revocations.set_listening(false);
            if backoff.worked_for(began.elapsed()) {
                reminders.forget();
            }
            let pause = backoff.failed();
            self.log(&mut reminders, &ended, backoff.failures());
            time::sleep(pause).await;
            while !self.channel.is_on() {
                time::sleep(BEAT).await;
            }
        }
    }

    async fn listen(&self, address: &RedisAddress) -> ListeningEnd {
        let (sender, mut messages) = mpsc::channel(WAITING);
        let overflow = Arc::new(AtomicBool::new(false));
        let overflowed = Arc::clone(&overflow);
        let push = move |push: PushInfo| {
            if let Some(message) = Message::of(push)
                && sender.try_send(message).is_err()
            {
                overflowed.store(true, Ordering::Relaxed);
            }
        };
        let mut dialed = match self.connection.dial_second(address, push).await {
            Ok(dialed) => dialed,
            Err(fault) => return ListeningEnd::Fault(fault),
        };
        let mut wanted = self.revocations.read_requests();
        if let Err(ended) = self.subscribe(&mut dialed).await {
            return ended;
        }
        self.revocations.set_listening(true);
        let mut channels = self.revocations.channels().len();
        let mut beat = time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = 0;
        loop {
            tokio::select! {
                () = dialed.driver.ended() => {
                    return ListeningEnd::Fault(dialed.bound.explain(ConnectionFault::Closed));
                }
                Some(Message { channel, text }) = messages.recv() => {
                    heard += 1;
                    if heard > HEARD {
                        return ListeningEnd::Flooded;
                    }
                    self.revocations.receive(&channel, &text);
                }
                _ = wanted.changed() => {
                    let now = self.revocations.channels().len();
                    if now > channels {
                        channels = now;
                        if let Err(ended) = self.subscribe(&mut dialed).await {
                            return ended;
                        }
                        self.revocations.request_whole();
                    }
                }
                // A connection that says nothing may be dead: messages would be missed without a sign. Whoever is
                // subscribed may subscribe again, and is answered.
                _ = beat.tick() => {
                    heard = 0;
                    if self.connection.address().is_some_and(|now| now != *address) {
                        return ListeningEnd::Moved;
                    }
                    if overflow.swap(false, Ordering::Relaxed) {
                        self.revocations.request_whole();
                    }
                    if let Err(ended) = self.subscribe(&mut dialed).await {
                        return ended;
                    }
                }
            }
        }
    }

    async fn subscribe(&self, dialed: &mut Dialed) -> Result<(), ListeningEnd> {
        let channels = self.revocations.channels();
        let mut asked = redis::pipe();
        asked.cmd("SUBSCRIBE").arg(&channels);
        match self.connection.in_time(dialed.connection.subscribe(channels)).await {
            Some(Ok(())) => {
                self.channel.accepted(|refused| refused == "SUBSCRIBE");
                Ok(())
            }
            Some(Err(error)) => match About::error(error, &asked) {
                About::Command(reply) => {
                    self.channel.refused(&reply);
                    Err(ListeningEnd::Refused)
                }
                About::Connection(fault) => Err(ListeningEnd::Fault(fault)),
            },
            None => Err(ListeningEnd::Fault(ConnectionFault::Silent)),
        }
    }

    fn log(&self, reminders: &mut Reminders, ended: &ListeningEnd, failures: u32) {
        let (kind, reason) = match ended {
            // Redis may be unavailable, which the other connection notices and logs, unless the fault continues.
            ListeningEnd::Fault(_) if failures < 3 || !self.connection.is_up() => return,
            ListeningEnd::Fault(fault) => (fault.kind(), fault.to_string()),
            ListeningEnd::Flooded => ("flooded".into(), "there are too many messages".to_owned()),
            ListeningEnd::Refused | ListeningEnd::Moved => return,
        };
        if let Some(times) = reminders.due(&kind, Instant::now()) {
            tracing::warn!(
                reason,
                times,
                "no channel of Redis tells of revocations: {}",
                WITHOUT_CHANNEL
            );
        }
    }
}

impl Message {
    /// A message of acceptable length.
    fn of(push: PushInfo) -> Option<Self> {
        if push.kind != PushKind::Message {
            return None;
        }
        let mut data = push.data.into_iter();
        let (channel, text) = (data.next()?, data.next()?);
        let is_fair = |value: &redis::Value| match value {
            redis::Value::BulkString(bytes) => bytes.len() <= LONGEST_NOTICE + TIME,
            _ => true,
        };
        if !is_fair(&channel) || !is_fair(&text) {
            return None;
        }
        Some(Self { channel: from_redis_value(channel).ok()?, text: from_redis_value(text).ok()? })
    }
}

/// What becomes of revocations without a channel.
pub(crate) const WITHOUT_CHANNEL: &str =
    "this process hears of revocations by their list, once a second";
/// How many messages may wait.
const WAITING: usize = 1_024;
/// How many messages are read per second.
const HEARD: u32 = 10_000;
/// The greatest length of the number in front of a notice.
const TIME: usize = 24;
const BEAT: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// A connection that lasted this long was healthy.
const HEALTHY: Duration = Duration::from_secs(10);
