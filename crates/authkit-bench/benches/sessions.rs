//! Authenticates one request in one process: with our core, with the official SDK, and with the cryptography alone.

#![forbid(unsafe_code)]

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use authkit_bench::{Cryptography, HandMade, Sample, Sdk, Token, at_once, headers};
use authkit_session::{Authenticator, Decision, Policy, SealFormat};
use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderMap, header::COOKIE};

criterion_group! {
    name = sessions;
    config = Criterion::default()
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
    targets = one_session, many_sessions, garbage, two_threads
}
criterion_main!(sessions);

fn one_session(criterion: &mut Criterion) {
    let sample = Sample::read();
    let [ruby, rust] =
        [SealFormat::Ruby, SealFormat::Rust].map(|it| sample.cookies(1, it).remove(0));
    let sdk = Sdk::new(&sample);
    let cryptography = Cryptography::of(&sample, &ruby);
    let token = Token::of(&sample);
    let request = headers(&ruby);
    let hand_made = HandMade::with(&ruby);
    let [known, cold] = [32 << 20, 0].map(|bytes| authenticator(&sample, bytes));

    let mut group = criterion.benchmark_group("one");
    group.bench_function("sdk", |b| b.iter(|| at_once(sdk.authenticate(black_box(&rust)))));
    group.bench_function("hand-made", |b| b.iter(|| hand_made.authenticate(black_box(&request))));
    group.bench_function("ours-known", |b| b.iter(|| admit(&known, black_box(&request))));
    group.bench_function("ours-cold", |b| b.iter(|| admit(&cold, black_box(&request))));
    group.bench_function("cryptography", |b| b.iter(|| black_box(&cryptography).run()));
    group.bench_function("jsonwebtoken", |b| b.iter(|| black_box(&token).verify()));
}

fn many_sessions(criterion: &mut Criterion) {
    let sample = Sample::read();
    let sdk = Sdk::new(&sample);
    // Sealed in the format that both read.
    let requests: Vec<_> =
        sample.cookies(100_000, SealFormat::Rust).iter().map(|cookie| headers(cookie)).collect();
    for count in [1_000, 100_000] {
        let ours = authenticator(&sample, 32 << 20);
        let mut next = walk(&requests[..count]);
        let mut group = criterion.benchmark_group(format!("of-{count}"));
        group.bench_function("sdk", |b| {
            b.iter(|| at_once(sdk.authenticate(cookie(next()))));
        });
        let mut next = walk(&requests[..count]);
        group.bench_function("ours", |b| b.iter(|| admit(&ours, next())));
    }
    // Each cookie comes after all others, so that the cache no longer holds it and has to insert it.
    let ours = authenticator(&sample, 32 << 20);
    let mut requests = requests.iter().cycle();
    criterion.bench_function("unseen", |b| {
        b.iter(|| admit(&ours, requests.next().expect("a cycle has no end")));
    });
}

fn garbage(criterion: &mut Criterion) {
    let sample = Sample::read();
    let ours = authenticator(&sample, 32 << 20);
    let mut group = criterion.benchmark_group("garbage");
    // The largest field that is read, and a larger one.
    for len in [16_384, 65_536] {
        let request = headers(&"A".repeat(len));
        group.bench_function(len.to_string(), |b| {
            b.iter(|| {
                let decision = ours.authenticate(black_box(&request), &Policy::default());
                assert!(matches!(decision, Decision::Refuse(_)));
            });
        });
    }
}

fn two_threads(criterion: &mut Criterion) {
    let sample = Sample::read();
    let ours = authenticator(&sample, 32 << 20);
    let request = headers(&sample.cookies(1, SealFormat::Ruby)[0]);
    let mut group = criterion.benchmark_group("threads");
    for threads in [1, 2] {
        group.bench_function(threads.to_string(), |b| {
            b.iter_custom(|times| {
                let began = Instant::now();
                thread::scope(|scope| {
                    for _ in 0..threads {
                        scope.spawn(|| (0..times).for_each(|_| admit(&ours, &request)));
                    }
                });
                began.elapsed()
            });
        });
    }
}

fn authenticator(sample: &Sample, cache: usize) -> Authenticator {
    sample.authenticator(|config| config.with_session_cache(cache))
}

fn admit(ours: &Authenticator, request: &HeaderMap) {
    let decision = ours.authenticate(request, &Policy::default());
    assert!(matches!(black_box(decision), Decision::Admit(_)));
}

fn cookie(request: &HeaderMap) -> &str {
    let field = request[COOKIE].to_str().expect("cookies are ASCII");
    field.split_once("wos_session=").expect("the session is in it").1
}

/// Returns requests for ever, in an order that no cache can predict.
fn walk<'r>(requests: &'r [HeaderMap]) -> impl FnMut() -> &'r HeaderMap {
    let mut at = 0_usize;
    move || {
        // The multiplier of MMIX (Knuth).
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &requests[(at >> 33) % requests.len()]
    }
}
