//! Revocations: a list of the valid ones in Redis, and a channel that announces each at once.
//!
//! 1. A notice is held in memory before it is sent, so that it is sent later if Redis is unavailable.
//! 2. It is added to the list and sent to the channel. The list is authoritative: a notice in it is published, and the
//!    channel only saves the second until every process reads the list.
//! 3. Once a second each process reads the head of the list: its mark, which is a number given by the process that
//!    started the list, and its newest notice. If that notice is new, the process reads on until it finds a notice that
//!    it knows.
//! 4. If the mark has changed or the newest notice is missing, Redis has lost the list. Then the process reads all of
//!    it, restores the notices that it lacks, and gives the list a new mark, so that the others read it too.
//! 5. A process that has (re)connected reads all of the list; a process without a channel does so each second.
//! 6. Reading all of the list takes at most a tenth of the time.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use authkit_session::{Inbox, NotPublished, Notice};
use tokio::{sync::watch, time::Instant};

use crate::{
    command_group::CommandGroup,
    fault::CommandFailure,
    keys::KeyNames,
    list::{
        LONGEST_NOTICE, ListChange, ListHead, ListPosition, ListedNotice, PAGES, RevocationList,
    },
    notices::{Services, unix},
    reminders::Reminders,
};

/// The revocations of this process's services, in memory and in Redis.
pub(crate) struct RevocationStore {
    list: RevocationList,
    channel: Arc<CommandGroup>,
    keys: KeyNames,
    services: Mutex<Services>,
    unreadable: Mutex<Reminders>,
    /// Counts joined services and subscriptions of the channel.
    wanted: watch::Sender<u64>,
    /// Whether a notice may have been missed that the head of the list does not show.
    is_whole_wanted: AtomicBool,
    /// Whether the channel delivers new notices.
    is_listening: AtomicBool,
    /// Until then, the whole list is not read again.
    rest_until: Mutex<Instant>,
}

/// How much of a list to read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ReadDepth {
    Whole,
    /// Until a page has nothing new.
    UntilHeld,
}

impl RevocationStore {
    pub(crate) fn new(list: RevocationList, channel: Arc<CommandGroup>, keys: KeyNames) -> Self {
        Self {
            list,
            channel,
            keys,
            services: Mutex::default(),
            unreadable: Mutex::new(Reminders::steady()),
            wanted: watch::Sender::new(0),
            is_whole_wanted: AtomicBool::new(false),
            is_listening: AtomicBool::new(false),
            rest_until: Mutex::new(Instant::now()),
        }
    }

    pub(crate) fn subscribe(&self, inbox: Inbox) {
        let group = inbox.group().to_owned();
        self.services().entry(group).or_default().join(inbox);
        self.request_whole();
    }

    pub(crate) async fn publish(&self, notice: Notice) -> Result<(), NotPublished> {
        let group = notice.group();
        let listed =
            ListedNotice { until: unix(notice.until()), sealed: Arc::from(notice.sealed()) };
        if listed.sealed.len() > LONGEST_NOTICE {
            return Err(NotPublished::new());
        }
        // Held before it is sent: where that fails, it goes out when Redis is back.
        self.services().entry(group.to_owned()).or_default().hold(listed.clone());
        let channel = self.keys.revocations(group);
        let message = format!("{} {}", listed.until, listed.sealed);
        let mut tell = redis::pipe();
        tell.cmd("PUBLISH").arg(channel).arg(message).ignore();

        let (added, _) = tokio::join!(self.list.add(group, &listed), self.channel.run::<()>(&tell));
        added.map_err(|_| NotPublished::new())?;
        if let Some(service) = self.services().get_mut(group) {
            service.record_added(listed);
        }
        Ok(())
    }

    /// The channels to subscribe to.
    pub(crate) fn channels(&self) -> Vec<String> {
        self.services().keys().map(|group| self.keys.revocations(group)).collect()
    }

    /// Changes when a service has joined, or when the list should be read for another reason.
    pub(crate) fn read_requests(&self) -> watch::Receiver<u64> {
        self.wanted.subscribe()
    }

    /// Records whether the channel delivers new notices from now on.
    pub(crate) fn set_listening(&self, is_listening: bool) {
        self.is_listening.store(is_listening, Ordering::Relaxed);
        if is_listening {
            // Listen first and read then, so that no notice is missed in between.
            self.request_whole();
        }
    }

    /// Asks for the whole list to be read soon.
    pub(crate) fn request_whole(&self) {
        self.is_whole_wanted.store(true, Ordering::Relaxed);
        self.wanted.send_modify(|times| *times += 1);
    }

