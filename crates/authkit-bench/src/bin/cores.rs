//! Measures the gain from a second core: requests of known sessions in one thread and in two, while sessions are refreshed.
//! Prints JSON.
//!
//! It measures three cases: one service with 10,000 sessions, which do not fit the processor's caches; one with 100, which
//! do; and a service for each thread with 10,000 sessions of its own. The code of two services shares no lock. If they serve
//! less than twice the requests of one thread, the two cores wait for the memory and the cache that they share.
//!
//! 1,000 lineages exist from the start. Each thread refreshes a session every 60 ms, so that two threads refresh each of
//! 10,000 sessions every five minutes, and continues with the new cookie as a browser would. WorkOS answers at once, since
//! the program makes all new sessions before it measures.

#![forbid(unsafe_code)]

use std::{
    collections::HashMap,
    hint::black_box,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use authkit_bench::{PASSWORD, block_on, headers, refresh_answer, session_of};
use authkit_emulator::Emulator;
use authkit_session::{
    Authenticator, Config, CookiePassword, Decision, Policy, Sending, Transport,
};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde::Serialize;
use serde_json::Value;

const MANY: usize = 10_000;
const FEW: usize = 100;
const REMEMBERED: usize = 1_000;
const REFRESH_EVERY: Duration = Duration::from_millis(60);
const ROUNDS: usize = 5;
const LASTING: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Report {
    /// 10,000 sessions of one service.
    many: Scaling,
    /// 100 sessions of one service.
    few: Scaling,
    /// 10,000 sessions for each of two services.
    apart: Scaling,
}

#[derive(Serialize)]
struct Scaling {
    /// Requests a second in one thread and in two, the medians of all rounds.
    one: f64,
    two: f64,
    /// The median of the ratios of the second to the first.
    ratio: f64,
}

fn main() -> Result<()> {
    let (many, other, few) = (World::start(MANY)?, World::start(MANY)?, World::start(FEW)?);
    let report = Report {
        many: Scaling::measure("many", [&many, &many])?,
        few: Scaling::measure("few", [&few, &few])?,
        apart: Scaling::measure("apart", [&many, &other])?,
    };
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

impl Scaling {
    /// Sends requests to the first service with one thread, and then to each service with a thread of its own.
    fn measure(name: &str, services: [&World; 2]) -> Result<Self> {
        let (mut ones, mut twos) = (Vec::new(), Vec::new());
        for round in 1..=ROUNDS {
            let (one, two) = (requests_a_second(&services[..1])?, requests_a_second(&services)?);
            eprintln!("{name}, round {round}: one {one:.0}, two {two:.0}");
            ones.push(one);
            twos.push(two);
        }
        let ratios = ones.iter().zip(&twos).map(|(one, two)| two / one);
        Ok(Self {
            ratio: median(ratios),
            one: median(ones.iter().copied()),
            two: median(twos.iter().copied()),
        })
    }
}

/// Sends requests to each service with a thread of its own.
fn requests_a_second(services: &[&World]) -> Result<f64> {
    thread::scope(|scope| {
        let threads: Vec<_> = services
            .iter()
            .enumerate()
            .map(|(n, service)| scope.spawn(move || service.send(n)))
            .collect();
        threads.into_iter().try_fold(0.0, |sum, thread| {
            let of_one = thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))?;
            Ok(sum + of_one?)
        })
    })
}

/// A service, and the requests of all sessions.
struct World {
    ours: Authenticator,
    known: Vec<HeaderMap>,
    /// The requests whose token has expired. Each is sent once.
    expired: Mutex<Vec<HeaderMap>>,
}

