//! Servers of tests: on a port of their own, until they are dropped.

use std::net::{Ipv4Addr, SocketAddr};

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tower::{Service, ServiceExt};

/// A server on loopback; dropping it ends it and its connections.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// A port that is ours before what listens on it is made, since the redirect URI names it.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
}

impl Port {
    /// Binds a free port.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub async fn bind() -> Self {
        Self {
            listener: TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback has a free port"),
        }
    }

    /// Where it is.
    ///
    /// # Panics
    ///
    /// If the socket is gone.
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().expect("a bound socket has an address")
    }

    /// Its base URL by name: `http://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address().port())
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
        let address = self.address();
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = self.listener.accept().await {
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(async move {
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().enable_connect_protocol();
                    // A client that goes away in the middle is part of the tests.
                    let _ =
                        builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                });
            }
        });
        Served { address, task }
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
    /// Its base URL by name: `http://localhost:PORT`.
    pub fn url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A port for a program that cannot say which one it took. It is free now, and may be taken a moment later.
pub fn free_port() -> u16 {
    let listener =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
