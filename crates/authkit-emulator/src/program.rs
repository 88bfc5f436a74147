//! The program `authkit-emulator`; `authkit emulator` runs the same.

mod cli;
mod service_variables;
mod stderr_log;

use std::{
    env,
    ffi::OsString,
    future,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    pin::pin,
    process::ExitCode,
};

use tokio::signal::ctrl_c;

use self::{
    cli::{Command, Options},
    service_variables::ServiceVariables,
    stderr_log::StderrLog,
};
use crate::emulator::Emulator;

/// Runs the program until ctrl-c. `name` is the name that it calls itself; `arguments` are without the program's name.
#[doc(hidden)]
pub async fn program(name: &str, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    // Fails only if there is a subscriber already; a program that has just started has none.
    let _ = tracing::subscriber::set_global_default(StderrLog);
    let arguments = [OsString::from(name)].into_iter().chain(arguments);
    let outcome = match cli::parse(arguments, |name| env::var(name).ok()) {
        Ok(Command::Help) => say(&cli::HELP.replace("authkit-emulator", name)),
        Ok(Command::Version) => say(&format!("{name} {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Run(options)) => run(*options).await,
        Err(problem) => Err(problem),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{name}: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    let Options { host, port, app_url, env_file, builder } = options;
    let emulator = builder.start().await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("port {port} is taken; choose another with --port, or 0 for one that is free")
        }
        _ => format!("cannot listen on {}: {error}", SocketAddr::new(host, port)),
    })?;
    let variables = ServiceVariables::new(&emulator, &app_url);
    if let Some(path) = &env_file {
        variables.write_to(path)?;
    }
    if !host.is_loopback() {
        tracing::warn!(
            "whoever reaches {host} can sign in as anybody: do this in a container, or on a network of your own"
        );
    }
    let mut interrupted = pin!(ctrl_c());
    // The signal is polled before the greeting is printed, since a reader of the greeting may interrupt at once.
    let outcome = tokio::select! {
        biased;
        outcome = &mut interrupted => outcome,
        () = future::ready(()) => {
            say(&greeting(&emulator, host, &variables))?;
            interrupted.await
        }
    };
    outcome.map_err(|error| format!("cannot wait for ctrl-c: {error}"))
}

fn greeting(emulator: &Emulator, host: IpAddr, variables: &ServiceVariables) -> String {
    let place =
        if host.is_loopback() { "this machine only".to_owned() } else { format!("at {host}") };
    let mut text = format!(
        "AuthKit emulator on {} ({place}; ctrl-c stops it)\n\nFor your service:\n\n{}",
        emulator.url(),
        variables.exports()
    );
    text.push_str("\nUsers:\n\n");
    for user in emulator.users() {
        let memberships: Vec<String> = user
            .memberships
            .iter()
            .map(|membership| format!("{} ({})", membership.organization_name, membership.role))
            .collect();
        let mut line = format!("  {:<28} {}", user.email, memberships.join(", "));
        if let Some(impersonator) = &user.impersonated_by {
            line.push_str(&format!("  impersonated by {impersonator}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let webhooks = emulator.webhooks().all();
    if !webhooks.is_empty() {
        text.push_str("\nWebhooks, and the secrets they are signed with:\n\n");
    }
    for webhook in webhooks {
        text.push_str(&format!("  {}  {}\n", webhook.url, webhook.secret));
    }
    text
}

/// Prints on standard output. A closed pipe is not an error.
fn say(text: &str) -> Result<(), String> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(format!("cannot print: {error}"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
