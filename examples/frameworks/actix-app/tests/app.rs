//! The application over a real socket.

#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::thread;

use actix_web::{HttpServer, rt::System};
use suite::Site;

async fn site() -> Site {
    Site::listening(|authkit, listener| {
        thread::spawn(move || {
            let server = HttpServer::new(move || actix_app::app(&authkit)).workers(2);
            let server = server.disable_signals().listen(listener).unwrap();
            System::new().block_on(server.run()).unwrap();
        });
    })
    .await
}

suite::behaviour!(crate::site);
