//! Runs one kind of authentication, or its cryptography alone, many times: `count PATH TIMES`. Callgrind counts the
//! instructions.
//!
//! | path | what |
//! |---|---|
//! | `warm` | a cookie in the cache, up to the decision |
//! | `cold` | a cookie that is not in the cache |
//! | `cryptography` | the decryption and signature check in `cold` |
//! | `layer` | `warm`, through the layer and a service and back |
//! | `service` | the share of the service and the measurement in `layer` |
//! | `marks` | `service` with what a layer attaches to a request and its response, attached by hand |
//! | `bearer`, `machine`, `api_key` | like `layer`, with a user's token, a machine's, or a customer's API key that is remembered |

#![forbid(unsafe_code)]

use std::{env, hint::black_box, sync::Arc};

use anyhow::{Context, Result, bail};
use authkit_bench::{
    Alone, Cryptography, Layered, MachineSample, Sample, authorization, headers, request,
};
use authkit_session::{ConfigError, Decision, Policy, SealFormat};
use authkit_tower::AuthKitLayer;
use http::HeaderMap;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, times] = &arguments[..] else { bail!("count PATH TIMES") };
    let times = times.parse().context("TIMES is a number")?;
    let (cache, sessions) = match path.as_str() {
        "warm" | "layer" | "service" | "marks" | "bearer" | "machine" | "api_key" => (32 << 20, 1),
        "cold" | "cryptography" => (0, 100),
        _ => bail!("no such path: {path}"),
    };

    let sample = Sample::read();
    let authenticator = sample.authenticator(|config| config.with_session_cache(cache));
    let cookies = sample.cookies(sessions, SealFormat::Ruby);
    let requests: Vec<_> = cookies.iter().map(|cookie| headers(cookie)).collect();
    if let Some(alone) = alone(path) {
        let session = Arc::new([0; 16]);
        for _ in 0..times {
            alone.pass(black_box(request(&requests[0])), &session);
        }
        return Ok(());
    }
    if let Some((headers, mut layered)) = layered(path, &sample, &requests[0]) {
        for _ in 0..times {
            layered.pass(black_box(request(&headers)));
        }
        return Ok(());
    }
    if path == "cryptography" {
        let cryptography = Cryptography::of(&sample, &cookies[0]);
        for _ in 0..times {
            black_box(&cryptography).run();
        }
        return Ok(());
    }
    for request in requests.iter().cycle().take(times) {
        match black_box(authenticator.authenticate(black_box(request), &Policy::default())) {
            Decision::Admit(_) => {}
            Decision::Wait(_) | Decision::Refuse(_) => bail!("the sample is good"),
        }
    }
    Ok(())
}

fn alone(path: &str) -> Option<Alone> {
    match path {
        "service" => Some(Alone::Bare),
        "marks" => Some(Alone::Marked),
        _ => None,
    }
}

type Edit = fn(AuthKitLayer) -> Result<AuthKitLayer, ConfigError>;

/// The layer that admits this kind of request, and the request's headers.
fn layered(path: &str, sample: &Sample, cookie: &HeaderMap) -> Option<(HeaderMap, Layered)> {
    let (headers, edit): (_, Edit) =
        match path {
            "layer" => (cookie.clone(), Ok),
            "bearer" => (authorization(&sample.access_token()), AuthKitLayer::with_bearer),
            "machine" => (authorization(&MachineSample::read().token), |layer| {
                layer.with_machines("https://bench.authkit.app")
            }),
            "api_key" => (authorization("sk_bench_0123456789abcdef0123456789"), |layer| {
                Ok(layer.with_api_keys())
            }),
            _ => return None,
        };
    let layered = Layered::after(sample, &headers, edit);
    Some((headers, layered))
}
