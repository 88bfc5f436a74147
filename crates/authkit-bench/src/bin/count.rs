//! One way of authenticating, or the cryptography in it alone, so many times: `count warm|cold|layer|cryptography TIMES`,
//! for callgrind to count the instructions of.

#![forbid(unsafe_code)]

use std::{env, hint::black_box};

use anyhow::{Context, Result, bail};
use authkit_bench::{Cryptography, Layered, Sample, headers, request};
use authkit_session::{Decision, Policy, SealFormat};

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [path, times] = &arguments[..] else { bail!("count warm|cold|layer|cryptography TIMES") };
    let times = times.parse().context("TIMES is a number")?;
    let (cache, sessions) = match path.as_str() {
        "warm" | "layer" => (32 << 20, 1),
        "cold" | "cryptography" => (0, 100),
        _ => bail!("no such path: {path}"),
    };

    let sample = Sample::read();
    let authenticator = sample.authenticator(|config| config.with_session_cache(cache));
    let cookies = sample.cookies(sessions, SealFormat::Ruby);
    let requests: Vec<_> = cookies.iter().map(|cookie| headers(cookie)).collect();
    if path == "layer" {
        let mut layered = Layered::after(&sample, &requests[0]);
        for _ in 0..times {
            layered.pass(black_box(request(&requests[0])));
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
