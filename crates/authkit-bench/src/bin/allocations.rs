//! Counts the allocations of one request, and prints them as JSON.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;

use allocation_counter::measure;
use authkit_bench::{Cryptography, Layered, Sample, Sdk, Token, at_once, headers};
use authkit_session::{Authenticator, Decision, Policy, SealFormat};
use http::HeaderMap;

fn main() {
    let sample = Sample::read();
    let [ruby, rust] =
        [SealFormat::Ruby, SealFormat::Rust].map(|it| sample.cookies(1, it).remove(0));
    let request = headers(&ruby);
    let sdk = Sdk::new(&sample);
    at_once(sdk.authenticate(&rust));
    let known = sample.authenticator(|config| config);
    admit(&known, &request);
    let cold = sample.authenticator(|config| config.with_session_cache(0));
    let unseen = sample.authenticator(|config| config);
    let cryptography = Cryptography::of(&sample, &ruby);
    let token = Token::of(&sample);
    let mut layered = Layered::after(&sample, &request, Ok);
    let through_layer = authkit_bench::request(&request);
    let rows = BTreeMap::from([
        ("sdk", measure(|| drop(at_once(sdk.authenticate(&rust))))),
        ("ours-known", measure(|| admit(&known, &request))),
        ("ours-cold", measure(|| admit(&cold, &request))),
        ("unseen", measure(|| admit(&unseen, &request))),
        ("cryptography", measure(|| cryptography.run())),
        ("jsonwebtoken", measure(|| token.verify())),
        ("layer", measure(|| layered.pass(through_layer))),
    ]);
    let rows: BTreeMap<_, _> =
        rows.into_iter().map(|(name, it)| (name, [it.count_total, it.bytes_total])).collect();
    println!("{}", serde_json::to_string_pretty(&rows).expect("numbers are JSON"));
}

fn admit(ours: &Authenticator, request: &HeaderMap) {
    let decision = ours.authenticate(request, &Policy::default());
    assert!(matches!(decision, Decision::Admit(_)));
}
