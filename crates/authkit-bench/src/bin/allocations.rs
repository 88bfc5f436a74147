//! What one request allocates, as JSON.

#![forbid(unsafe_code)]

use std::{collections::BTreeMap, convert::Infallible, future};

use allocation_counter::{AllocationInfo, measure};
use authkit_bench::{Cryptography, Sample, Sdk, Token, at_once, headers};
use authkit_session::{Authenticator, Decision, Policy, SealFormat};
use authkit_tower::{AuthKit, AuthKitLayer};
use http::{HeaderMap, Request, Response};
use tower::{Layer, Service, service_fn};

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
    let rows = BTreeMap::from([
        ("sdk", measure(|| drop(at_once(sdk.authenticate(&rust))))),
        ("ours-known", measure(|| admit(&known, &request))),
        ("ours-cold", measure(|| admit(&cold, &request))),
        ("unseen", measure(|| admit(&unseen, &request))),
        ("cryptography", measure(|| cryptography.run())),
        ("jsonwebtoken", measure(|| token.verify())),
        ("layer", layer(&sample, &request)),
    ]);
    let rows: BTreeMap<_, _> =
        rows.into_iter().map(|(name, it)| (name, [it.count_total, it.bytes_total])).collect();
    println!("{}", serde_json::to_string_pretty(&rows).expect("numbers are JSON"));
}

fn admit(ours: &Authenticator, request: &HeaderMap) {
    let decision = ours.authenticate(request, &Policy::default());
    assert!(matches!(decision, Decision::Admit(_)));
}

/// A request whose session is known, through the layer and back, around a service that allocates nothing.
fn layer(sample: &Sample, headers: &HeaderMap) -> AllocationInfo {
    let authkit = AuthKit::new(sample.config()).expect("the settings work");
    let inner = service_fn(|_: Request<()>| future::ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = AuthKitLayer::new(&authkit).layer(inner);
    let request = || {
        let mut request = Request::new(());
        request.headers_mut().clone_from(headers);
        request
    };
    let keys_then_known = service.call(request());
    assert_eq!(authkit_bench::block_on(keys_then_known).expect("it never fails").status(), 200);
    assert_eq!(at_once(service.call(request())).expect("it never fails").status(), 200);
    let request = request();
    measure(|| {
        assert_eq!(at_once(service.call(request)).expect("it never fails").status(), 200);
    })
}
