//! Revocations: a message to those who listen, and a list for those who did not.

use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError},
    time::SystemTime,
};

use authkit_session::{Inbox, NotPublished, Notice, Publishing, Revocations};
use redis::Pipeline;

use crate::{
    group::{Groups, unix},
    replicas::{RedisReplicas, Shared},
};

impl Revocations for RedisReplicas {
    fn subscribe(&self, inbox: Inbox) {
        let group = inbox.group().to_owned();
        self.shared.groups().entry(group).or_default().join(inbox);
        self.shared.subscribed.notify_one();
    }

    fn publish(&self, notice: Notice) -> Publishing<'_> {
        Box::pin(self.shared.publish_notice(notice))
    }
}

impl Shared {
    pub(crate) fn groups(&self) -> MutexGuard<'_, Groups> {
        // Each of its changes leaves it whole, so a panic elsewhere says nothing about it.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is listened to.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.groups().keys().map(|group| self.key(REVOCATIONS, group)).collect()
    }

    async fn publish_notice(&self, notice: Notice) -> Result<(), NotPublished> {
        let until = unix(notice.until());
        // Known before it is sent: where that fails, it goes out when Redis is back.
        self.groups().entry(notice.group().to_owned()).or_default().know(until, notice.sealed());
        let mut commands = redis::pipe();
        self.add_to(&mut commands, notice.group(), until, notice.sealed());
        self.trim(&mut commands, notice.group());
        self.link.run::<()>(&commands).await.ok_or_else(NotPublished::new)
    }

    /// Puts a notice into the list and tells those who listen.
    fn add_to(&self, commands: &mut Pipeline, group: &str, until: u64, sealed: &str) {
        let key = self.key(REVOCATIONS, group);
        commands.cmd("ZADD").arg(&key).arg(until).arg(sealed).ignore();
        commands.cmd("PUBLISH").arg(&key).arg(format!("{until} {sealed}")).ignore();
    }

    /// Takes out of the list what is over, and what is too much.
    fn trim(&self, commands: &mut Pipeline, group: &str) {
        let key = self.key(REVOCATIONS, group);
        let over = unix(SystemTime::now()).saturating_sub(SLACK);
        commands.cmd("ZREMRANGEBYSCORE").arg(&key).arg("-inf").arg(over).ignore();
        commands.cmd("ZREMRANGEBYRANK").arg(&key).arg(0).arg(format!("-{}", LISTED + 1)).ignore();
        commands.cmd("EXPIRE").arg(&key).arg(LIST_KEPT).ignore();
    }

    /// A message has arrived on a channel.
    pub(crate) fn hear(&self, channel: &str, message: &str) {
        let Some((until, sealed)) = message.split_once(' ') else { return };
        let (Ok(until), Some((_, group))) = (until.parse(), channel.rsplit_once(':')) else {
            return;
        };
        if let Some(group) = self.groups().get_mut(group) {
            group.deliver(until, sealed);
        }
    }

    /// Reads what was published while nobody listened, and puts back what Redis has lost.
    pub(crate) async fn catch_up(&self) {
        let groups: Vec<String> = self.groups().keys().cloned().collect();
        for group in groups {
            let Some(listed) = self.read_list(&group).await else { return };
            let lost = self.groups().get(&group).map(|group| group.missing_in(&listed));
            let lost = lost.unwrap_or_default();
            for lost in lost.chunks(PAGE) {
                let mut commands = redis::pipe();
                for (until, sealed) in lost {
                    self.add_to(&mut commands, &group, *until, sealed);
                }
                self.trim(&mut commands, &group);
                if self.link.run::<()>(&commands).await.is_none() {
                    return;
                }
            }
        }
    }

    /// Delivers the whole list, the latest first. `None` where Redis went away meanwhile.
    async fn read_list(&self, group: &str) -> Option<HashSet<String>> {
        let key = self.key(REVOCATIONS, group);
        let mut listed = HashSet::new();
        for start in (0..LISTED).step_by(PAGE) {
            let mut page = redis::pipe();
            page.cmd("ZREVRANGEBYSCORE").arg(&key).arg("+inf").arg("-inf");
            page.arg("WITHSCORES").arg("LIMIT").arg(start).arg(PAGE);
            let (page,): (Vec<(String, f64)>,) = self.link.run(&page).await?;
            let is_last = page.len() < PAGE;
            if let Some(group) = self.groups().get_mut(group) {
                for (sealed, until) in &page {
                    group.deliver(*until as u64, sealed);
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

const REVOCATIONS: &str = "revocations";
/// How many revocations the list holds at most, at some 200 bytes each.
const LISTED: usize = 100_000;
/// How many are read or written at once.
const PAGE: usize = 1_000;
/// How far the clock of a process may be ahead, in seconds, before it takes from the list what others still need.
const SLACK: u64 = 60 * 60;
/// How long a list is kept that nobody adds to: longer than any revocation in it, in seconds.
const LIST_KEPT: u64 = 26 * 60 * 60;
