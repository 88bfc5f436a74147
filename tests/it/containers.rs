//! Runs the programs that `Dockerfile` and `compose.yaml` start, with the same arguments and variables, but without a
//! container engine. The ports differ, since other tests may use the real ones.

use std::{
    collections::BTreeMap,
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use http::{Method, StatusCode};
use serde_json::Value;
use support::{Browser, Program, served::free_port};
use tokio::time::sleep;

use crate::{AUTHKIT, STARTER};

/// A service of `compose.yaml`. Its program, arguments and variables come from there and from its stage of the `Dockerfile`.
#[derive(Debug)]
struct Service {
    program: String,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    compose: Value,
}

impl Service {
    fn read(name: &str) -> Self {
        let compose: Value = serde_norway::from_str(&root_file("compose.yaml")).unwrap();
        let compose = compose["services"][name].clone();
        let stage = stage(compose["build"]["target"].as_str().unwrap());
        let list = |instruction: &str| -> Vec<String> {
            let line = stage.iter().find_map(|line| line.strip_prefix(instruction));
            line.map(|list| serde_json::from_str(list).unwrap()).unwrap_or_default()
        };
        let entrypoint = list("ENTRYPOINT ");
        let mut arguments = entrypoint[1..].to_vec();
        arguments.extend(match compose["command"].as_array() {
            Some(command) => command.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
            None => list("CMD "),
        });
        let of_stage = stage.iter().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
        let of_stage = of_stage.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let own = compose["environment"].as_object().into_iter().flatten();
        let own = own.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()));
        let variables = of_stage.chain(own).collect();
        Self { program: entrypoint[0].clone(), arguments, variables, compose }
    }

    /// The same service on other ports.
    fn on(mut self, app: u16, emulator: u16) -> Self {
        let moved = |text: &str| {
            text.replace("3000", &app.to_string()).replace("4100", &emulator.to_string())
        };
        self.arguments = self.arguments.iter().map(|argument| moved(argument)).collect();
        self.variables.values_mut().for_each(|value| *value = moved(value));
        self
    }
}

/// The instructions of one stage of the `Dockerfile`.
fn stage(name: &str) -> Vec<String> {
    let end = format!(" AS {name}");
    let file = root_file("Dockerfile");
    let lines =
        file.lines().skip_while(|line| !(line.starts_with("FROM ") && line.ends_with(&end)));
    lines.skip(1).take_while(|line| !line.starts_with("FROM ")).map(str::to_owned).collect()
}

fn root_file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(name)).unwrap()
}

/// The service `emulator` on a port of its own. Dropping it stops it.
struct RunningEmulator {
    process: Child,
    port: u16,
}

impl RunningEmulator {
    async fn start() -> Self {
        // Another process may take the free port first, so this tries several times.
        for _ in 0..5 {
            let port = free_port();
            let service = Service::read("emulator").on(0, port);
            let mut command = Command::new(AUTHKIT);
            command.args(&service.arguments).env_clear().envs(&service.variables);
            let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            let mut running = Self { process, port };
            let began = Instant::now();
            while running.process.try_wait().unwrap().is_none() && began.elapsed() < PATIENCE {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return running;
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("the emulator has not listened on any port");
    }
}

impl Drop for RunningEmulator {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn both_services_start_and_a_user_signs_in() {
    assert_eq!(Service::read("emulator").program, "authkit");
    let running = RunningEmulator::start().await;
    let emulator = running.port;
    let browser = Browser::new();
    let health = format!("http://localhost:{emulator}/health");
    assert_eq!(browser.fetch(Method::GET, &health, "").await.status, StatusCode::OK);

    assert_eq!(Service::read("app").program, "starter");
    let app = Program::start_where(STARTER, |port| {
        let variables = Service::read("app").on(port, emulator).variables;
        variables.into_iter().map(|(name, value)| (&*name.leak(), value)).collect()
    });
    let page = browser.open(&app.url("/dashboard")).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/user_management/authorize"));
    assert_eq!(page.url.port(), Some(emulator));
    let answer = browser.press(&page, "bob@acme.test").await;
    let page = browser.open(browser.target(&answer).as_str()).await;
    assert_eq!((page.status, page.url.path()), (StatusCode::OK, "/dashboard"), "{}", page.text());
    assert!(page.text().contains("(member)"), "{}", page.text());
}

#[test]
fn the_images_have_the_programs_and_listen_where_ports_are_published() {
    let build = stage("build").join("\n");
    for (name, package, built) in
        [("app", "starter", "release/starter"), ("emulator", "authkit-cli", "release/authkit")]
    {
        assert!(build.contains(&format!("--package {package}")), "{name}: {build}");
        let Value::String(target) = &Service::read(name).compose["build"]["target"] else {
            panic!("{name}: `build.target` names no stage");
        };
        let copies = stage(target);
        assert!(copies.iter().any(|line| line.contains(built)), "{name}: {copies:?}");
    }
    let app = Service::read("app");
    assert_eq!(app.variables["HOST"], "0.0.0.0");
    assert_eq!(Service::read("emulator").compose["network_mode"], "service:app");
    let published = &app.compose["ports"];
    // The emulator signs anybody in, so only this machine may reach it.
    assert_eq!(published, &serde_json::json!(["127.0.0.1:3000:3000", "127.0.0.1:4100:4100"]));
}

/// How long the emulator may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);
