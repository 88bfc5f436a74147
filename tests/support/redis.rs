//! A Redis server for a test, and a proxy to it that can be cut.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use crate::{
    process::{Signal, signal},
    served::free_port,
    watch::watch_redis,
};

/// A `redis-server` on a port of its own that keeps nothing on disk; dropping it kills it.
#[derive(Debug)]
pub struct RedisServer {
    child: Child,
    port: u16,
    /// The port for clients, if it is not the port at which the test sends commands.
    pub(crate) door: u16,
    folder: PathBuf,
    mode: Mode,
    options: Vec<String>,
}

/// The role of the program `redis-server`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Server,
    /// Its options are lines of a file, which it keeps its state in.
    Sentinel,
}

impl RedisServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` (Debian package `redis-server`), or it does not start.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts one with more options.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with(options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        Self::start_as(Mode::Server, &options).await
    }

    pub(crate) async fn start_as(mode: Mode, options: &[String]) -> Self {
        // Another process may take the free port first, so there are several tries.
        for _ in 0..5 {
            let (port, folder) = (free_port(), folder());
            let child = spawn(mode, port, &folder, options);
            let options = options.to_vec();
            let mut server = Self { child, port, door: port, folder, mode, options };
            if server.is_up().await {
                if matches!(mode, Mode::Server) {
                    watch_redis(port, &server.options);
                }
                return server;
            }
        }
        panic!("redis-server does not start: is the Debian package `redis-server` installed?");
    }

    /// Starts one that takes TLS connections too, and says where.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with_tls(certificate: &str, key: &str) -> (Self, String) {
        let port = free_port().to_string();
        let files = ["--tls-cert-file", certificate, "--tls-key-file", key];
        let checks = ["--tls-ca-cert-file", certificate, "--tls-auth-clients", "no"];
        let options = [&["--tls-port", port.as_str()], &files[..], &checks[..]].concat();
        let server = Self::start_with(&options).await;
        (server, format!("rediss://localhost:{port}"))
    }

    /// Starts one that takes TLS connections of those who show a certificate of `authority`, and says where.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start_with_mutual_tls(
        certificate: &str,
        key: &str,
        authority: &str,
    ) -> (Self, String) {
        let port = free_port().to_string();
        let files = ["--tls-cert-file", certificate, "--tls-key-file", key];
        let checks = ["--tls-ca-cert-file", authority, "--tls-auth-clients", "yes"];
        let options = [&["--tls-port", port.as_str()], &files[..], &checks[..]].concat();
        (Self::start_with(&options).await, format!("rediss://localhost:{port}"))
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many clients send it commands. They speak RESP3, unlike replicas and sentinels, and subscribe to nothing.
    pub async fn clients(&self) -> usize {
        let clients = self.ask("CLIENT LIST").await;
        clients.lines().filter(|line| line.contains(" resp=3") && line.contains(" sub=0")).count()
    }

    /// Makes the user `app` anew, with these rules beside a password, and returns the URL of that user.
    ///
    /// # Panics
    ///
    /// If the rules are not understood.
    pub async fn user(&self, rules: &str) -> String {
        let answer = self.ask(&format!("ACL SETUSER app reset on >hunter2 {rules}")).await;
        assert!(answer.starts_with("+OK"), "{rules}: {answer}");
        self.url().replace("redis://", "redis://app:hunter2@")
    }

    /// How many connections it has taken since it was started, those of [`ask`](Self::ask) too.
    ///
    /// # Panics
    ///
    /// If it does not say.
    pub async fn connections_taken(&self) -> u64 {
        self.counted("total_connections_received:").await
    }

    /// How many commands it has done since it was started, those of [`ask`](Self::ask) too.
    ///
    /// # Panics
    ///
    /// If it does not say.
    pub async fn commands_done(&self) -> u64 {
        self.counted("total_commands_processed:").await
    }

    /// How often it has been sent this command since it was started.
    pub async fn calls_of(&self, command: &str) -> u64 {
        let stats = self.ask("INFO commandstats").await;
        let name = format!("cmdstat_{command}:calls=");
        let calls = stats.lines().find_map(|line| line.strip_prefix(&name)?.split(',').next());
        calls.and_then(|number| number.parse().ok()).unwrap_or_default()
    }

    async fn counted(&self, name: &str) -> u64 {
        let stats = self.ask("INFO stats").await;
        let counted = stats.lines().find_map(|line| line.strip_prefix(name));
        counted.and_then(|number| number.trim().parse().ok()).expect("it counts them")
    }

    /// Waits until so many replicas have shown that they are connected.
    ///
    /// # Panics
    ///
    /// If they have not within 30 seconds.
    pub async fn until_connected(&self, replicas: usize) {
        for _ in 0..1_500 {
            if self.keys("*authkit*:probe:*").await.len() >= replicas {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        panic!("{replicas} replicas do not connect to Redis");
    }

    /// The keys that match a pattern.
    pub async fn keys(&self, pattern: &str) -> Vec<String> {
        let answer = self.ask(&format!("KEYS {pattern}")).await;
        answer.lines().filter(|line| line.contains(':')).map(str::to_owned).collect()
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Panics
    ///
    /// If it cannot be waited for.
    pub fn kill(&mut self) {
        // It may be dead already.
        let _ = self.child.kill();
        self.child.wait().expect("a child can be waited for");
    }

    /// Starts it again on the same port, without its data.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(self.mode, self.port, &self.folder, &self.options);
        assert!(self.is_up().await, "redis-server does not start again");
    }

    /// Pauses the server: connections stay open, and no command is answered.
    pub fn pause(&self) {
        signal(&self.child, Signal::Stop);
    }

    /// Continues the server.
    pub fn resume(&self) {
        signal(&self.child, Signal::Continue);
    }

    /// Sends a command and returns the whole answer, as it came.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn ask(&self, command: &str) -> String {
        self.try_ask(command).await.expect("a running server answers")
    }

    /// Sends a command that changes something, and waits for the answer. ([`ask`](Self::ask) closes the connection before
    /// the answer, and Valkey drops a slow command when its client leaves.)
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn tell(&self, command: &str) {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await;
        let mut stream = BufReader::new(stream.expect("a running server listens"));
        let mut answer = String::new();
        stream.write_all(format!("{command}\r\n").as_bytes()).await.expect("it reads commands");
        stream.read_line(&mut answer).await.expect("it answers");
        assert!(answer.starts_with('+'), "{command}: {answer}");
    }

    /// Sends a command and returns the whole answer, which need not be text.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn ask_raw(&self, command: &str) -> Vec<u8> {
        self.try_ask_raw(command).await.expect("a running server answers")
    }

    /// Whether the answer to a command holds this.
    pub async fn says(&self, command: &str, expected: &str) -> bool {
        self.try_ask(command).await.is_ok_and(|answer| answer.contains(expected))
    }

    async fn try_ask(&self, command: &str) -> io::Result<String> {
        let answer = self.try_ask_raw(command).await?;
        String::from_utf8(answer).map_err(io::Error::other)
    }

    async fn try_ask_raw(&self, command: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes()).await?;
        // A sentinel knows no QUIT.
        stream.shutdown().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    }

    async fn is_up(&mut self) -> bool {
        for _ in 0..1_500 {
            // With a password, it says that it wants one.
            let answer = self.try_ask("PING").await.unwrap_or_default();
            if answer.starts_with("+PONG") || answer.starts_with("-NOAUTH") {
                return true;
            }
            if self.child.try_wait().is_ok_and(|exit| exit.is_some()) {
                return false;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(mode: Mode, port: u16, folder: &Path, options: &[String]) -> Child {
    fs::create_dir_all(folder).expect("the folder for temporary files takes another one");
    let mut command = Command::new(program());
    match mode {
        Mode::Server => {
            command
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--port", &port.to_string()])
                .arg("--dir")
                .arg(folder)
                .args(options);
        }
        Mode::Sentinel => {
            let file = folder.join("sentinel.conf");
            let own = format!("bind 127.0.0.1\nport {port}\ndir {}\n", folder.display());
            fs::write(&file, [own, options.join("\n")].concat()).expect("the folder takes a file");
            command.arg(file).arg("--sentinel");
        }
    }
    command.stdout(Stdio::null()).spawn().expect("the Debian package `redis-server` is installed")
}

/// The server's program: Redis, unless `cargo xtask deep` names another one.
fn program() -> OsString {
    std::env::var_os("AUTHKIT_REDIS_SERVER").unwrap_or_else(|| "redis-server".into())
}

fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("authkit-redis-{}-{number}", std::process::id()))
}

/// A proxy to a port of this machine, which a test can cut.
#[derive(Debug)]
pub struct Wire {
    port: u16,
    state: watch::Sender<State>,
    connected: watch::Receiver<Option<Instant>>,
    carried: Carried,
    task: JoinHandle<()>,
}

/// All bytes that went over a wire, of both directions.
type Carried = Arc<Mutex<Vec<u8>>>;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Whole,
    Cut,
}

impl Wire {
    /// Starts a proxy to `port`.
    ///
    /// # Panics
    ///
    /// If there is no free port.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let own = listener.local_addr().expect("a bound socket has an address").port();
        let (state, states) = watch::channel(State::Whole);
        let (connecting, connected) = watch::channel(None);
        let carried = Carried::default();
        let task = tokio::spawn({
            let carried = Arc::clone(&carried);
            async move {
                while let Ok((near, _)) = listener.accept().await {
                    let states = states.clone();
                    if *states.borrow() == State::Whole {
                        connecting.send_replace(Some(Instant::now()));
                        tokio::spawn(carry(near, port, states, Arc::clone(&carried)));
                    }
                }
            }
        });
        Self { port: own, state, connected, carried, task }
    }

    /// What went over it so far, in both directions.
    ///
    /// # Panics
    ///
    /// If a test panicked while bytes were noted.
    pub fn carried(&self) -> Vec<u8> {
        self.carried.lock().expect("noting bytes does not panic").clone()
    }

    /// The port of the proxy on `127.0.0.1`.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Closes every connection, and refuses new ones.
    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Accepts connections again.
    pub fn mend(&mut self) {
        self.connected.mark_unchanged();
        self.state.send_replace(State::Whole);
    }

    /// When the first connection was made after the proxy accepted connections again.
    ///
    /// # Panics
    ///
    /// If none does within 10 seconds.
    pub async fn reconnected(&mut self) -> Instant {
        let changed = timeout(Duration::from_secs(10), self.connected.changed()).await;
        changed.expect("it connects again").expect("the wire is there");
        self.connected.borrow().expect("that is what changed")
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    mut near: TcpStream,
    port: u16,
    mut states: watch::Receiver<State>,
    carried: Carried,
) {
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.split(), far.split());
    let both = async {
        tokio::join!(copy(from_near, to_far, &carried), copy(from_far, to_near, &carried))
    };
    tokio::select! {
        _ = both => {}
        _ = states.wait_for(|state| *state == State::Cut) => {}
    }
}

/// Copies until either end is closed, and notes what it copied.
async fn copy(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, carried: &Carried) -> io::Result<()> {
    let mut buffer = [0; 8_192];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        let bytes = &buffer[..length];
        carried.lock().expect("noting bytes does not panic").extend_from_slice(bytes);
        to.write_all(bytes).await?;
    }
}