    /// Handles a message of a channel.
    pub(crate) fn receive(&self, channel: &str, message: &str) {
        let Some((until, sealed)) = message.split_once(' ') else { return };
        let (Ok(until), Some((_, group))) = (until.parse(), channel.rsplit_once(':')) else {
            return;
        };
        let notice = ListedNotice { until, sealed: sealed.into() };
        let mut services = self.services();
        let Some(service) = services.get_mut(group) else { return };
        if service.deliver(notice.clone()) {
            service.record_added(notice);
        } else {
            drop(services);
            self.log_unreadable(1);
        }
    }

    /// Checks whether the lists are unchanged, reads new notices, and restores those that Redis has lost.
    pub(crate) async fn check_lists(&self) {
        if !self.list.is_on() {
            return;
        }
        let may_read_whole = Instant::now() >= *self.rest_until();
        let is_whole_wanted = may_read_whole
            && (self.is_whole_wanted.swap(false, Ordering::Relaxed)
                || !self.is_listening.load(Ordering::Relaxed));
        let groups: Vec<String> = self.services().keys().cloned().collect();
        for group in groups {
            if self.check_list(&group, is_whole_wanted, may_read_whole).await.is_err() {
                // The request to read the whole list still stands.
                self.is_whole_wanted.fetch_or(is_whole_wanted, Ordering::Relaxed);
                return;
            }
        }
    }

    async fn check_list(
        &self,
        group: &str,
        is_whole_wanted: bool,
        may_read_whole: bool,
    ) -> Result<(), CommandFailure> {
        let head = self.list.head(group).await?;
        let change = self.services().get(group).map(|service| service.head().change(&head));
        let change = change.unwrap_or(ListChange::None);
        let depth = if is_whole_wanted || (change == ListChange::Replaced && may_read_whole) {
            ReadDepth::Whole
        } else if change == ListChange::Added {
            ReadDepth::UntilHeld
        } else {
            // A replaced list is read as soon as the pause allows; until then the known head stays.
            return Ok(());
        };
        let began = Instant::now();
        let lost = self.read(group, depth).await?;
        let seen = match depth {
            ReadDepth::Whole => {
                let restored = self.restore(group, head, &lost).await;
                *self.rest_until() = Instant::now() + began.elapsed() * WORK_TO_REST;
                restored?
            }
            ReadDepth::UntilHeld => head,
        };
        if let Some(service) = self.services().get_mut(group) {
            service.set_head(seen);
        }
        Ok(())
    }

    /// Delivers the list's notices, the newest first. Returns the notices that were held before and are not in it.
    async fn read(
        &self,
        group: &str,
        depth: ReadDepth,
    ) -> Result<Vec<ListedNotice>, CommandFailure> {
        let mut held = Vec::new();
        if let Some(service) = self.services().get(group) {
            held.extend(service.held().cloned());
        }
        let mut listed = HashSet::new();
        let mut from = ListPosition::TOP;
        for _ in 0..PAGES {
            let page = self.list.page(group, from).await?;
            let mut is_news = false;
            let mut unreadable = 0;
            if let Some(service) = self.services().get_mut(group) {
                for notice in page.notices {
                    is_news |= !service.holds(&notice.sealed);
                    listed.insert(Arc::clone(&notice.sealed));
                    unreadable += u64::from(!service.deliver(notice));
                }
            }
            self.log_unreadable(unreadable);
            match page.next {
                Some(next) if depth == ReadDepth::Whole || is_news => from = next,
                Some(_) | None => break,
            }
        }
        held.retain(|notice| !listed.contains(&notice.sealed));
        Ok(held)
    }

    /// Restores lost notices in the list, and marks it if the others need to know. Returns its head after that.
    async fn restore(
        &self,
        group: &str,
        mut head: ListHead,
        lost: &[ListedNotice],
    ) -> Result<ListHead, CommandFailure> {
        self.list.put_back(group, lost).await?;
        head.newest = head.newest.max(lost.iter().max().cloned());
        if !lost.is_empty() || (head.newest.is_some() && head.mark.is_none()) {
            head.mark = Some(self.list.mark(group).await?);
            tracing::debug!(
                notices = lost.len(),
                "put back what Redis had lost of the revocations"
            );
        }
        Ok(head)
    }

    fn log_unreadable(&self, notices: u64) {
        if notices == 0 {
            return;
        }
        let mut unreadable = self.unreadable.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(times) = unreadable.due_times("unreadable", notices, Instant::now()) {
            tracing::warn!(
                times,
                "a revocation on Redis cannot be read: a replica seals with a password that is not known here, another application has the same key prefix, or it is forged"
            );
        }
    }

    fn services(&self) -> MutexGuard<'_, Services> {
        // Each change leaves the table consistent, so a panic elsewhere does no harm.
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn rest_until(&self) -> MutexGuard<'_, Instant> {
        self.rest_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ratio of the pause after reading a whole list to the reading time.
const WORK_TO_REST: u32 = 9;
