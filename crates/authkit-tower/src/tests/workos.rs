use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use authkit_session::{Authenticator, Sending, TransportError};
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, header::COOKIE};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use crate::{AuthKit, Clock, Config, CookiePassword, Transport};

/// A WorkOS in memory: signs tokens, answers as it is told, and can be made to wait.
pub(crate) struct Workos {
    clock: Clock,
    replies: Mutex<VecDeque<Reply>>,
    calls: Mutex<Vec<String>>,
    revoked: Mutex<Vec<String>>,
    /// Names the key that is published and signs.
    kid: Mutex<&'static str>,
    key_fetches: AtomicUsize,
    key_checks: AtomicUsize,
    /// A permit for each call to `authenticate`; the default is plenty.
    gate: Semaphore,
}

/// How a call to `authenticate` is answered.
pub(crate) enum Reply {
    /// With a session of these claims, beside the usual ones.
    Session(Value),
    /// With a usual session, and these members beside it.
    Beside(Value),
    /// With this status and JSON body.
    Error(u16, Value),
    /// Not at all.
    Lost,
}

/// A handle of `https://app.example.com`, talking to a WorkOS in memory that shares its clock.
pub(crate) fn authkit() -> (AuthKit, Arc<Workos>) {
    authkit_of(|config| config)
}

