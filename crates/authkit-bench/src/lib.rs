//! The sample session of the benchmarks, which has a realistic size and can be sealed any number of times.
//!
//! `session.json` is a key set and WorkOS's answer to a sign-in, which the emulator made: an access token of 1.2 KB that is
//! valid until 2100, so that every run measures the same bytes. `machine.json` is the same for a machine.

#![forbid(unsafe_code)]

mod cryptography;
mod hand_made;
mod layered;
#[cfg(feature = "emulator")]
mod people;
#[cfg(feature = "peers")]
mod sdk;
mod service;
#[cfg(feature = "peers")]
mod token;

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use authkit_session::{
    Authenticator, Config, CookiePassword, Decision, Policy, SealFormat, Sending, Transport, User,
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{AUTHORIZATION, COOKIE},
};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::runtime;

#[cfg(feature = "emulator")]
pub use crate::people::{refresh_answer, session_of};
pub use crate::{
    cryptography::Cryptography,
    hand_made::HandMade,
    layered::{Alone, Layered, request},
    service::Service,
};
#[cfg(feature = "peers")]
pub use crate::{sdk::Sdk, token::Token};

/// A password of 64 hexadecimal characters, which every SDK accepts, including the official Rust one.
pub const PASSWORD: &str = "5b3e1c0d9f8a7e6d5c4b3a291807f6e5d4c3b2a1908f7e6d5c4b3a2918070605";

/// A key set and a session that it verifies.
#[derive(Clone, Debug, Deserialize)]
pub struct Sample {
    pub client_id: String,
    pub jwks: Box<RawValue>,
    pub answer: Box<RawValue>,
}

/// A machine's token and the key set that it verifies with.
#[derive(Clone, Debug, Deserialize)]
pub struct MachineSample {
    pub jwks: Box<RawValue>,
    pub token: String,
}

impl MachineSample {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("machine.json")).expect("the sample is JSON")
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    user: User,
}

impl Sample {
    pub fn read() -> Self {
        serde_json::from_str(include_str!("session.json")).expect("the sample is JSON")
    }

    /// The token in the answer.
    pub fn access_token(&self) -> String {
        self.parts().access_token
    }

    /// The user in the answer.
    pub fn user(&self) -> User {
        self.parts().user
    }

    fn parts(&self) -> Answer {
        serde_json::from_str(self.answer.get()).expect("the sample is an answer")
    }

    /// A service's configuration.
    pub fn config(&self) -> Config {
        let password = CookiePassword::new(PASSWORD).expect("64 bytes");
        Config::new(&self.client_id, "sk_bench", "https://app.example.com/callback", password)
            .with_issuers([format!("https://api.workos.com/user_management/{}", self.client_id)])
            .with_transport(Arc::new(OneAnswer {
                session_keys: Bytes::from(self.jwks.get().to_owned()),
            }))
    }

    /// The authenticator of such a service, with its keys fetched.
    pub fn authenticator(&self, edit: impl FnOnce(Config) -> Config) -> Authenticator {
        let authenticator = Authenticator::new(edit(self.config())).expect("the settings work");
        let cookie = self.cookies(1, SealFormat::Ruby).remove(0);
        let decision = authenticator.authenticate(&headers(&cookie), &Policy::default());
        let Decision::Wait(keys) = decision else { panic!("keys are not fetched yet") };
        block_on(keys).expect("the sample verifies");
        authenticator
    }

    /// Values of the session cookie, each with a seal of its own.
    pub fn cookies(&self, count: usize, format: SealFormat) -> Vec<String> {
        let sealer = Authenticator::new(self.config().with_seal_format(format));
        let sealer = sealer.expect("the settings work");
        let seal = async || {
            let signed_in =
                sealer.start_session(self.answer.get().as_bytes(), &HeaderMap::new()).await;
            let signed_in = signed_in.expect("the sample verifies");
            let cookie = signed_in.set_cookies[0].to_str().expect("cookies are ASCII");
            let (_, value) = cookie.split_once('=').expect("a cookie has a name");
            value.split(';').next().unwrap_or_default().to_owned()
        };
        block_on(async {
            let mut cookies = Vec::with_capacity(count);
            for _ in 0..count {
                cookies.push(seal().await);
            }
            cookies
        })
    }
}

/// The headers of a browser's request with this session.
pub fn headers(cookie: &str) -> HeaderMap {
    let cookie = format!("theme=dark; wos_session={cookie}");
    HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(cookie).expect("cookies are ASCII"))])
}

/// The headers of a program's request with this credential.
pub fn authorization(credential: &str) -> HeaderMap {
    let value = HeaderValue::try_from(format!("Bearer {credential}"));
    HeaderMap::from_iter([(AUTHORIZATION, value.expect("credentials are ASCII"))])
}

/// Polls a future that has nothing to wait for.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits for something"),
    }
}

/// Runs a future to its end.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(future)
}

/// Answers each question in one way, without a network: with the key set, or that an API key is good.
#[derive(Debug)]
struct OneAnswer {
    session_keys: Bytes,
}

impl Transport for OneAnswer {
    fn send(&self, request: Request<Bytes>, _: Duration) -> Sending<'_> {
        let answer = match request.uri().path() {
            "/api_keys/validations" => Bytes::from_static(API_KEY_ANSWER),
            "/oauth2/jwks" => Bytes::from(MachineSample::read().jwks.get().to_owned()),
            _ => self.session_keys.clone(),
        };
        Box::pin(async { Ok(Response::new(answer)) })
    }
}

const API_KEY_ANSWER: &[u8] = br#"{"api_key":{"object":"api_key","id":"api_key_01BENCH","name":"Reports","owner":{"type":"organization","id":"org_01ACME0000000000000000000"},"permissions":["reports:read","reports:write"],"expires_at":null}}"#;
