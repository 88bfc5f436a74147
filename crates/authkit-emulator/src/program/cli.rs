use std::{
    ffi::OsString,
    fmt::Display,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use lexopt::{
    Arg::{Long, Short},
    Parser, ValueExt,
};
use url::Url;

use crate::{Emulator, EmulatorBuilder, RateLimit, Rotation, Seed, SignIn, SigningKey};

pub(crate) const HELP: &str = "\
WorkOS AuthKit in memory, for development and tests. Listens on 127.0.0.1 only, unless told otherwise.

Usage: authkit-emulator [OPTIONS]

Options:
  --port PORT            port to listen on; 0 for a free port [env: EMULATOR_PORT] [default: 4100]
  --host ADDRESS         address to listen on; 0.0.0.0 is for containers, since it signs anybody in [default: 127.0.0.1]
  --env-file FILE        also write the variables for your service to this file; replaces the file of an earlier start
  --app-url URL          where your service is [default: http://localhost:3000]
  --seed FILE            users, organizations and roles, in the official emulator's format (YAML or JSON)
  --token-ttl SECONDS    lifetime of access tokens [env: EMULATOR_TOKEN_TTL] [default: 300]
  --strict               refresh tokens work once, without the 30 s replay of production
  --rate-limit           accept at most 500 writes and 1,000 reads in 10 s, as WorkOS does
  --auto                 sign in at once as the login_hint or the first user, without the page
  --client-id ID         [default: client_emulator]
  --api-key KEY          [default: sk_test_emulator]
  --issuer URL           `iss` of the tokens [default: <url>/user_management/<client id>]
  --signing-key FILE     RSA private key, PEM or DER [default: a new one at every start]
  --key-id ID            `kid` of --signing-key [default: key_emulator]
  -h, --help             prints this
  -V, --version          prints the version
";

/// The command that the command line gives.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Box<Options>),
    Help,
    Version,
}

/// Settings, checked as far as possible without the network.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) app_url: String,
    pub(crate) env_file: Option<PathBuf>,
    pub(crate) builder: EmulatorBuilder,
}

/// Reads the command line. `variable` reads an environment variable; the command line wins over the environment.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Command, String> {
    let mut port = match variable("EMULATOR_PORT") {
        Some(text) => number("EMULATOR_PORT", &text)?,
        None => DEFAULT_PORT,
    };
    let mut token_ttl = match variable("EMULATOR_TOKEN_TTL") {
        Some(text) => Some(number("EMULATOR_TOKEN_TTL", &text)?),
        None => None,
    };
    let mut builder = Emulator::builder();
    let (mut signing_key, mut key_id) = (None, "key_emulator".to_owned());
    let (mut host, mut env_file) = (IpAddr::V4(Ipv4Addr::LOCALHOST), None);
    let mut app_url = "http://localhost:3000".to_owned();

    let mut parser = Parser::from_iter(arguments);
    while let Some(argument) = parser.next().map_err(one_line)? {
        match argument {
            Long("port") => port = number("--port", &text(&mut parser)?)?,
            Long("host") => host = address(&text(&mut parser)?)?,
            Long("env-file") => env_file = Some(path(&mut parser)?),
            Long("app-url") => app_url = origin(&text(&mut parser)?)?,
            Long("seed") => {
                builder = builder.seed(Seed::from_file(path(&mut parser)?).map_err(one_line)?)
            }
            Long("token-ttl") => token_ttl = Some(number("--token-ttl", &text(&mut parser)?)?),
            Long("strict") => builder = builder.rotation(Rotation::Strict),
            Long("rate-limit") => builder = builder.rate_limit(RateLimit::WORKOS),
            Long("auto") => builder = builder.sign_in(SignIn::Automatic),
            Long("client-id") => builder = builder.client_id(text(&mut parser)?),
            Long("api-key") => builder = builder.api_key(text(&mut parser)?),
            Long("issuer") => builder = builder.issuer(text(&mut parser)?),
            Long("signing-key") => signing_key = Some(path(&mut parser)?),
            Long("key-id") => key_id = text(&mut parser)?,
            Short('h') | Long("help") => return Ok(Command::Help),
            Short('V') | Long("version") => return Ok(Command::Version),
            other => return Err(format!("{}; see --help", other.unexpected())),
        }
    }
    if let Some(seconds) = token_ttl {
        builder = builder.token_ttl(Duration::from_secs(seconds));
    }
    if let Some(path) = signing_key {
        builder = builder.signing_key(read_key(&key_id, &path)?);
    }
    let builder = builder.insecure_host(host).port(port);
    Ok(Command::Run(Box::new(Options { host, port, app_url, env_file, builder })))
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| format!("--host is `{text}`, which is no IP address such as 0.0.0.0"))
}

