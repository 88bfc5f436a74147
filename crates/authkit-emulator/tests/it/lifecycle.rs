use std::{
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::{Duration, SystemTime},
};

use authkit_emulator::{Emulator, Endpoint};
use serde_json::json;

use crate::support::Stage;

#[tokio::test]
async fn dropping_it_closes_the_port_and_the_connections() {
    let stage = Stage::new().await;
    let port = stage.emulator.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let idle = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    let session = stage.emulator.session("bob@acme.test");
    stage.refresh(session.refresh_token()).await.ok();
    let http = stage.http.clone();

    drop(stage.emulator);

    drop(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free again"));
    idle.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut byte = [0];
    let read = std::io::Read::read(&mut &idle, &mut byte);
    assert!(
        matches!(read, Ok(0) | Err(_))
            && !read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    );
    http.get(format!("http://127.0.0.1:{port}/")).send().await.unwrap_err();
}

#[tokio::test]
async fn a_slow_answer_does_not_hold_up_the_end() {
    let stage = Stage::new().await;
    stage
        .emulator
        .fault(authkit_emulator::Fault::latency(Duration::from_secs(60)).on(Endpoint::Jwks));
    let request = stage.http.get(stage.url("/sso/jwks/client_emulator")).send();
    let request = tokio::spawn(request);
    while stage.emulator.calls(Endpoint::Jwks) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let started = SystemTime::now();
    drop(stage.emulator);
    request.await.unwrap().unwrap_err();
    assert!(started.elapsed().unwrap() < Duration::from_secs(10));
}

/// If the emulator were bound to every address, Linux would refuse the same port on another address.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_listens_on_loopback_only() {
    let stage = Stage::new().await;
    let port =
        stage.emulator.url().strip_prefix("http://127.0.0.1:").unwrap().parse::<u16>().unwrap();
    drop(TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), port)).unwrap());
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Emulator::builder().port(port).start().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
}

/// On a runtime of one thread that blocks, an emulator in the same runtime would never answer.
#[tokio::test(flavor = "current_thread")]
async fn it_answers_while_the_callers_runtime_blocks() {
    let emulator = Emulator::start().await;
    let address = emulator.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    std::io::Write::write_all(
        &mut stream,
        b"GET /sso/jwks/client_emulator HTTP/1.0\r\nhost: localhost\r\n\r\n",
    )
    .unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK"), "{answer}");
}

#[tokio::test]
async fn its_clock_can_stand_still() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let stage = Stage::with(Emulator::builder().frozen_at(start)).await;
    assert_eq!(stage.emulator.session("bob@acme.test").claims()["iat"], 1_800_000_000);

    stage.emulator.advance(Duration::from_secs(7));
    assert_eq!(stage.emulator.now(), start + Duration::from_secs(7));
    assert_eq!(stage.emulator.session("bob@acme.test").claims()["iat"], 1_800_000_007);
}

#[tokio::test]
async fn calls_are_counted() {
    let stage = Stage::new().await;
    let session = stage.emulator.session("bob@acme.test");
    stage.refresh(session.refresh_token()).await.ok();
    stage.refresh("never-issued").await;
    stage.get("/sso/jwks/client_emulator").await;
    stage.get("/user_management/sessions/jwks/client_emulator").await;
    stage.get("/health").await;

    assert_eq!(stage.emulator.calls(Endpoint::Authenticate), 2);
    assert_eq!(stage.emulator.calls(Endpoint::Jwks), 2);
    assert_eq!(stage.emulator.calls(Endpoint::Authorize), 0);
    assert_eq!(stage.emulator.exchanges(), 1);
    stage.emulator.reset_calls();
    assert_eq!((stage.emulator.calls(Endpoint::Authenticate), stage.emulator.exchanges()), (0, 0));
}

#[tokio::test]
async fn the_environment_names_what_a_service_needs() {
    let builder = Emulator::builder().client_id("client_mine").api_key("sk_test_mine");
    let stage = Stage::with(builder).await;
    let url = stage.emulator.url();
    let expected = [
        ("WORKOS_API_KEY", "sk_test_mine".to_owned()),
        ("WORKOS_CLIENT_ID", "client_mine".to_owned()),
        ("WORKOS_BASE_URL", url.to_owned()),
        ("WORKOS_ISSUER", format!("{url}/user_management/client_mine")),
    ];
    assert_eq!(stage.emulator.env(), expected);
    let session = stage.emulator.session("bob@acme.test");
    assert_eq!(stage.refresh(session.refresh_token()).await.ok()["user"]["email"], "bob@acme.test");
}

#[tokio::test]
async fn nothing_secret_is_in_any_debug() {
    let builder = Emulator::builder().api_key("sk_test_mine");
    assert!(!format!("{builder:?}").contains("sk_test_mine"));
    let stage = Stage::with(builder).await;
    let session = stage.emulator.session("bob@acme.test");
    let debug = format!("{:?} {session:?} {:?}", stage.emulator, authkit_emulator::Seed::default());
    for secret in [session.access_token(), session.refresh_token(), "sk_test_mine", "bob-password"]
    {
        assert!(!debug.contains(secret), "{debug}");
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found_in_json() {
    let stage = Stage::new().await;
    for path in ["/nowhere", "/user_management/authenticate", "/sso/jwks/", "/_emulator/nowhere"] {
        let answer = crate::support::answer(stage.get(path).await).await;
        assert_eq!(
            (answer.status, answer.body),
            (404, json!({ "message": "Not Found" })),
            "{path}"
        );
    }
}

#[tokio::test]
async fn answers_carry_a_request_id() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for path in ["/sso/jwks/client_emulator", "/nowhere"] {
        ids.push(stage.get(path).await.headers()["x-request-id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn f12_it_says_that_it_is_healthy() {
    let stage = Stage::new().await;
    let answer = crate::support::answer(stage.get("/health").await).await;
    assert_eq!((answer.status, answer.body), (200, json!({ "status": "ok" })));
}
