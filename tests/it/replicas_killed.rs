//! A replica is killed (SIGKILL) at any moment of refreshes and sign-outs: what is lost is what `docs/faults.md` says.
//!
//! In each round, browsers with expired sessions ask one of two replicas or both, others sign out at the first one, and
//! that one is killed at a random moment. Then each browser goes on with the cookie it has, at the other replica and at
//! the one that takes the killed one's place.

use std::{env, fmt, sync::LazyLock, time::Duration};

use authkit_emulator::{Emulator, Endpoint, Fault, TestSession};
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::Value;
use support::{Chance, PASSWORD, RedisServer, Replica};
use tokio::{task::JoinSet, time::sleep};

use crate::replicas::{Answer, ask, replica};

/// 6 rounds; `AUTHKIT_KILLS` sets another number, for a run of this test alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_killed_at_any_moment_signs_nobody_out_and_keeps_no_ended_session_alive() {
    let rounds = env::var("AUTHKIT_KILLS").map_or(6, |rounds| rounds.parse().unwrap());
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    // Tokens expire within the test, and with them the sessions that a lost notice left alive.
    emulator.set_token_ttl(TOKEN);
    let work = Fault::late_reply(Duration::from_millis(40)).on(Endpoint::Authenticate);
    emulator.fault(work.until_cleared());
    let url = redis.url();
    let mut killed = ready(&emulator, &url).await;
    let stays = ready(&emulator, &url).await;
    let (mut chance, mut losses) = (Chance::new(SEED), Losses::default());
    let mut ended = Vec::new();

    for _ in 0..rounds {
        let refreshing: Vec<_> = (0..REFRESHING)
            .map(|number| {
                let session = emulator.session(USERS[number % USERS.len()]).expired();
                (number, user_of(&session), session.cookie(PASSWORD))
            })
            .collect();
        let signing_out: Vec<_> = (0..SIGNING_OUT)
            .map(|number| {
                let session = emulator.session(USERS[number % USERS.len()]);
                (session.session_id().to_owned(), session.cookie(PASSWORD))
            })
            .collect();

        let mut refreshes = JoinSet::new();
        for (number, user, cookie) in refreshing {
            // Every third browser asks the other replica too.
            let urls = [Some(killed.url("/api/me")), stays.url("/api/me").into()];
            let asked = if number % 3 == 0 { 2 } else { 1 };
            let urls: Vec<_> = urls.into_iter().flatten().take(asked).collect();
            let after = Duration::from_millis(chance.below(300));
            refreshes.spawn(async move {
                sleep(after).await;
                Browser::asking_all(&urls, user, cookie).await
            });
        }
        let mut sign_outs = JoinSet::new();
        for (session_id, cookie) in signing_out {
            let (url, after) = (killed.url("/logout"), Duration::from_millis(chance.below(300)));
            sign_outs.spawn(async move {
                sleep(after).await;
                let answer = send(Method::POST, &url, &cookie).await;
                (session_id, cookie, answer)
            });
        }
        sleep(Duration::from_millis(chance.below(500))).await;
        killed.kill();
        let refreshes = refreshes.join_all().await;
        let sign_outs = sign_outs.join_all().await;
        let anew = ready(&emulator, &url).await;
        drop(std::mem::replace(&mut killed, anew));

        for (session_id, cookie, answer) in sign_outs {
            losses.sign_outs += 1;
            let answer = match answer {
                Some(answer) => answer,
                None => {
                    losses.sign_outs_cut_off += 1;
                    // A user without an answer signs out again.
                    send(Method::POST, &stays.url("/logout"), &cookie)
                        .await
                        .expect("the other replica serves")
                }
            };
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
            let is_known = is_refused_soon(&stays, &cookie).await;
            losses.unheard_of += usize::from(!is_known);
            losses.not_revoked += usize::from(emulator.is_active(&session_id));
            // The answer sends the browser to WorkOS, which ends the session there in any case.
            send(Method::GET, &answer.location, "").await.expect("the emulator serves");
            assert!(!emulator.is_active(&session_id), "{answer:?}");
            ended.push(cookie);
        }
        for browser in &refreshes {
            losses.refreshes += 1;
            losses.refreshes_cut_off += usize::from(browser.answered < browser.asked);
            // Every replica admits the session that the browser has now.
            for replica in [&stays, &killed] {
                let answer = ask_patiently(replica, &browser.cookie).await;
                losses.signed_out += usize::from(answer.status != StatusCode::OK);
                if answer.status == StatusCode::OK {
                    let shown: Value = serde_json::from_str(&answer.body).unwrap();
                    assert_eq!(shown["user_id"], *browser.user, "the session of another user");
                }
            }
        }
    }

    println!("{rounds} replicas killed, seed {SEED}:\n{losses}");
    assert!(losses.refreshes_cut_off > 0 && losses.sign_outs_cut_off > 0, "{losses}");
    assert_eq!(losses.signed_out, 0, "{losses}");
    // Of 527 sign-outs with an answer 6 were unheard of, and of 800 sessions 83 were not revoked: a loss is the exception.
    // The 2 allow for chance in a run of few rounds.
    let answered = losses.sign_outs - losses.sign_outs_cut_off;
    assert!(losses.unheard_of * 4 <= answered + 2, "notices are not published: {losses}");
    assert!(losses.not_revoked * 2 <= losses.sign_outs + 2, "WorkOS is not told: {losses}");
    // Whatever was lost, every replica refuses an ended session when its token has expired.
    sleep(TOKEN + LEEWAY).await;
    for cookie in &ended {
        for replica in [&stays, &killed] {
            let status = ask_patiently(replica, cookie).await.status;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "an ended session\n{losses}");
        }
    }
}

