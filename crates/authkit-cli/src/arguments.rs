//! The command line.

use std::{ffi::OsString, fmt::Display, path::PathBuf};

use lexopt::{
    Arg::{Long, Short, Value},
    Parser, ValueExt,
};

pub(crate) const HELP: &str = "\
Checks the set-up of WorkOS AuthKit sessions, and looks into their cookies.

Usage: authkit COMMAND [OPTIONS]

Commands:
  doctor      says what is wrong with the WORKOS_* variables, with REDIS_URL and with the way to both, and what to write
                --env-file FILE      reads a `.env` file first; variables that are set already win
                --offline            asks neither WorkOS nor Redis
                --permissions N      how many permissions the sample session's user has [default: 10]
                --json               for programs
  inspect     opens a session cookie from the standard input: its value, or the whole Cookie header
                --env-file FILE      as above; WORKOS_COOKIE_PASSWORD and ..._OTHERS open the cookie
                --tokens             shows the tokens, with which anybody can act as the user
                --json               for programs
  log-id ID.. prints what log lines know a user or a session by: a hash of its id under WORKOS_API_KEY
                --env-file FILE      as above
  password    prints a new cookie password, which suits every format but `rust` and `ruby6`
  emulator    runs an emulator of WorkOS; `authkit emulator --help` lists its options
  completions bash, zsh or fish: what the shell offers, as a script for it; `source <(authkit completions bash)`

Options:
  -h, --help       prints this
  -V, --version    prints the version

It ends with 0 if all is well, with 1 if `doctor` found a problem or `inspect` could not open the cookie, and with 2 if it
could not do what it was told.
";

/// The command that the command line names.
pub(crate) enum Command {
    Doctor(DoctorOptions),
    Inspect(InspectOptions),
    LogId(LogIdOptions),
    Password,
    /// The arguments of the emulator.
    Emulator(Vec<OsString>),
    Completions(CompletedShell),
    Help,
    Version,
}

#[derive(Default)]
pub(crate) struct DoctorOptions {
    pub(crate) env_file: Option<PathBuf>,
    pub(crate) network: Network,
    pub(crate) permissions: Option<usize>,
    pub(crate) form: Form,
}

#[derive(Default)]
pub(crate) struct InspectOptions {
    pub(crate) env_file: Option<PathBuf>,
    pub(crate) tokens: Tokens,
    pub(crate) form: Form,
}

#[derive(Default)]
pub(crate) struct LogIdOptions {
    pub(crate) env_file: Option<PathBuf>,
    /// `user_…` or `session_…`.
    pub(crate) ids: Vec<String>,
}

/// A shell that has completions.
#[derive(Clone, Copy)]
pub(crate) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

/// Whether to call WorkOS and Redis.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) enum Network {
    #[default]
    Online,
    Offline,
}

/// Whether to show tokens.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) enum Tokens {
    #[default]
    Hidden,
    Shown,
}

#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub(crate) enum Form {
    #[default]
    Text,
    Json,
}

/// Reads the command line, the program's own name first.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut parser = Parser::from_iter(arguments);
    let Some(first) = parser.next().map_err(one_line)? else { return Ok(Command::Help) };
    let command = match first {
        Short('h') | Long("help") => return Ok(Command::Help),
        Short('V') | Long("version") => return Ok(Command::Version),
        Value(command) => command.string().map_err(one_line)?,
        other => return Err(unexpected(other)),
    };
    match command.as_str() {
        "doctor" => doctor(&mut parser),
        "inspect" => inspect(&mut parser),
        "log-id" => log_id(&mut parser),
        "password" => match parser.next().map_err(one_line)? {
            None => Ok(Command::Password),
            Some(Short('h') | Long("help")) => Ok(Command::Help),
            Some(other) => Err(unexpected(other)),
        },
        "emulator" => Ok(Command::Emulator(parser.raw_args().map_err(one_line)?.collect())),
        "completions" => completions(&mut parser),
        "help" => Ok(Command::Help),
        other => Err(format!("there is no command `{}`; see --help", other.escape_debug())),
    }
}

fn doctor(parser: &mut Parser) -> Result<Command, String> {
    let mut options = DoctorOptions::default();
    while let Some(argument) = parser.next().map_err(one_line)? {
        match argument {
            Long("env-file") => options.env_file = Some(path(parser)?),
            Long("offline") => options.network = Network::Offline,
            Long("permissions") => {
                let number = parser.value().and_then(|value| value.parse()).map_err(one_line)?;
                options.permissions = Some(number);
            }
            Long("json") => options.form = Form::Json,
            Short('h') | Long("help") => return Ok(Command::Help),
            other => return Err(unexpected(other)),
        }
    }
    Ok(Command::Doctor(options))
}

fn inspect(parser: &mut Parser) -> Result<Command, String> {
    let mut options = InspectOptions::default();
    while let Some(argument) = parser.next().map_err(one_line)? {
        match argument {
            Long("env-file") => options.env_file = Some(path(parser)?),
            Long("tokens") => options.tokens = Tokens::Shown,
            Long("json") => options.form = Form::Json,
            Short('h') | Long("help") => return Ok(Command::Help),
            // Every user of the machine can see arguments, and the shell keeps them in its history.
            Value(_) => {
                return Err("pass the cookie on the standard input, not as an argument".to_owned());
            }
            other => return Err(unexpected(other)),
        }
    }
    Ok(Command::Inspect(options))
}

fn log_id(parser: &mut Parser) -> Result<Command, String> {
    let mut options = LogIdOptions::default();
    while let Some(argument) = parser.next().map_err(one_line)? {
        match argument {
            Long("env-file") => options.env_file = Some(path(parser)?),
            Short('h') | Long("help") => return Ok(Command::Help),
            Value(id) => options.ids.push(id.string().map_err(one_line)?),
            other => return Err(unexpected(other)),
        }
    }
    if options.ids.is_empty() {
        return Err("name the users or sessions: `authkit log-id user_...`".to_owned());
    }
    Ok(Command::LogId(options))
}

fn completions(parser: &mut Parser) -> Result<Command, String> {
    match parser.next().map_err(one_line)? {
        Some(Value(shell)) if shell == "bash" => Ok(Command::Completions(CompletedShell::Bash)),
        Some(Value(shell)) if shell == "zsh" => Ok(Command::Completions(CompletedShell::Zsh)),
        Some(Value(shell)) if shell == "fish" => Ok(Command::Completions(CompletedShell::Fish)),
        Some(Short('h') | Long("help")) => Ok(Command::Help),
        Some(_) | None => {
            Err("name the shell: `authkit completions bash`, `zsh` or `fish`".to_owned())
        }
    }
}

fn path(parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(one_line)
}

fn unexpected(argument: lexopt::Arg<'_>) -> String {
    format!("{}; see --help", one_line(argument.unexpected()))
}

fn one_line(problem: impl Display) -> String {
    problem.to_string().replace('\n', " ")
}
