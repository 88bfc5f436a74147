//! Measures the latency of other sessions while 5,000 sessions expire at once, and compares it with a service without
//! sessions that gets the same requests. Prints JSON: `storm SERVER [ROUNDS]`. It needs some 11,000 open files, half of them
//! in the server.
//!
//! The server runs on the first core. Run this program, which also plays WorkOS, on the second. It makes all new sessions
//! before it measures, so that it signs nothing meanwhile.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    env,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use authkit_bench::{PASSWORD, Service, refresh_answer, session_of};
use authkit_emulator::Emulator;
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime,
    task::JoinSet,
    time,
};

/// How many sessions expire, and the time in which each of them sends its next request.
const EXPIRED: usize = 5_000;
const ARRIVING: Duration = Duration::from_secs(1);
/// How many other sessions there are, how often each sends a request, and for how long: longer than any request waits.
const OTHERS: usize = 20;
const PACE: Duration = Duration::from_millis(20);
const LASTING: Duration = Duration::from_secs(6);
/// How long WorkOS takes to answer a refresh.
const REFRESH: Duration = Duration::from_millis(100);

/// The medians of all rounds.
#[derive(Serialize)]
struct Report {
    /// The 99th percentile of the other sessions' latency in milliseconds, without sessions and with ours.
    bare_p99: f64,
    ours_p99: f64,
    /// The median of the ratio of the second to the first.
    ratio: f64,
    /// How many of the expired sessions were refreshed. The rest got a 503 with `Retry-After`.
    refreshed: f64,
}

struct Round {
    p99: f64,
    admitted: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let server = Path::new(arguments.first().context("storm SERVER [ROUNDS]")?);
    let rounds: u32 = arguments.get(1).map_or(Ok(3), |rounds| rounds.parse())?;

    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut bares, mut ours) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let (bare, our) = runtime.block_on(async {
            let workos = Workos::start().await?;
            let bare = workos.storm(&Service::start(server, "bare", &[])?).await?;
            ensure!(bare.admitted == EXPIRED, "{} of {EXPIRED} greeted", bare.admitted);
            let variables = workos.variables();
            let our = workos.storm(&Service::start(server, "ours-of-workos", &variables)?).await?;
            ensure!(our.admitted > 0, "nobody's session was refreshed");
            anyhow::Ok((bare, our))
        })?;
        eprintln!(
            "round {round} bare {:.3} ms, ours {:.3} ms, {} of {EXPIRED} refreshed",
            bare.p99, our.p99, our.admitted
        );
        bares.push(bare);
        ours.push(our);
    }
    let ratios = bares.iter().zip(&ours).map(|(bare, our)| our.p99 / bare.p99);
    let report = Report {
        ratio: median(ratios),
        bare_p99: median(bares.iter().map(|round| round.p99)),
        ours_p99: median(ours.iter().map(|round| round.p99)),
        refreshed: median(ours.iter().map(|round| round.admitted as f64)),
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// WorkOS, with the sessions that have expired, and the other sessions, which stay valid.
struct Workos {
    emulator: Emulator,
    port: u16,
    expired: Vec<String>,
    good: Vec<String>,
    /// Ends the server when it is dropped.
    _served: JoinSet<()>,
}

/// WorkOS's answers: the body for each refresh token.
type Answers = Arc<HashMap<String, Value>>;

impl Workos {
    async fn start() -> Result<Self> {
        let emulator = Emulator::start().await;
        let (mut expired, mut answers) = (Vec::new(), HashMap::new());
        for n in 0..EXPIRED {
            let session = session_of(&emulator, "expired", n);
            answers.insert(session.refresh_token().to_owned(), refresh_answer(&session));
            expired.push(session.expired().cookie(PASSWORD));
        }
        let hour = Duration::from_secs(3_600);
        let good = |n| session_of(&emulator, "other", n).lifetime(hour).cookie(PASSWORD);
        let good = (0..OTHERS).map(good).collect();

        let (keys, answers) = (emulator.jwks(), Answers::new(answers));
        let router = Router::new()
            .route("/sso/jwks/{client_id}", get(async move || Json(keys)))
            .route("/user_management/authenticate", post(refresh))
            .with_state(answers);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mut served = JoinSet::new();
        served.spawn(async { axum::serve(listener, router).await.expect("it never ends") });
        Ok(Self { emulator, port, expired, good, _served: served })
    }

    /// The environment variables of a service.
    fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = self.emulator.env();
        variables.retain(|(name, _)| *name != "WORKOS_BASE_URL");
        variables.push(("WORKOS_BASE_URL", format!("http://127.0.0.1:{}", self.port)));
        variables.push(("WORKOS_REDIRECT_URI", "http://localhost:3000/callback".to_owned()));
        variables.push(("WORKOS_COOKIE_PASSWORD", PASSWORD.to_owned()));
        variables
    }

    /// Sends the requests of all sessions.
    async fn storm(&self, service: &Service) -> Result<Round> {
        let mut others = Vec::new();
        for cookie in &self.good {
            let mut other = Client::connect(service, cookie).await?;
            for _ in 0..20 {
                ensure!(other.get().await? == StatusCode::OK, "a good session");
            }
            others.push(other);
        }
        let mut waiting = Vec::new();
        for cookie in &self.expired {
            waiting.push(Client::connect(service, cookie).await?);
        }

        let began = time::Instant::now() + Duration::from_millis(100);
        let mut storm = JoinSet::new();
        for (client, n) in waiting.into_iter().zip(0..) {
            let at = began + ARRIVING * n / u32::try_from(EXPIRED)?;
            storm.spawn(async move {
                time::sleep_until(at).await;
                // The connection is kept to the end, since closing it is not part of the measurement.
                let mut client = client;
                client.get().await.map(|status| (status, client))
            });
        }
        let mut pacing = JoinSet::new();
        for (other, n) in others.into_iter().zip(0..) {
            pacing.spawn(other.paced(began + PACE * n / u32::try_from(OTHERS)?));
        }
        let mut latencies = Vec::new();
        for of_one in pacing.join_all().await {
            latencies.extend(of_one?);
        }
        latencies.sort();
        let answers: Result<Vec<_>> = storm.join_all().await.into_iter().collect();
        let admitted = answers?.iter().filter(|(status, _)| *status == StatusCode::OK).count();
        let p99 = latencies[latencies.len() * 99 / 100];
        Ok(Round { p99: p99.as_secs_f64() * 1e3, admitted })
    }
}

