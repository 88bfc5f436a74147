use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};

/// A server on the first core. The program that sends it requests runs on the second.
pub struct Service {
    process: Child,
    port: u16,
}

impl Service {
    /// Starts the program `server` as one of its kinds, with these additional environment variables.
    pub fn start(server: &Path, kind: &str, variables: &[(&str, String)]) -> Result<Self> {
        let mut process = Command::new("taskset")
            .args(["-c", "0"])
            .args([server.as_os_str(), kind.as_ref()])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::piped())
            .spawn()
            .context("taskset")?;
        let mut line = String::new();
        let output = process.stdout.take().context("its output is piped")?;
        BufReader::new(output).read_line(&mut line)?;
        let port = line.trim().parse().context("the server prints its port")?;
        Ok(Self { process, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Begins a session, and returns its cookies.
    pub fn cookie(&self) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.write_all(b"GET /start HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let cookies = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: "));
        Ok(cookies.filter_map(|field| field.split(';').next()).collect::<Vec<_>>().join("; "))
    }

    /// Seconds in user and in system mode (proc(5)).
    pub fn processor_time(&self) -> Result<f64> {
        /// `USER_HZ`, which is 100 on all current architectures.
        const TICKS: f64 = 100.0;

        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let (_, fields) = stat.rsplit_once(')').context("the name ends in a bracket")?;
        let ticks =
            |at| fields.split_whitespace().nth(at).and_then(|ticks| ticks.parse::<f64>().ok());
        let (user, system) = ticks(11).zip(ticks(12)).context("times are numbers")?;
        Ok((user + system) / TICKS)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
