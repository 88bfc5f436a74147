//! What outlives one request ends with the session's token; coming back renews it.

use std::{convert::Infallible, pin::pin, time::Duration};

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
use tokio::{select, time::sleep};

/// `GET /events`: counts the seconds until the session's token ends.
pub(crate) async fn events(session: Session) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let ticks = stream::unfold(1_u64, async |second| {
        sleep(Duration::from_secs(1)).await;
        Some((Event::default().event("tick").data(second.to_string()), second + 1))
    });
    let hello = stream::iter([Event::default().event("tick").data("0").retry(RECONNECT)]);
    let end = stream::iter([Event::default().event("end").data("the token has expired")]);
    let expired = async move { session.expired().await };
    Sse::new(hello.chain(ticks.take_until(expired)).chain(end).map(Ok))
}

/// `GET /ws`: says everything again, until the session's token ends.
pub(crate) async fn socket(session: Session, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(64 * 1024).on_upgrade(async move |socket| echo(socket, session).await)
}

async fn echo(mut socket: WebSocket, session: Session) {
    let mut expired = pin!(session.expired());
    loop {
        let message = select! {
            () = &mut expired => {
                let farewell = CloseFrame { code: close_code::POLICY, reason: "the token has expired".into() };
                // The other end may be gone already, which ends it as well.
                let _ = socket.send(Message::Close(Some(farewell))).await;
                return;
            }
            message = socket.recv() => message,
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // axum answers pings itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(_)) | Err(_)) | None => return,
        }
    }
}

/// Where the dashboard connects to both.
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
