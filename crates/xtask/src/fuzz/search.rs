//! A search in several targets, as many at a time as there are processors.

use std::{
    collections::VecDeque,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use super::{corpus::Corpus, found, kept};
use crate::project::Project;

pub(super) struct Search<'a> {
    pub(super) project: &'a Project,
    pub(super) fuzzer: &'a Path,
    pub(super) is_guided: bool,
}

impl Search<'_> {
    /// Searches in each target for this long, in turns, although one may have a broken rule, and prints a row for each.
    pub(super) fn run(&self, targets: &[String], time: Duration) -> Result<()> {
        let waiting = targets.iter().map(|target| (target, time)).collect::<VecDeque<_>>();
        let (waiting, broken) = (Mutex::new(waiting), Mutex::new(Vec::new()));
        let next = || locked(&waiting).pop_front();
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((target, left)) = next() {
                        let turn = left.min(TURN);
                        match self.search(target, turn) {
                            Ok(()) if turn < left => {
                                locked(&waiting).push_back((target, left - turn));
                            }
                            Ok(()) => {}
                            Err(error) => locked(&broken).push(format!("{error:#}")),
                        }
                    }
                });
            }
        });
        println!("| target | minutes | inputs tried | inputs found |\n|---|---|---|---|");
        for target in targets {
            println!("{}", self.row(target)?);
        }
        let broken = broken.into_inner().unwrap_or_else(PoisonError::into_inner);
        ensure!(broken.is_empty(), "{}", broken.join("\n"));
        Ok(())
    }

    /// Searches in one target, and writes down how long that was and how many inputs were tried.
    fn search(&self, target: &str, turn: Duration) -> Result<()> {
        let found = found(self.project, target)?;
        let (log, seconds) = (found.with_extension("log"), turn.as_secs().to_string());
        let mut command = Command::new(self.fuzzer);
        if self.is_guided {
            // New inputs go where the first folder is.
            let corpus = [Corpus::of(self.project, target).named, kept(self.project, target)?];
            command.arg(&found).args(corpus).arg(format!("-max_total_time={seconds}"));
            command.arg(format!("-artifact_prefix={}/broken-", found.display()));
            command.args(["-max_len=4096", "-timeout=60", "-print_final_stats=1", "-verbosity=0"]);
        } else {
            command.args([target, &seconds]).current_dir(&found);
        }
        let output = fs::File::create(&log)?;
        let status = command
            .env("AUTHKIT_FUZZ_TARGET", target)
            .stdout(Stdio::from(output.try_clone()?))
            .stderr(Stdio::from(output))
            .status()?;
        ensure!(status.success(), "{target} breaks a rule: see the end of {}", log.display());
        let tried = tried(&String::from_utf8_lossy(&fs::read(&log)?));
        let tried = tried.with_context(|| format!("{} does not say how many", log.display()))?;
        let mut turns = fs::File::options().create(true).append(true).open(turns(&found))?;
        Ok(writeln!(turns, "{seconds} {tried}")?)
    }

    /// What became of a target in this search and the earlier ones.
    fn row(&self, target: &str) -> Result<String> {
        let found = found(self.project, target)?;
        // A target whose first turn broke a rule has none.
        let turns = fs::read_to_string(turns(&found)).unwrap_or_default();
        let (seconds, tried) = total(&turns).with_context(|| format!("{found:?}: {turns:?}"))?;
        let inputs = fs::read_dir(&found)?.count();
        Ok(format!("| `{target}` | {} | {tried} | {inputs} |", seconds / 60))
    }
}

/// The file with the turns of a target: a line for each, of seconds and of inputs tried.
fn turns(found: &Path) -> PathBuf {
    found.with_extension("turns")
}

/// The seconds and the inputs tried, of all turns.
fn total(turns: &str) -> Option<(u64, u64)> {
    turns.lines().try_fold((0, 0), |(seconds, tried), line| {
        let (turn, inputs) = line.split_once(' ')?;
        Some((seconds + turn.parse::<u64>().ok()?, tried + inputs.parse::<u64>().ok()?))
    })
}

/// The number of inputs that the fuzzer says it tried.
fn tried(log: &str) -> Option<u64> {
    let line = log.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Short enough that a search which is ended early has been in every target.
const TURN: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn every_target_has_all_its_turns_although_one_breaks_a_rule() {
        use std::os::unix::fs::PermissionsExt as _;

        let root = std::env::temp_dir().join(format!("search-{}", std::process::id()));
        let fuzzer = root.join("fuzzer");
        fs::create_dir_all(&root).unwrap();
        let script = "#!/bin/sh\n[ $1 = seal ] && exit 1\necho stat::number_of_executed_units: 7\n";
        fs::write(&fuzzer, script).unwrap();
        fs::set_permissions(&fuzzer, fs::Permissions::from_mode(0o755)).unwrap();
        let project = Project {
            target: root.join("target"),
            root: root.clone(),
            published: Vec::new(),
            manifests: Vec::new(),
            crate_roots: Vec::new(),
            rust_version: String::new(),
        };
        let search = Search { project: &project, fuzzer: &fuzzer, is_guided: false };
        let targets = ["jwt", "seal", "jwks"].map(str::to_owned);
        let outcome = search.run(&targets, Duration::from_secs(700));
        assert!(outcome.unwrap_err().to_string().starts_with("seal breaks a rule"));
        for target in ["jwt", "jwks"] {
            let turns = fs::read_to_string(turns(&found(&project, target).unwrap())).unwrap();
            assert_eq!(turns, "300 7\n300 7\n100 7\n", "{target}");
        }
        assert_eq!(search.row("jwt").unwrap(), "| `jwt` | 11 | 21 | 0 |");
        assert_eq!(search.row("seal").unwrap(), "| `seal` | 0 | 0 | 0 |");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn turns_add_up_over_all_calls() {
        assert_eq!(total("300 1000\n60 200\n"), Some((360, 1_200)));
        assert_eq!(total(""), Some((0, 0)));
        assert_eq!(total("300\n"), None);
    }

    #[test]
    fn libfuzzer_says_how_many_inputs_it_tried() {
        let log = "Done 7 runs\nstat::number_of_executed_units: 32522\nstat::peak_rss_mb: 48\n";
        assert_eq!(tried(log), Some(32_522));
        assert_eq!(tried("ERROR: libFuzzer: deadly signal"), None);
    }
}