/// The origin of an http(s) URL.
fn origin(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let url = url.ok_or_else(|| {
        format!("--app-url is `{text}`, which is no URL such as http://localhost:3000")
    })?;
    Ok(url.origin().ascii_serialization())
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(|value| value.string()).map_err(one_line)
}

fn path(parser: &mut Parser) -> Result<PathBuf, String> {
    parser.value().map(PathBuf::from).map_err(one_line)
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{name} is `{text}`, which is not a number in range"))
}

fn read_key(id: &str, path: &Path) -> Result<SigningKey, String> {
    let named = |problem: &dyn Display| format!("{}: {problem}", path.display());
    let bytes = std::fs::read(path).map_err(|error| named(&error))?;
    SigningKey::from_private_key(id, &bytes).map_err(|error| named(&error))
}

fn one_line(problem: impl Display) -> String {
    problem.to_string().replace('\n', " ")
}

/// The official emulator's default port.
const DEFAULT_PORT: u16 = 4100;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Result<Command, String> {
        let variable = |name: &str| {
            let found = environment.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        parse(
            std::iter::once("authkit-emulator")
                .chain(arguments.iter().copied())
                .map(OsString::from),
            variable,
        )
    }

    fn port(arguments: &[&str], environment: &[(&str, &str)]) -> u16 {
        match run(arguments, environment) {
            Ok(Command::Run(options)) => options.port,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_wins_over_the_environment() {
        assert_eq!(port(&[], &[]), 4100);
        assert_eq!(port(&[], &[("EMULATOR_PORT", "5001")]), 5001);
        assert_eq!(port(&["--port", "5002"], &[("EMULATOR_PORT", "5001")]), 5002);
        assert_eq!(port(&["--port=5003", "--strict", "--auto", "--token-ttl", "5"], &[]), 5003);
    }

    #[test]
    fn mistakes_are_one_line_that_names_them() {
        for (arguments, environment, named) in [
            (&["--prot", "1"][..], &[][..], "--prot"),
            (&["extra"], &[], "extra"),
            (&["--port"], &[], "port"),
            (&["--port", "70000"], &[], "--port is `70000`"),
            (&["--token-ttl", "soon"], &[], "--token-ttl is `soon`"),
            (&["--strict=yes"], &[], "strict"),
            (&["--host", "everywhere"], &[], "--host is `everywhere`"),
            (&["--app-url", "localhost:3000"], &[], "--app-url is `localhost:3000`"),
            (&["--seed", "/nowhere/seed.yaml"], &[], "/nowhere/seed.yaml"),
            (&["--signing-key", "/nowhere/key.pem"], &[], "/nowhere/key.pem"),
            (&[], &[("EMULATOR_PORT", "http")], "EMULATOR_PORT is `http`"),
            (&[], &[("EMULATOR_TOKEN_TTL", "-1")], "EMULATOR_TOKEN_TTL is `-1`"),
        ] {
            let error = run(arguments, environment).unwrap_err();
            assert!(error.contains(named), "{arguments:?}: {error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }

    #[test]
    fn help_names_every_option() {
        assert!(matches!(run(&["--help"], &[]), Ok(Command::Help)));
        assert!(matches!(run(&["-V"], &[]), Ok(Command::Version)));
    }
}