async fn refresh(State(answers): State<Answers>, body: String) -> (StatusCode, Json<Value>) {
    time::sleep(REFRESH).await;
    let token = serde_json::from_str::<Value>(&body).ok();
    let token = token.as_ref().and_then(|body| body["refresh_token"].as_str());
    match token.and_then(|token| answers.get(token)) {
        Some(answer) => (StatusCode::OK, Json(answer.clone())),
        None => (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_grant" }))),
    }
}

/// An HTTP/1.1 connection that always sends the same request.
struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Client {
    async fn connect(service: &Service, cookie: &str) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", service.port())).await?;
        stream.set_nodelay(true)?;
        let cookie = format!("theme=dark; wos_session={cookie}");
        let request = format!("GET / HTTP/1.1\r\nHost: localhost:3000\r\nCookie: {cookie}\r\n\r\n");
        Ok(Self { stream, request: request.into_bytes(), answer: Vec::new() })
    }

    /// Sends the request, reads the whole answer, and returns its status.
    async fn get(&mut self) -> Result<StatusCode> {
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.answer).await? > 0, "the server hangs up");
            let text = std::str::from_utf8(&self.answer)?;
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.context("an answer has a length")?.parse::<usize>()? {
                let status = head.split(' ').nth(1).context("an answer has a status")?;
                return Ok(status.parse()?);
            }
        }
    }

    /// Sends requests at a steady pace, and times them. One that has to wait for the answer to the one before is timed
    /// from when it was due.
    async fn paced(mut self, began: time::Instant) -> Result<Vec<Duration>> {
        let mut latencies = Vec::new();
        let mut free = began.into_std();
        for n in 0.. {
            let due = began + PACE * n;
            if due >= began + LASTING {
                break;
            }
            time::sleep_until(due).await;
            let due = due.into_std();
            // A timer is late by up to a millisecond, which is not the server's.
            let sent = if free > due { due } else { Instant::now() };
            ensure!(self.get().await? == StatusCode::OK, "a good session stays one");
            free = Instant::now();
            latencies.push(free - sent);
        }
        Ok(latencies)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
