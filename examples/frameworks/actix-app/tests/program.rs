//! `actix-app` as a process.

#![forbid(unsafe_code)]
#![cfg(unix)]

#[tokio::test]
async fn it_serves_until_it_is_interrupted() {
    suite::the_program_serves_until_it_is_interrupted(env!("CARGO_BIN_EXE_actix-app")).await;
}
