//! The commands of one function, which is switched off while Redis refuses one of them.
//!
//! 1. A refusal switches off only this function, first for a second, then for longer, up to a minute.
//! 2. After that the next command is tried. The function works again when Redis accepts the command that it refused.
//! 3. The pauses start again at a second when nothing was refused for two minutes.
//! 4. The log has each kind of refusal once, and reminders at growing intervals.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{Arg, FromRedisValue, Pipeline};
use tokio::time::Instant;

use crate::{
    backoff::Backoff,
    connection::CommandConnection,
    fault::{CommandFailure, ErrorReply},
    reminders::Reminders,
};

/// The commands of one function.
pub(crate) struct CommandGroup {
    connection: Arc<CommandConnection>,
    /// What the application loses without the function.
    without: &'static str,
    switch: Mutex<Switch>,
}

struct Switch {
    backoff: Backoff,
    reminders: Reminders,
    last: Option<LastRefusal>,
    is_logged: bool,
}

/// The last refusal.
struct LastRefusal {
    command: String,
    at: Instant,
    off_until: Instant,
}

impl CommandGroup {
    pub(crate) fn new(connection: Arc<CommandConnection>, without: &'static str) -> Self {
        let switch = Switch {
            backoff: Backoff::new(Duration::from_secs(1), MINUTE, 2 * MINUTE),
            reminders: Reminders::growing(),
            last: None,
            is_logged: false,
        };
        Self { connection, without, switch: Mutex::new(switch) }
    }

    /// Runs commands, unless the function is switched off.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        commands: &Pipeline,
    ) -> Result<T, CommandFailure> {
        if !self.is_on() {
            return Err(CommandFailure::SwitchedOff);
        }
        let result = self.connection.run(commands).await;
        self.record(commands, &result);
        result
    }

    pub(crate) fn is_on(&self) -> bool {
        let switch = self.switch();
        switch.last.as_ref().is_none_or(|refused| Instant::now() >= refused.off_until)
    }

    /// Records the result of commands.
    pub(crate) fn record<T>(&self, commands: &Pipeline, result: &Result<T, CommandFailure>) {
        match result {
            Ok(_) => {
                let names = commands.cmd_iter().filter_map(|command| command.args_iter().next());
                let mut names = names.filter_map(|name| match name {
                    Arg::Simple(name) => Some(name),
                    _ => None,
                });
                self.accepted(|refused| names.any(|name| name == refused.as_bytes()));
            }
            Err(CommandFailure::Refused(reply)) => self.refused(reply),
            Err(CommandFailure::Gone | CommandFailure::SwitchedOff) => {}
        }
    }

    /// Records that Redis refuses a command.
    pub(crate) fn refused(&self, reply: &ErrorReply) {
        let now = Instant::now();
        let mut switch = self.switch();
        // Refusals of commands that were running when the function was switched off do not prolong the pause.
        if switch.last.as_ref().is_some_and(|refused| now < refused.off_until) {
            return;
        }
        if let Some(refused) = &switch.last {
            let quiet = now - refused.at;
            if switch.backoff.worked_for(quiet) {
                switch.reminders.forget();
            }
        }
        let off_until = now + switch.backoff.failed();
        let command = reply.command.clone();
        switch.last = Some(LastRefusal { command, at: now, off_until });
        if let Some(times) = switch.reminders.due(&reply.code, now) {
            switch.is_logged = true;
            tracing::warn!(
                command = reply.command,
                %reply,
                hint = reply.hint(),
                times,
                "Redis refuses a command: {}", self.without
            );
        }
    }

    /// Records that Redis has accepted commands; `is_among` tells whether one of this name is among them.
    pub(crate) fn accepted(&self, is_among: impl FnOnce(&str) -> bool) {
        let mut switch = self.switch();
        let Some(refused) = &switch.last else { return };
        if !is_among(&refused.command) {
            return;
        }
        let quiet = refused.at.elapsed();
        if std::mem::take(&mut switch.is_logged) {
            tracing::info!(command = refused_name(&switch), "Redis takes the command again");
        }
        if switch.backoff.worked_for(quiet) {
            switch.reminders.forget();
            switch.last = None;
        }
    }

    fn switch(&self) -> MutexGuard<'_, Switch> {
        // Each change leaves the state consistent, so a panic elsewhere does no harm.
        self.switch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refused_name(switch: &Switch) -> &str {
    switch.last.as_ref().map_or("", |refused| &refused.command)
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use redis::Value;

    use super::*;
    use crate::{
        dialer::Dialer,
        fault::{About, CommandFailure},
        locator::Locator,
        url::RedisUrl,
    };

    fn group() -> CommandGroup {
        let url = RedisUrl::parse("redis://127.0.0.1:1").unwrap();
        let dialer = Arc::new(Dialer::plain(&url));
        let locator = Locator::new(Arc::clone(&dialer), url.deployment);
        let connection = CommandConnection::new(dialer, locator, Duration::from_secs(1));
        CommandGroup::new(Arc::new(connection), "nothing works")
    }

    fn commands(name: &str) -> Pipeline {
        let mut commands = redis::pipe();
        commands.cmd("GET").cmd(name);
        commands
    }

    fn refused(group: &CommandGroup, name: &str) {
        let Ok(Value::ServerError(error)) = redis::parse_redis_value(b"-NOPERM no\r\n") else {
            unreachable!("that is an error reply");
        };
        let commands = commands(name);
        let About::Command(mut reply) = About::error(error.into(), &commands) else {
            unreachable!("it is about the command");
        };
        reply.command = name.into();
        group.record(&commands, &Err::<(), _>(CommandFailure::Refused(reply)));
    }

    /// How long the function stays switched off.
    async fn off(group: &CommandGroup) -> u64 {
        let began = Instant::now();
        while !group.is_on() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        began.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn f2_a_refusal_switches_off_for_longer_each_time_until_nothing_was_refused_for_a_while()
    {
        let group = group();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            refused(&group, "SET");
            // What was under way makes it no longer.
            refused(&group, "SET");
            let off = off(&group).await;
            assert!((expected..=expected * 5 / 4 + 1).contains(&off), "{expected}: {off}");
            // Another command of the function says nothing about this one.
            group.record(&commands("PTTL"), &Ok(()));
            group.record(&commands("SET"), &Ok(()));
        }
        tokio::time::advance(3 * MINUTE).await;
        group.record(&commands("SET"), &Ok(()));
        refused(&group, "SET");
        assert!(off(&group).await <= 2);
        tokio::time::advance(3 * MINUTE).await;
        refused(&group, "SET");
        assert!(off(&group).await <= 2, "nobody needed it meanwhile");
    }
}
