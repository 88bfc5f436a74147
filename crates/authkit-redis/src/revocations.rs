//! Revocations: a message to those who are subscribed, and a list for those who are not.
//!
//! 1. A notice is held in memory before it is sent, so that it goes out later where Redis is gone.
//! 2. It is put into the list and told to the channel.
//! 3. Who comes (back) subscribes first and reads the list then, so that nothing falls in between.
//! 4. What is held here and missing in the list is put back.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use authkit_session::{Inbox, NotPublished, Notice};
use redis::Pipeline;
use tokio::sync::Notify;

use crate::{
    connection::RedisConnection,
    keys::KeyNames,
    notices::{Services, unix},
};

/// The revocations of the services of this process, here and in Redis.
pub(crate) struct RevocationStore {
    connection: Arc<RedisConnection>,
    keys: KeyNames,
    services: Mutex<Services>,
    /// Another service of this process wants to hear of revocations.
    joined: Notify,
}

impl RevocationStore {
    pub(crate) fn new(connection: Arc<RedisConnection>, keys: KeyNames) -> Self {
        Self { connection, keys, services: Mutex::default(), joined: Notify::new() }
    }

    pub(crate) fn subscribe(&self, inbox: Inbox) {
        let group = inbox.group().to_owned();
        self.services().entry(group).or_default().join(inbox);
        self.joined.notify_one();
    }

    pub(crate) async fn publish(&self, notice: Notice) -> Result<(), NotPublished> {
        let until = unix(notice.until());
        // Held before it is sent: where that fails, it goes out when Redis is back.
        self.services().entry(notice.group().to_owned()).or_default().hold(until, notice.sealed());
        let mut commands = redis::pipe();
        self.add_to(&mut commands, notice.group(), until, notice.sealed());
        self.trim(&mut commands, notice.group());
        self.connection.run::<()>(&commands).await.ok_or_else(NotPublished::new)
    }

    /// The channels to subscribe to.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.services().keys().map(|group| self.keys.revocations(group)).collect()
    }

    /// Returns when another service has joined.
    pub(crate) async fn joined(&self) {
        self.joined.notified().await;
    }

    /// A message has arrived on a channel.
    pub(crate) fn hear(&self, channel: &str, message: &str) {
        let Some((until, sealed)) = message.split_once(' ') else { return };
        let (Ok(until), Some((_, group))) = (until.parse(), channel.rsplit_once(':')) else {
            return;
        };
        if let Some(service) = self.services().get_mut(group) {
            service.deliver(until, sealed);
        }
    }

    /// Reads what was published while nobody listened, and puts back what Redis has lost.
    pub(crate) async fn catch_up(&self) {
        let groups: Vec<String> = self.services().keys().cloned().collect();
        for group in groups {
            let Some(listed) = self.read_list(&group).await else { return };
            let lost = self.services().get(&group).map(|service| service.missing_in(&listed));
            let lost = lost.unwrap_or_default();
            for lost in lost.chunks(PAGE) {
                let mut commands = redis::pipe();
                for (until, sealed) in lost {
                    self.add_to(&mut commands, &group, *until, sealed);
                }
                self.trim(&mut commands, &group);
                if self.connection.run::<()>(&commands).await.is_none() {
                    return;
                }
            }
        }
    }

    fn services(&self) -> MutexGuard<'_, Services> {
        // Each of its changes leaves it whole, so a panic elsewhere says nothing about it.
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a notice into the list and tells those who listen.
    fn add_to(&self, commands: &mut Pipeline, group: &str, until: u64, sealed: &str) {
        let key = self.keys.revocations(group);
        commands.cmd("ZADD").arg(&key).arg(until).arg(sealed).ignore();
        commands.cmd("PUBLISH").arg(&key).arg(format!("{until} {sealed}")).ignore();
    }

    /// Takes out of the list what is over, and what is too much.
    fn trim(&self, commands: &mut Pipeline, group: &str) {
        let key = self.keys.revocations(group);
        let over = unix(SystemTime::now()).saturating_sub(SLACK);
        commands.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(over).ignore();
        commands.cmd("ZREMRANGEBYRANK").arg(&key).arg(0).arg(format!("-{}", LISTED + 1)).ignore();
        commands.cmd("EXPIRE").arg(&key).arg(LIST_KEPT).ignore();
    }

    /// Delivers the whole list, the latest first. `None` where Redis went away meanwhile.
    async fn read_list(&self, group: &str) -> Option<HashSet<String>> {
        let key = self.keys.revocations(group);
        let mut listed = HashSet::new();
        for start in (0..LISTED).step_by(PAGE) {
            let mut page = redis::pipe();
            page.cmd("ZREVRANGEBYSCORE").arg(&key).arg("+inf").arg("-inf");
            page.arg("WITHSCORES").arg("LIMIT").arg(start).arg(PAGE);
            let (page,): (Vec<(String, f64)>,) = self.connection.run(&page).await?;
            let is_last = page.len() < PAGE;
            if let Some(service) = self.services().get_mut(group) {
                for (sealed, until) in &page {
                    service.deliver(*until as u64, sealed);
                }
            }
            listed.extend(page.into_iter().map(|(sealed, _)| sealed));
            if is_last {
                break;
            }
        }
        Some(listed)
    }
}

/// How many revocations the list holds at most, at some 200 bytes each.
const LISTED: usize = 100_000;
/// How many are read or written at once.
const PAGE: usize = 1_000;
/// How far the clock of a process may be ahead, in seconds, before it takes from the list what others still need.
const SLACK: u64 = 60 * 60;
/// How long a list is kept that nobody adds to: longer than any revocation in it, in seconds.
const LIST_KEPT: u64 = 26 * 60 * 60;
