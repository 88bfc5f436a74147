//! `authkit-fuzz TARGET SECONDS`: searches for inputs that break a rule, without coverage.

#![forbid(unsafe_code)]

use std::{
    env, fs,
    process::ExitCode,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use authkit_fuzz::{Target, driver};

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [name, seconds] = &arguments[..] else {
        eprintln!("usage: authkit-fuzz TARGET SECONDS");
        return ExitCode::from(2);
    };
    let (Some(target), Ok(seconds)) = (Target::named(name), seconds.parse()) else {
        eprintln!("there is no such target, or `{seconds}` is no number");
        return ExitCode::from(2);
    };
    let corpus = driver::corpus(target).unwrap_or_default();
    let corpus: Vec<_> = corpus.into_iter().map(|(_, input)| input).collect();
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
    match driver::mutate(target, &corpus, Duration::from_secs(seconds), seed) {
        Ok(tried) => {
            println!("{name}: {seconds} s without coverage");
            // As libFuzzer says it.
            println!("stat::number_of_executed_units: {tried}");
            ExitCode::SUCCESS
        }
        Err(input) => {
            let file = format!("crash-{name}");
            eprintln!(
                "{name}: a rule is broken by {file} (seed {seed}): {:?}",
                fs::write(&file, input)
            );
            ExitCode::FAILURE
        }
    }
}