pub(crate) fn authkit_of(set: impl FnOnce(Config) -> Config) -> (AuthKit, Arc<Workos>) {
    let clock = Clock::simulated(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let workos = Arc::new(Workos {
        clock: clock.clone(),
        replies: Mutex::default(),
        calls: Mutex::default(),
        revoked: Mutex::default(),
        kid: Mutex::new("key_1"),
        key_fetches: AtomicUsize::new(0),
        key_checks: AtomicUsize::new(0),
        gate: Semaphore::new(1_000),
    });
    (workos.authkit_of(set), workos)
}

impl Workos {
    /// Another handle, as of another replica.
    pub(crate) fn authkit_of(self: &Arc<Self>, set: impl FnOnce(Config) -> Config) -> AuthKit {
        let password = CookiePassword::new("a password of no less than 32 bytes").unwrap();
        let transport: Arc<dyn Transport> = self.clone();
        let config =
            Config::new("client_1", "sk_test_1", "https://app.example.com/callback", password)
                .with_clock(self.clock.clone())
                .with_transport(transport);
        AuthKit::new(set(config)).unwrap()
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Queues the answer to a call to `authenticate`; without one, it is a session of the usual claims.
    pub(crate) fn will(&self, reply: Reply) {
        self.replies.lock().unwrap().push_back(reply);
    }

    /// Holds calls to `authenticate` back until [`release`](Self::release).
    pub(crate) fn hold(&self) {
        self.gate.forget_permits(1_000);
    }

    pub(crate) fn release(&self) {
        self.gate.add_permits(1_000);
    }

    /// Publishes the key under another name only, and signs under that.
    pub(crate) fn rename_key(&self, kid: &'static str) {
        *self.kid.lock().unwrap() = kid;
    }

    /// How often keys were fetched.
    pub(crate) fn key_fetches(&self) -> usize {
        self.key_fetches.load(Ordering::Relaxed)
    }

    /// How often it was asked about an API key.
    pub(crate) fn key_checks(&self) -> usize {
        self.key_checks.load(Ordering::Relaxed)
    }

    /// An access token of these claims beside the usual ones.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.session(claims)["access_token"].as_str().unwrap().to_owned()
    }

    /// The bodies sent to `authenticate` so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    /// The ids of the sessions revoked so far.
    pub(crate) fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }

    /// Signs a user in with these claims beside the usual ones; returns the `Cookie` header of its browser.
    pub(crate) async fn cookie(&self, authkit: &AuthKit, claims: Value) -> String {
        let answer = self.session(&claims).to_string();
        let authenticator: &Authenticator = authkit.authenticator();
        let signed_in =
            authenticator.start_session(answer.as_bytes(), &HeaderMap::new()).await.unwrap();
        let cookies = signed_in
            .set_cookies
            .iter()
            .map(|field| field.to_str().unwrap().split(';').next().unwrap());
        cookies.collect::<Vec<_>>().join("; ")
    }

    fn session(&self, claims: &Value) -> Value {
        let now = self.clock.unix();
        let mut all = json!({
            "sub": "user_1", "sid": "session_1", "iat": now, "exp": now + 300, "auth_time": now, "client_id": "client_1",
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        json!({
            "access_token": sign(*self.kid.lock().unwrap(), &all),
            "refresh_token": format!("refresh_{}", BASE64.encode(all.to_string()).len() + self.calls().len()),
            "user": { "object": "user", "id": all["sub"], "email": "alice@example.com", "email_verified": true,
                "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z" },
            "impersonator": all.get("act").map(|act| json!({ "email": act["sub"], "reason": null })),
        })
    }

    async fn answer(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let reply = |status: u16, body: &Value| {
            Ok(Response::builder().status(status).body(Bytes::from(body.to_string())).unwrap())
        };
        match request.uri().path() {
            // The environment's, and those of an AuthKit domain.
            "/sso/jwks/client_1" | "/oauth2/jwks" => {
                self.key_fetches.fetch_add(1, Ordering::Relaxed);
                let key = jwk(*self.kid.lock().unwrap());
                reply(200, &json!({ "keys": [key] }))
            }
            "/user_management/sessions/revoke" => {
                let body: Value = serde_json::from_slice(request.body()).unwrap();
                self.revoked.lock().unwrap().push(body["session_id"].as_str().unwrap().to_owned());
                reply(200, &json!({}))
            }
            "/user_management/authenticate" => {
                self.calls
                    .lock()
                    .unwrap()
                    .push(String::from_utf8(request.body().to_vec()).unwrap());
                self.gate.acquire().await.unwrap().forget();
                let next = self.replies.lock().unwrap().pop_front();
                match next.unwrap_or(Reply::Session(json!({}))) {
                    Reply::Session(claims) => reply(200, &self.session(&claims)),
                    Reply::Beside(members) => {
                        let mut session = self.session(&json!({}));
                        for (name, value) in members.as_object().unwrap() {
                            session[name] = value.clone();
                        }
                        reply(200, &session)
                    }
                    Reply::Error(status, body) => reply(status, &body),
                    Reply::Lost => Err(TransportError::Lost),
                }
            }
            "/api_keys/validations" => {
                self.key_checks.fetch_add(1, Ordering::Relaxed);
                let owner = json!({ "type": "organization", "id": "org_1" });
                let key = json!({ "id": "api_key_1", "owner": owner, "permissions": [] });
                reply(200, &json!({ "api_key": key }))
            }
            other => panic!("an unexpected call to {other}"),
        }
    }
}

impl Transport for Workos {
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        assert!(!request.headers().contains_key(COOKIE), "a browser's cookie went to WorkOS");
        Box::pin(async move {
            let answer = timeout(deadline, self.answer(request)).await;
            answer.unwrap_or(Err(TransportError::TimedOut))
        })
    }
}

impl fmt::Debug for Workos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Workos")
    }
}

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate(KeySize::Rsa2048).unwrap());

fn jwk(kid: &str) -> Value {
    // RSAPublicKey of 2048 bits (RFC 8017 appendix A.1.1): 9 bytes of headers, the modulus, 2 of header, the exponent.
    let der = KEY.public_key().as_ref();
    json!({ "kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig",
        "n": BASE64.encode(&der[9..265]), "e": BASE64.encode(&der[267..]) })
}

fn sign(kid: &str, claims: &Value) -> String {
    let encode = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        encode(&json!({ "alg": "RS256", "typ": "JWT", "kid": kid })),
        encode(claims)
    );
    let mut signature = vec![0; KEY.public_modulus_len()];
    KEY.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", BASE64.encode(signature))
}
