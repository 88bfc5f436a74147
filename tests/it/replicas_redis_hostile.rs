//! A hostile Redis can withhold and delay messages, and nothing else.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant, SystemTime},
};

use authkit_emulator::{Emulator, Endpoint};
use authkit_redis::RedisReplicas;
use authkit_session::{
    Claim, RefreshCoordinator, Revocations,
    conformance::{TestReceiver, notice},
};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use support::{Events, PASSWORD, RedisServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::{
    replicas::{ask, replica},
    replicas_redis::until,
};

const GROUP: &str = "0123456789abcdef";
const LIST: &str = "authkit:revocations:0123456789abcdef";

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

async fn connected(redis: &RedisServer) -> RedisReplicas {
    let replicas = RedisReplicas::connect(&redis.url()).unwrap();
    until(&replicas, "Up").await;
    replicas
}

/// Sends a command whose arguments may be long and need not be text. Panics if the server refuses it.
async fn send(redis: &RedisServer, arguments: &[&[u8]]) {
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    let mut command = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        command.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        command.extend_from_slice(argument);
        command.extend_from_slice(b"\r\n");
    }
    stream.write_all(&command).await.unwrap();
    let mut answer = [0; 1];
    stream.read_exact(&mut answer).await.unwrap();
    assert_ne!(answer, *b"-");
}

#[tokio::test]
async fn d5_what_no_process_wrote_neither_delays_an_exchange_nor_stays() {
    let redis = RedisServer::start().await;
    let [here, there] = [connected(&redis).await, connected(&redis).await];
    let other = "?0123456789abcdef0123456789abcdef";
    let long = "x".repeat(385 * 1024);
    let cases: [(&str, String, &[u8]); 7] = [
        ("a mark that never goes", other.into(), b""),
        ("a mark that stays for an hour", other.into(), b"3600000"),
        ("an outcome that never goes", "=outcome".into(), b""),
        ("an outcome that stays for an hour", "=outcome".into(), b"3600000"),
        ("no value of ours", "anything".into(), b"60000"),
        ("nothing at all", String::new(), b"60000"),
        ("an outcome that is too long", format!("={long}"), b"60000"),
    ];
    for (case, value, lasts) in cases {
        let mut set: Vec<&[u8]> = vec![b"SET", b"authkit:exchange:x", value.as_bytes()];
        if !lasts.is_empty() {
            set.extend([&b"PX"[..], lasts]);
        }
        // The fastest of three counts, since a busy machine may be slow.
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            redis.ask("FLUSHALL").await;
            send(&redis, &set).await;
            let began = Instant::now();
            assert_eq!(here.look("x").await, Claim::Alone, "{case}");
            assert_eq!(here.claim("x").await, Claim::Alone, "{case}");
            fastest = fastest.min(began.elapsed());
            // The claim has replaced the value: the exchange goes on like any other.
            assert_eq!(there.look("x").await, Claim::Contested, "{case}");
            let outcome = Bytes::from_static(b"true");
            RefreshCoordinator::publish(&here, "x", outcome.clone()).await;
            assert_eq!(there.claim("x").await, Claim::Published(outcome), "{case}");
        }
        assert!(fastest < Duration::from_secs(1), "{case}: {fastest:?}");
    }
}

/// Each replica makes an exchange of its own where the outcome in Redis is another token's.
#[tokio::test]
async fn d5_an_outcome_that_was_put_at_anothers_key_shows_nobody_anothers_session() {
    let (alice, bob) = ("alice@acme.test", "bob@acme.test");
    tokio::join!(swap_outcomes([alice, bob]), swap_outcomes([alice, alice]));
}

async fn swap_outcomes(users: [&str; 2]) {
    let (emulator, redis) = tokio::join!(Emulator::start(), RedisServer::start());
    let [first, other] = [0, 1].map(|_| replica(&emulator, &redis.url(), &[]));
    redis.until_connected(2).await;
    let sessions = users.map(|email| emulator.session(email).expired());
    let cookies = sessions.each_ref().map(|session| session.cookie(PASSWORD));
    let mut keys = Vec::new();
    for cookie in &cookies {
        assert_eq!(ask(&first, cookie).await.status, StatusCode::OK);
        let there = redis.keys("authkit:exchange:*").await;
        let key = there.into_iter().find(|key| !keys.contains(key)).expect("a key of its own");
        // The replica publishes the outcome, which begins with `=`, after its answer to the request.
        let read = format!("GET {key}");
        support::until("an outcome", async || redis.says(&read, "\r\n=").await).await;
        keys.push(key);
    }
    assert_eq!(emulator.exchanges(), 2);
    let outcomes = async || {
        let [one, another] = [format!("GET {}", keys[0]), format!("GET {}", keys[1])];
        [redis.ask_raw(&one).await, redis.ask_raw(&another).await]
    };
    let [one, another] = outcomes().await;
    let moves = [(&*keys[0], "aside"), (&*keys[1], &*keys[0]), ("aside", &*keys[1])];
    for (from, to) in moves {
        redis.tell(&format!("RENAME {from} {to}")).await;
    }
    assert_eq!(outcomes().await, [another, one], "they were swapped");

    let calls = emulator.calls(Endpoint::Authenticate);
    for (session, cookie) in sessions.iter().zip(&cookies) {
        let answer = ask(&other, cookie).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let shown: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(shown["user_id"], session.claims()["sub"]);
        assert_eq!(shown["session_id"], session.session_id());
        // The session that it set is the user's own too.
        let set = answer.session.expect("a new session");
        let shown: Value = serde_json::from_str(&ask(&first, &set).await.body).unwrap();
        assert_eq!(shown["session_id"], session.session_id());
    }
    assert_eq!(emulator.calls(Endpoint::Authenticate) - calls, 2, "WorkOS was asked instead");
}

