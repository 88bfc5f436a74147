//! The application over a real socket.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use salvo::{Server, conn::tcp::TcpAcceptor};
use suite::Site;

async fn site() -> Site {
    Site::listening(|authkit, listener| {
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let server = Server::new(TcpAcceptor::try_from(listener).unwrap());
        tokio::spawn(server.serve(salvo_app::app(&authkit)));
    })
    .await
}

suite::behaviour!(crate::site);
