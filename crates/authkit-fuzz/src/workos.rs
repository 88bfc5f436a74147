//! WorkOS in memory: signs tokens, publishes its key, and gives the answers of an input.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use authkit_session::{MAX_ANSWER, Sending, Transport, TransportError};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

/// A key that signs tokens.
pub(crate) struct SigningKey {
    pub(crate) kid: &'static str,
    pair: KeyPair,
}

impl SigningKey {
    /// The key that WorkOS publishes.
    pub(crate) fn ours() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::generate("key_1"))
    }

    /// A key that is not published, with the same id.
    pub(crate) fn strangers() -> &'static Self {
        static KEY: OnceLock<SigningKey> = OnceLock::new();
        KEY.get_or_init(|| Self::generate("key_1"))
    }

    fn generate(kid: &'static str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).expect("the system has random bytes");
        Self { kid, pair }
    }

    /// The signature of these bytes, in base64.
    pub(crate) fn sign(&self, signed: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        let outcome = self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature);
        outcome.expect("the buffer is as long as the modulus");
        URL_SAFE_NO_PAD.encode(signature)
    }

    /// Signs a token with this header and payload.
    pub(crate) fn token(&self, header: &str, payload: &str) -> String {
        let signed =
            format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(&signed);
        format!("{signed}.{signature}")
    }

    /// The modulus and the exponent, as in a JWK.
    pub(crate) fn components(&self) -> (String, String) {
        let key = self.pair.public_key();
        let n = URL_SAFE_NO_PAD.encode(key.modulus().big_endian_without_leading_zero());
        let e = URL_SAFE_NO_PAD.encode(key.exponent().big_endian_without_leading_zero());
        (n, e)
    }

    pub(crate) fn jwk(&self) -> Value {
        let (n, e) = self.components();
        json!({ "kty": "RSA", "alg": "RS256", "use": "sig", "kid": self.kid, "n": n, "e": e })
    }
}

/// A fake WorkOS, to which the service's transport sends its calls.
#[derive(Clone, Default)]
pub(crate) struct Workos(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    jwks: Option<Vec<u8>>,
    answers: VecDeque<WorkosAnswer>,
    otherwise: Option<WorkosAnswer>,
    /// The secrets in the requests that it got.
    secrets: Vec<String>,
    exchanges: usize,
}

/// An answer to an exchange of a code or of a refresh token.
#[derive(Clone)]
pub(crate) struct WorkosAnswer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Workos {
    /// Publishes this key set instead of its own.
    pub(crate) fn publish(&self, jwks: Vec<u8>) {
        self.state().jwks = Some(jwks);
    }

    /// Queues an answer for the next exchange. While none is queued, an exchange fails.
    pub(crate) fn will_answer(&self, answer: WorkosAnswer) {
        self.state().answers.push_back(answer);
    }

    /// Sets the answer to exchanges for which none is queued.
    pub(crate) fn answers_otherwise(&self, answer: WorkosAnswer) {
        self.state().otherwise = Some(answer);
    }

    /// How many exchanges it got.
    pub(crate) fn exchanges(&self) -> usize {
        self.state().exchanges
    }

    /// The secrets in the requests that it got.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.state().secrets.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn carry_out(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut state = self.state();
        if request.uri().path().starts_with("/sso/jwks/") {
            let usual = || json!({ "keys": [SigningKey::ours().jwk()] }).to_string().into_bytes();
            let jwks = state.jwks.clone().unwrap_or_else(usual);
            return Ok(Response::new(Bytes::from(jwks)));
        }
        if !request.uri().path().ends_with("/authenticate") {
            return Ok(Response::new(Bytes::from_static(b"{}")));
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        for name in ["code_verifier", "refresh_token", "code", "client_secret"] {
            let value = body[name].as_str().filter(|value| value.len() >= SECRET);
            state.secrets.extend(value.map(str::to_owned));
        }
        state.exchanges += 1;
        let next = state.answers.pop_front().or_else(|| state.otherwise.clone());
        let answer = next.ok_or(TransportError::Lost)?;
        if answer.body.len() > MAX_ANSWER {
            return Err(TransportError::TooLarge);
        }
        let mut response = Response::builder().status(answer.status);
        for (name, value) in answer.headers {
            response = response.header(name, value);
        }
        // A transport cannot deliver an answer that is not valid HTTP.
        response.body(Bytes::from(answer.body)).map_err(|_| TransportError::Lost)
    }
}

impl Transport for Workos {
    fn send(&self, request: Request<Bytes>, _: Duration) -> Sending<'_> {
        Box::pin(async move { self.carry_out(&request) })
    }
}

impl fmt::Debug for Workos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workos")
    }
}

/// A value of at least this many bytes is a secret. An input may choose a shorter one that any answer contains by chance.
const SECRET: usize = 20;