/// Counts of what the kills interrupted and what they lost.
#[derive(Debug, Default)]
struct Losses {
    refreshes: usize,
    refreshes_cut_off: usize,
    signed_out: usize,
    sign_outs: usize,
    sign_outs_cut_off: usize,
    unheard_of: usize,
    not_revoked: usize,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            (self.refreshes, "browsers with an expired session"),
            (self.refreshes_cut_off, "of them with a request that was not answered"),
            (self.signed_out, "answers that did not admit one of them afterwards"),
            (self.sign_outs, "sign-outs"),
            (self.sign_outs_cut_off, "of them without an answer, which were repeated"),
            (
                self.unheard_of,
                "sign-outs that the other replica did not learn of: it admits the session until the token expires",
            ),
            (self.not_revoked, "sessions that only the browser's redirect ended at WorkOS"),
        ];
        rows.iter().try_for_each(|(times, what)| writeln!(f, "{times:>6}  {what}"))
    }
}

/// A browser with an expired session.
struct Browser {
    user: String,
    cookie: String,
    asked: usize,
    answered: usize,
}

impl Browser {
    /// Sends the cookie to all URLs at once, and keeps the session that the last of the answers sets.
    async fn asking_all(urls: &[String], user: String, cookie: String) -> Self {
        let answers = urls.iter().map(|url| send(Method::GET, url, &cookie));
        let answers: Vec<_> =
            futures_util::future::join_all(answers).await.into_iter().flatten().collect();
        for answer in &answers {
            let is_expected =
                matches!(answer.status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE);
            assert!(is_expected, "{answer:?}");
        }
        let set = answers.iter().rev().find_map(|answer| answer.session.clone());
        Self {
            user,
            asked: urls.len(),
            answered: answers.len(),
            cookie: set.filter(|set| !set.is_empty()).unwrap_or(cookie),
        }
    }
}

/// An answer.
#[derive(Debug)]
struct Received {
    status: StatusCode,
    session: Option<String>,
    location: String,
}

/// Sends a request. Returns `None` if the connection was refused or ended before the answer was complete.
async fn send(method: Method, url: &str, cookie: &str) -> Option<Received> {
    static CLIENT: LazyLock<reqwest::Client> = LazyLock::new(|| {
        let client = reqwest::Client::builder().pool_max_idle_per_host(0);
        client.redirect(reqwest::redirect::Policy::none()).build().unwrap()
    });
    let mut headers = HeaderMap::new();
    headers.insert(header::ORIGIN, "http://localhost".parse().unwrap());
    headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
    if method == Method::POST {
        // As the form of a page, which gets a redirect.
        headers.insert(header::ACCEPT, "text/html".parse().unwrap());
        headers.insert("sec-fetch-mode", "navigate".parse().unwrap());
        headers.insert("sec-fetch-dest", "document".parse().unwrap());
    }
    if !cookie.is_empty() {
        headers.insert(header::COOKIE, format!("wos_session={cookie}").parse().unwrap());
    }
    let request = CLIENT.request(method, url).headers(headers);
    let answer = request.send().await.ok()?;
    let set = answer.headers().get_all(header::SET_COOKIE).iter();
    let session = set
        .filter_map(|value| value.to_str().ok()?.strip_prefix("wos_session="))
        .map(|value| value.split(';').next().unwrap().to_owned())
        .next();
    let location = answer.headers().get(header::LOCATION);
    let location = location.map_or(String::new(), |url| url.to_str().unwrap().to_owned());
    let status = answer.status();
    answer.bytes().await.ok()?;
    Some(Received { status, session, location })
}

/// Repeats a request for as long as the answer is 503, for ten seconds.
async fn ask_patiently(replica: &Replica, cookie: &str) -> Answer {
    let mut answer = ask(replica, cookie).await;
    for _ in 0..10 {
        if answer.status != StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        sleep(Duration::from_secs(1)).await;
        answer = ask(replica, cookie).await;
    }
    answer
}

/// The id of the user of a session.
fn user_of(session: &TestSession) -> String {
    session.claims()["sub"].as_str().unwrap().to_owned()
}

/// Returns whether the replica refuses a session within 2 seconds: the promised one, and one for a busy machine.
async fn is_refused_soon(replica: &Replica, cookie: &str) -> bool {
    for _ in 0..20 {
        if ask(replica, cookie).await.status == StatusCode::UNAUTHORIZED {
            return true;
        }
        sleep(Duration::from_millis(100)).await;
    }
    false
}

/// Starts a replica, which has fetched WorkOS's keys when this returns.
async fn ready(emulator: &Emulator, redis: &str) -> Replica {
    let replica = replica(emulator, redis, &[]);
    let cookie = emulator.session(USERS[0]).cookie(PASSWORD);
    assert_eq!(ask_patiently(&replica, &cookie).await.status, StatusCode::OK);
    replica
}

const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const USERS: [&str; 2] = ["alice@acme.test", "bob@acme.test"];
const REFRESHING: usize = 6;
const SIGNING_OUT: usize = 4;
const TOKEN: Duration = Duration::from_secs(20);
/// `Config::with_leeway`'s default, and a second.
const LEEWAY: Duration = Duration::from_secs(6);