#[tokio::test]
async fn d5_a_value_beyond_measure_is_not_read() {
    let redis = RedisServer::start().await;
    let replicas = connected(&redis).await;
    send(&redis, &[b"SET", b"authkit:exchange:x", &vec![b'='; 64 * 1024 * 1024]]).await;
    let events = Events::listen();
    let late = connected(&redis).await;
    for replicas in [&replicas, &late] {
        let mut fastest = Duration::MAX;
        for _ in 0..3 {
            let began = Instant::now();
            assert!(
                !matches!(replicas.claim("x").await, Claim::Published(_)),
                "no outcome of 64 MiB"
            );
            fastest = fastest.min(began.elapsed());
            until(replicas, "Up").await;
        }
        assert!(fastest < Duration::from_secs(1), "{fastest:?}");
    }
    let told = events.take();
    assert!(told.iter().any(|line| line.contains("too large")), "{told:?}");
}

#[tokio::test]
async fn d5_a_list_of_anything_is_read_as_far_as_it_can_be() {
    let redis = RedisServer::start().await;
    let replicas = connected(&redis).await;
    Revocations::publish(&replicas, notice(GROUP, "true", in_an_hour())).await.unwrap();
    for (score, member) in [
        (&b"+inf"[..], &b"infinite"[..]),
        (b"-inf", b"long ago"),
        (b"1e300", b"\xff\xfe\x00"),
        (b"9999999999", &vec![b'x'; 100_000]),
        (b"0.5", b""),
    ] {
        send(&redis, &[b"ZADD", LIST.as_bytes(), score, member]).await;
    }
    let late = connected(&redis).await;
    let receiver = TestReceiver::new(GROUP);
    late.subscribe(receiver.inbox());
    receiver.until_received("true").await;
    assert!(receiver.received().iter().all(|text| text.len() < 20));
    sleep(Duration::from_secs(2)).await;
    until(&late, "Up").await;
    assert_eq!(late.claim("exchange").await, Claim::Alone);
}

#[tokio::test]
async fn d5_a_flood_of_messages_is_bounded_and_costs_no_revocation() {
    let events = Events::listen();
    let redis = RedisServer::start().await;
    let [here, there] = [connected(&redis).await, connected(&redis).await];
    let receiver = TestReceiver::new(GROUP);
    there.subscribe(receiver.inbox());
    receiver.answer("forged", authkit_session::Delivery::Unreadable);
    Revocations::publish(&here, notice(GROUP, "first", in_an_hour())).await.unwrap();
    receiver.until_received("first").await;

    let flood = async {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
        let messages = format!("PUBLISH {LIST} \"99 forged\"\r\n").repeat(1_000);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(4) {
            stream.write_all(messages.as_bytes()).await.unwrap();
            let mut answers = 0;
            let mut buffer = [0; 4_096];
            while answers < 1_000 {
                let read = stream.read(&mut buffer).await.unwrap();
                answers += buffer[..read].iter().filter(|byte| **byte == b'\n').count();
            }
        }
    };
    let meanwhile = async {
        for number in 0..6 {
            sleep(Duration::from_millis(500)).await;
            let text = format!("true{number}");
            Revocations::publish(&here, notice(GROUP, &text, in_an_hour())).await.unwrap();
            receiver.until_received(&text).await;
            assert_eq!(there.claim(&format!("exchange{number}")).await, Claim::Alone);
        }
    };
    tokio::join!(flood, meanwhile);
    assert!(format!("{there:?}").contains("Up"), "its commands go on");
    assert_eq!(redis.keys("authkit:exchange:*").await.len(), 6, "it shares exchanges meanwhile");
    let told = events.take();
    // A message that cannot be read, and a channel that lags or that Redis closed.
    let kinds: BTreeSet<_> = told.iter().collect();
    assert!((1..=3).contains(&kinds.len()), "{told:?}");
    assert_eq!(kinds.len(), told.len(), "one line for each kind of trouble: {told:?}");
}

#[tokio::test]
async fn d5_a_server_that_is_none_is_no_danger() {
    let answers: [&[u8]; 6] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$1048577\r\n",
        b"*1\r\n*1\r\n*1\r\n",
        b"-ERR unknown command 'HELLO', with args beginning with: '3' 'AUTH' 'app' 'hunter2'\r\n",
        b"\xff\xff\xff\xff\r\n",
        b"",
    ];
    for answer in answers {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://app:hunter2@{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(answer).await;
                sleep(Duration::from_millis(100)).await;
            }
        });
        let events = Events::listen();
        let replicas = RedisReplicas::connect(&url).unwrap();
        until(&replicas, "Down").await;
        assert_eq!(replicas.claim("exchange").await, Claim::Alone);
        let told = events.take();
        let case = String::from_utf8_lossy(answer).into_owned();
        assert!(told.len() == 1 && told[0].starts_with("WARN"), "{case:?}: {told:?}");
        assert!(!told[0].contains("hunter2"), "{case:?}: {told:?}");
    }
}
