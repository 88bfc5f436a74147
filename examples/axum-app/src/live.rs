//! Connections that outlive one request. They end with the session or its token; a new connection refreshes the session.

use std::{convert::Infallible, time::Duration};

use authkit_tower::Session;
use axum::{
    extract::{
        WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, close_code},
    },
    response::{
        Response,
        sse::{Event, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};
use maud::{Markup, html};
use tokio::{
    select,
    time::{sleep, timeout},
};

/// `GET /events`: counts the seconds until the session or its token ends.
pub(crate) async fn events(session: Session) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = stream::unfold(1_u64, async |second| {
        sleep(Duration::from_secs(1)).await;
        Some((Event::default().event("tick").data(second.to_string()), second + 1))
    });
    let hello = stream::iter([Event::default().event("tick").data("0").retry(RECONNECT)]);
    let end = stream::iter([Event::default().event("end").data("the token has expired")]);
    Sse::new(hello.chain(ticks.take_until(session.expired())).chain(end).map(Ok))
}

/// `GET /ws`: echoes messages until the session or its token ends.
pub(crate) async fn socket(session: Session, upgrade: WebSocketUpgrade) -> Response {
    let expired = session.expired();
    upgrade.max_message_size(64 * 1024).on_upgrade(async move |mut socket| {
        select! {
            () = expired => say_goodbye(&mut socket).await,
            () = echo(&mut socket) => {}
        }
    })
}

async fn say_goodbye(socket: &mut WebSocket) {
    let code = close_code::POLICY;
    let farewell = CloseFrame { code, reason: "the token has expired".into() };
    // Does not wait for a client that has left or no longer reads.
    let _ = timeout(GOODBYE, socket.send(Message::Close(Some(farewell)))).await;
}

async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        match message {
            Message::Text(_) | Message::Binary(_) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // axum answers pings itself.
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
        }
    }
}

/// The card of the dashboard that connects to both.
pub(crate) fn card() -> Markup {
    html! {
        section class="card" aria-labelledby="live-title" {
            h2 id="live-title" { "Live connections" }
            p class="quiet small" { "Both end with the token. Coming back takes a new handshake, and that renews the session." }
            noscript { p class="quiet" { "They need JavaScript." } }
            div class="grid" {
                div class="live" data-events="/events" hidden {
                    div { h3 { "Server-sent events" } button class="button plain low" { "Connect" } }
                    output { "Not connected." }
                }
                form class="live" data-socket="/ws" hidden {
                    div { h3 { "WebSocket" } }
                    div class="row" {
                        input name="message" aria-label="Message" value="ping" maxlength="200" autocomplete="off";
                        button class="button plain" { "Send" }
                    }
                    output { "Not connected." }
                }
            }
        }
    }
}

/// How long a browser waits before it connects again.
const RECONNECT: Duration = Duration::from_millis(500);
/// How long sending the close frame may take.
const GOODBYE: Duration = Duration::from_secs(1);
