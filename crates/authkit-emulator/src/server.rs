//! The server: a thread with its own runtime, so that it answers while the caller's runtime is busy. It stops when
//! [`Server`] is dropped.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    thread::{self, JoinHandle},
    time::Duration,
};

use axum::Router;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc, oneshot},
    time::sleep,
};

use crate::{
    connections::Connection, interfere::Interference, outbox, state::Shared, webhooks::Delivery,
};

#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `shared` on `listener` until dropped.
    pub(crate) fn spawn(
        listener: StdListener,
        shared: Arc<Shared>,
        router: Router,
        deliveries: mpsc::UnboundedReceiver<Delivery>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let thread =
            thread::Builder::new().name("authkit-emulator".to_owned()).spawn(move || {
                let serve = until_stopped(listener, shared, router, deliveries, stopped);
                tracing::dispatcher::with_default(&dispatch, || runtime.block_on(serve));
                // Dropping the runtime drops every task and every connection.
            })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The panic hook has already printed a panic of the server thread.
            let _ = thread.join();
        }
    }
}

/// Binds a port of the interface with this address.
pub(crate) fn bind(host: IpAddr, port: u16) -> io::Result<(StdListener, SocketAddr)> {
    let listener = StdListener::bind((host, port))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn until_stopped(
    listener: StdListener,
    shared: Arc<Shared>,
    router: Router,
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    stopped: oneshot::Receiver<()>,
) {
    tokio::select! {
        () = accept(listener, Arc::clone(&shared), router) => {}
        () = outbox::deliver(shared, deliveries) => {}
        _ = stopped => {}
    }
}

async fn accept(listener: StdListener, shared: Arc<Shared>, router: Router) {
    let listener = TcpListener::from_std(listener).expect("the listener is not blocking");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                drop(tokio::spawn(serve(stream, Arc::clone(&shared), router.clone())))
            }
            // The usual cause is that there are no free file descriptors; wait for some.
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>, router: Router) {
    // Answers are small, and Nagle's algorithm would delay them.
    let _ = stream.set_nodelay(true);
    let connection = Connection::accept(Arc::clone(&shared));
    let interference = Interference::new(shared, router, connection.clone());
    let stream = ConnectionStream { stream, connection };
    let service = service_fn(move |request| interference.clone().answer(request));
    // An error here comes from a fault, or from a client that has closed the connection.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        // `Interference` sets `Date` from the emulator's clock.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The stream of a connection, which can be closed with a reset.
#[derive(Debug)]
struct ConnectionStream {
    stream: TcpStream,
    connection: Connection,
}

impl Drop for ConnectionStream {
    fn drop(&mut self) {
        if self.connection.is_doomed() {
            // If this fails, the connection still closes, with a FIN.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for ConnectionStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for ConnectionStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.is_doomed() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
