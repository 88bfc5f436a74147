//! The application over a real socket.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use poem::{Server, listener::TcpAcceptor};
use suite::Site;

async fn site() -> Site {
    Site::listening(|authkit, listener| {
        let server = Server::new_with_acceptor(TcpAcceptor::from_std(listener).unwrap());
        tokio::spawn(server.run(poem_app::app(&authkit)));
    })
    .await
}

suite::behaviour!(crate::site);
