use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::sleep;

use crate::site::http_get;

/// Checks that the program serves without an account, and that Ctrl-C ends it cleanly.
///
/// # Panics
///
/// If one of the two fails.
pub async fn the_program_serves_until_it_is_interrupted(path: &str) {
    // Another process may take the free port before the program does, so there are several tries.
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut program = Program::start(path, port);
        if !program.serves(port).await {
            continue;
        }
        let dashboard = http_get(&format!("http://127.0.0.1:{port}/dashboard")).await;
        assert_eq!(dashboard.map(|response| response.status().as_u16()), Some(401));
        program.interrupt();
        let status = program.0.wait().unwrap();
        assert_eq!(status.code(), Some(0));
        return;
    }
    panic!("it should serve");
}

/// A process that ends with the test.
struct Program(Child);

impl Program {
    fn start(path: &str, port: u16) -> Self {
        let mut process = Command::new(path)
            .env_clear()
            .envs([("PORT", port.to_string()), ("EMULATOR_PORT", "0".to_owned())])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim_end(), format!("http://localhost:{port}"));
        Self(process)
    }

    /// Whether the program runs, and answers with its own page.
    async fn serves(&mut self, port: u16) -> bool {
        for _ in 0..200 {
            let home = http_get(&format!("http://127.0.0.1:{port}/")).await;
            if let Some(home) = home {
                return home.body() == "Welcome";
            }
            if self.0.try_wait().unwrap().is_some() {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("it neither serves nor ends")
    }

    fn interrupt(&self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
