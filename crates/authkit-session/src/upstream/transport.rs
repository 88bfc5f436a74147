use std::{
    env, error, fmt,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::{Client, ClientBuilder};
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier, client::WantsClientCert};
use rustls_platform_verifier::BuilderVerifierExt;
use url::{Host, Url};

use crate::{
    boxed_future::BoxFuture,
    config::{finding::Finding, setting::Setting, urls::is_loopback},
    config_error::ConfigProblem,
    crypto,
};

/// Which connection a call uses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Connection {
    /// An idle connection of the pool, if there is one.
    Pooled,
    /// A connection that no other call has used.
    New,
}

/// Sends one HTTP request to WorkOS and reads the whole answer.
///
/// The default is HTTPS by reqwest. Implement another one for a proxy, for recording, or for tests.
/// An implementation must not follow redirects, since the request carries the API key.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`, and returns the answer with its whole body of at most [`MAX_ANSWER`] bytes.
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_>;

    /// Sends `request` on a connection that no other request has used. The caller has sent the same request before, and
    /// has received nothing yet on that connection; it goes on waiting for both answers.
    ///
    /// The default is [`send`](Self::send), for transports without a connection pool.
    fn send_on_new_connection(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        self.send(request, deadline)
    }
}

/// The future that [`Transport::send`] returns.
pub type Sending<'a> = BoxFuture<'a, Result<Response<Bytes>, TransportError>>;

/// The longest answer that is read, in bytes: 256 KiB. WorkOS's answers are a few KiB.
pub const MAX_ANSWER: usize = 256 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum TransportError {
    /// The request was not sent: no such host, connection refused, TLS failed.
    NotSent,
    /// WorkOS may have processed the request, but no answer arrived.
    Lost,
    /// No answer arrived within the deadline.
    TimedOut,
    /// The answer is longer than [`MAX_ANSWER`].
    TooLarge,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotSent => "the request could not be sent",
            Self::Lost => "the answer was lost",
            Self::TimedOut => "no answer in time",
            Self::TooLarge => "the answer is too large",
        })
    }
}

impl error::Error for TransportError {}

/// The default transport: HTTP/1.1 by reqwest.
///
/// 1. It behaves alike whatever features of reqwest other crates turn on.
/// 2. After an answer did not arrive in time, neither its connection nor one that was idle then is used again: what broke
///    the first (a NAT or a load balancer that dropped its state) has usually broken the others too. With HTTP/1.1, a
///    request has its connection to itself, and dropping the request closes it.
/// 3. Calls to a loopback address never go through a proxy, and plain http needs no certificates.
#[derive(Debug)]
pub(crate) struct Https {
    pooled: Client,
    /// Opens a new connection for each request, and closes it afterwards.
    unpooled: Client,
    /// Until when the pool may hold dead connections.
    distrusted_until: Mutex<Option<Instant>>,
}

impl Https {
    /// Makes a transport for calls to `base`.
    ///
    /// # Errors
    ///
    /// If the system has no CA certificates to verify WorkOS's with, or TLS cannot be set up.
    pub(crate) fn new(base: &Url) -> Result<Self, ConfigProblem> {
        let tls = match base.scheme() {
            "http" => tls(trusting_nobody)?,
            _ => tls(trusting_the_system)?,
        };
        Self::of(|| builder(base).tls_backend_preconfigured(tls.clone()))
            .map_err(|_| ConfigProblem::Transport)
    }

    fn of(builder: impl Fn() -> ClientBuilder) -> Result<Self, reqwest::Error> {
        Ok(Self {
            pooled: builder().pool_idle_timeout(MAX_IDLE).build()?,
            unpooled: builder().pool_max_idle_per_host(0).build()?,
            distrusted_until: Mutex::new(None),
        })
    }

    /// Keeps requests from using connections that are idle now.
    fn distrust_pool(&self) {
        let until = Instant::now() + MAX_IDLE;
        *self.distrusted_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(until);
    }