impl World {
    fn start(sessions: usize) -> Result<Self> {
        // Each is measured in one thread, then in two; the many also beside the others.
        let spent = ROUNDS * 6 * LASTING.div_duration_f64(REFRESH_EVERY).ceil() as usize;
        let (config, known, expired) = block_on(async {
            let emulator = Emulator::start().await;
            let (mut expired, mut answers) = (Vec::new(), HashMap::new());
            for n in 0..REMEMBERED + spent {
                let session = session_of(&emulator, "expired", n);
                let answer = refresh_answer(&session).to_string();
                answers.insert(session.refresh_token().to_owned(), answer.into());
                expired.push(headers(&session.expired().cookie(PASSWORD)));
            }
            let hour = Duration::from_secs(3_600);
            let known = |n| session_of(&emulator, "known", n).lifetime(hour).cookie(PASSWORD);
            let known = |n| headers(&known(n));
            let known: Vec<_> = (0..sessions).map(known).collect();
            let variables = emulator.env();
            let client_id = variables.iter().find(|(name, _)| *name == "WORKOS_CLIENT_ID");
            let (_, client_id) = client_id.context("the emulator has a client id")?;
            let keys = emulator.jwks().to_string().into();
            let many = NonZeroUsize::new(10_000).context("it is not 0")?;
            let password = CookiePassword::new(PASSWORD)?;
            let config =
                Config::new(client_id, "sk_bench", "https://app.example.com/callback", password)
                    .with_transport(Arc::new(Workos { keys, answers }))
                    .with_session_cache(64 << 20)
                    .with_refresh_limits(many, many);
            anyhow::Ok((config, known, expired))
        })?;
        let ours = Authenticator::new(config)?;
        let world = Self { ours, known, expired: Mutex::new(expired) };
        block_on(async {
            for _ in 0..REMEMBERED {
                world.refresh().await?;
            }
            anyhow::Ok(())
        })?;
        for request in &world.known {
            ensure!(world.admits(request), "a good session is admitted");
        }
        Ok(world)
    }

    /// Sends the requests of one thread. Returns the number per second.
    fn send(&self, thread: usize) -> Result<f64> {
        let mut requests = self.known.clone();
        let sessions = requests.len();
        // The multiplier of MMIX (Knuth).
        let mut random = thread;
        let mut next = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % sessions
        };
        let (began, mut sent, mut refreshed) = (Instant::now(), 0_u64, 0_u32);
        loop {
            for _ in 0..64 {
                ensure!(self.admits(&requests[next()]), "a good session is admitted");
                sent += 1;
            }
            let elapsed = began.elapsed();
            if elapsed >= LASTING {
                return Ok(sent as f64 / elapsed.as_secs_f64());
            }
            if elapsed >= REFRESH_EVERY * refreshed {
                refreshed += 1;
                requests[next()] = block_on(self.refresh())?;
            }
        }
    }

    fn admits(&self, request: &HeaderMap) -> bool {
        let decision = self.ours.authenticate(black_box(request), &Policy::default());
        matches!(black_box(decision), Decision::Admit(_))
    }

    /// Refreshes the next expired session, and returns its new cookie.
    async fn refresh(&self) -> Result<HeaderMap> {
        let request = self.expired.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let request = request.context("enough sessions have expired")?;
        let Decision::Wait(waiting) = self.ours.authenticate(&request, &Policy::default()) else {
            anyhow::bail!("an expired session waits");
        };
        let admission = waiting.await.map_err(|refusal| anyhow::anyhow!("{}", refusal.reason()))?;
        let cookies = admission.set_cookie_headers();
        let cookie = cookies.first().context("there is a new cookie")?.to_str()?;
        let value = cookie.strip_prefix("wos_session=").context("it is the session's")?;
        Ok(headers(value.split(';').next().unwrap_or_default()))
    }
}

/// Answers refreshes, and answers every other request with the key set.
#[derive(Debug)]
struct Workos {
    keys: Bytes,
    /// The answers, by refresh token.
    answers: HashMap<String, Bytes>,
}

impl Transport for Workos {
    fn send(&self, request: Request<Bytes>, _: Duration) -> Sending<'_> {
        let body = serde_json::from_slice::<Value>(request.body()).unwrap_or_default();
        let answer = body["refresh_token"].as_str().and_then(|token| self.answers.get(token));
        let answer = answer.unwrap_or(&self.keys).clone();
        Box::pin(async { Ok(Response::new(answer)) })
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
