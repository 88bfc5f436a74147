//! Servers for tests, each on a port of its own until it is dropped.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer},
};
use tower::{Service, ServiceExt};

/// A server on loopback; dropping it ends it and its connections.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    scheme: Scheme,
    task: JoinHandle<()>,
}

/// A bound port for a service that is built later, since its redirect URI has to name the port.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    scheme: Scheme,
}

/// The protocol of a port.
#[derive(Clone)]
enum Scheme {
    Http,
    Https(TlsAcceptor),
}

impl Port {
    /// Binds a free port.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn bind() -> Self {
        Self::of(Scheme::Http).await
    }

    /// Binds a free port for TLS, with a certificate that nobody has signed.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn bind_tls() -> Self {
        Self::of(Scheme::https()).await
    }

    async fn of(scheme: Scheme) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        Self { listener: listener.expect("loopback has a free port"), scheme }
    }

    /// The socket's address.
    ///
    /// # Panics
    ///
    /// If the socket is gone.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket has an address")
    }

    /// Its base URL by name: `http://localhost:PORT`, or `https`.
    pub fn url(&self) -> String {
        self.scheme.url(self.address())
    }

    /// Serves `service` here, over HTTP/1.1 and HTTP/2, with upgrades and WebSockets over both.
    pub fn serve<S, B>(self, service: S) -> Served
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send,
        S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
        B: http_body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (address, scheme) = (self.address(), self.scheme.clone());
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                let scheme = self.scheme.clone();
                connections.spawn(async move {
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().enable_connect_protocol();
                    // In some tests, clients leave in the middle of a request.
                    let _ = match scheme {
                        Scheme::Http => {
                            let stream = TokioIo::new(stream);
                            builder.serve_connection_with_upgrades(stream, service).await
                        }
                        Scheme::Https(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let stream = TokioIo::new(stream);
                            builder.serve_connection_with_upgrades(stream, service).await
                        }
                    };
                });
            }
        });
        Served { address, scheme, task }
    }

    /// Serves an axum router here.
    pub fn serve_axum(self, router: axum::Router) -> Served {
        let service = router
            .into_service::<Body>()
            .map_request(|request: Request<Incoming>| request.map(Body::new));
        self.serve(service)
    }
}

impl Served {
    /// Its base URL by name: `http://localhost:PORT`, or `https`.
    pub fn url(&self) -> String {
        self.scheme.url(self.address)
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Scheme {
    fn https() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.expect("it takes a name");
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("it is a key");
        let chain = vec![made.cert.der().clone()];
        // Named, since the features of all packages together turn two providers on.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has what its default versions need")
            .with_no_client_auth()
            .with_single_cert(chain, key);
        Self::Https(TlsAcceptor::from(Arc::new(config.expect("they belong together"))))
    }

    fn url(&self, address: SocketAddr) -> String {
        let scheme = match self {
            Self::Http => "http",
            Self::Https(_) => "https",
        };
        format!("{scheme}://localhost:{}", address.port())
    }
}

impl fmt::Debug for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "Http",
            Self::Https(_) => "Https",
        })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A free port for a program that cannot report its own. Another process may take it before the program does.
pub fn free_port() -> u16 {
    let listener =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