    fn trusts_pool(&self) -> bool {
        let until = *self.distrusted_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }
}

impl Transport for Https {
    fn send(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        Box::pin(async move {
            if !self.trusts_pool() {
                return exchange(&self.unpooled, request, deadline).await;
            }
            let outcome = exchange(&self.pooled, request, deadline).await;
            if matches!(outcome, Err(TransportError::TimedOut)) {
                self.distrust_pool();
            }
            outcome
        })
    }

    fn send_on_new_connection(&self, request: Request<Bytes>, deadline: Duration) -> Sending<'_> {
        Box::pin(async move {
            self.distrust_pool();
            exchange(&self.unpooled, request, deadline).await
        })
    }
}

/// A TLS configuration with the trust that `trusting` sets up.
fn tls(
    trusting: impl FnOnce(WantsTrust) -> Result<WantsClientCertificate, ConfigProblem>,
) -> Result<ClientConfig, ConfigProblem> {
    let tls = ClientConfig::builder_with_provider(crypto::tls_provider())
        .with_safe_default_protocol_versions()
        .map_err(|_| ConfigProblem::Transport)?;
    let mut tls = trusting(tls)?.with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

/// Trusts the system's CA certificates.
fn trusting_the_system(tls: WantsTrust) -> Result<WantsClientCertificate, ConfigProblem> {
    tls.with_platform_verifier().map_err(|_| no_certificates())
}

/// Trusts no certificate, for plain http, which needs none.
fn trusting_nobody(tls: WantsTrust) -> Result<WantsClientCertificate, ConfigProblem> {
    Ok(tls.with_root_certificates(RootCertStore::empty()))
}

type WantsTrust = ConfigBuilder<ClientConfig, WantsVerifier>;
type WantsClientCertificate = ConfigBuilder<ClientConfig, WantsClientCert>;

/// The settings that both clients have in common.
fn builder(base: &Url) -> ClientBuilder {
    let builder = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(Duration::from_secs(3))
        .user_agent(concat!("authkit-session/", env!("CARGO_PKG_VERSION")))
        // These are the defaults, unless a crate turns on a feature of reqwest that changes them.
        .http1_only()
        .no_hickory_dns()
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate();
    if !is_loopback(base) {
        return builder;
    }
    let builder = builder.no_proxy();
    match base.host() {
        // Plain http stays on this machine, whatever the system's resolver returns for the name.
        Some(Host::Domain(name)) => builder.resolve_to_addrs(
            name,
            &[(Ipv4Addr::LOCALHOST, 0).into(), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))],
        ),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => builder,
    }
}

async fn exchange(
    client: &Client,
    request: Request<Bytes>,
    deadline: Duration,
) -> Result<Response<Bytes>, TransportError> {
    let exchange = async {
        let request = reqwest::Request::try_from(request).map_err(|_| TransportError::NotSent)?;
        let mut response = client.execute(request).await.map_err(|error| classify(&error))?;
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(TransportError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut answer = Response::new(body.freeze());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    };
    tokio::time::timeout(deadline, exchange).await.unwrap_or(Err(TransportError::TimedOut))
}

fn no_certificates() -> ConfigProblem {
    let found = match env::var_os("SSL_CERT_FILE") {
        Some(path) => format!(
            "is `{}`, where no CA certificates can be read",
            path.to_string_lossy().escape_debug()
        ),
        None => "is not set, and the system has no CA certificates".to_owned(),
    };
    ConfigProblem::NoCertificates(Finding::new(
        Setting::Certificates,
        found,
        "install the package `ca-certificates`, or let SSL_CERT_FILE name a PEM file of CA certificates",
    ))
}

fn classify(error: &reqwest::Error) -> TransportError {
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent
    } else {
        TransportError::Lost
    }
}

/// How long a connection may be idle before it is closed.
const MAX_IDLE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
