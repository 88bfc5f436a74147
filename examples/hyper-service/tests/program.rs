//! `hyper-service` as a process.

#![forbid(unsafe_code)]
#![cfg(unix)]

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

#[test]
fn e12_a_signal_ends_it_in_order_as_soon_as_it_has_said_where_it_listens() {
    for signal in ["-INT", "-TERM"] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hyper-service"))
            .env_clear()
            .envs([("PORT", "0"), ("EMULATOR_PORT", "0"), ("AUTHKIT_DEV", "1")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let says_where = |line: &String| line.starts_with("http://localhost:");
        lines.by_ref().map_while(Result::ok).find(says_where).expect("it serves");
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        // Until its output ends, so that what it says last finds a reader.
        lines.for_each(drop);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
    }
}
