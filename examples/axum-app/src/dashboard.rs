use std::time::{Duration, UNIX_EPOCH};

use authkit_tower::Session;
use axum::{
    Form,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::{
    App,
    layout::{Place, avatar, page, trouble},
    live, organizations,
    refreshes::Why,
    when::{ago, clock_face, moment, unix},
};

/// `GET /dashboard`: shows the content of the session.
pub(crate) async fn show(State(app): State<App>, session: Session) -> Markup {
    render(&app, &session, &html! {})
}

/// The form on the dashboard.
#[derive(Deserialize)]
pub(crate) struct Note {
    text: String,
    /// The `exp` of the token that the page was made with.
    expires_at: u64,
}

/// `POST /dashboard`: shows the text again. The layer refreshes an expired token before the request gets here.
pub(crate) async fn receive(
    State(app): State<App>,
    session: Session,
    Form(note): Form<Note>,
) -> Markup {
    let receipt = html! {
        div class="receipt" role="status" {
            @if note.expires_at < unix(session.expires_at()) {
                p {
                    "Received. The token that this form was loaded with ended at "
                    (moment(UNIX_EPOCH + Duration::from_secs(note.expires_at)))
                    "; the session was renewed, and your text arrived whole."
                }
            } @else {
                p { "Received, with the token that the form was loaded with." }
            }
            blockquote { (note.text) }
        }
    };
    render(&app, &session, &receipt)
}

/// `POST /refresh`: refreshes the session now, as a service does after it has changed the user's role.
pub(crate) async fn refresh(session: Session) -> Response {
    match session.refresh().await {
        Ok(_) => Redirect::to("/dashboard").into_response(),
        Err(error) => trouble(&session, "Nothing was renewed", &error).into_response(),
    }
}

/// `GET /fragment`: the session's card alone for htmx, and the whole page for others.
pub(crate) async fn fragment(
    State(app): State<App>,
    session: Session,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key("hx-request") {
        session_card(&app, &session).into_response()
    } else {
        Redirect::to("/dashboard").into_response()
    }
}

fn render(app: &App, session: &Session, receipt: &Markup) -> Markup {
    let content = html! {
        div class="stack" {
            div class="title" {
                h1 { "Dashboard" }
                p class="lead" { "What this service knows about you, read from your session alone." }
            }
            div class="grid" {
                div class="column" {
                    (session_card(app, session))
                    (note_card(session, receipt))
                }
                div class="column" {
                    (user_card(session))
                    (organizations::card(&app.organizations, session))
                    (access_card(session))
                }
            }
            (live::card())
        }
    };
    page("Dashboard", Place::Dashboard, Some(session), &content)
}

fn session_card(app: &App, session: &Session) -> Markup {
    html! {
        section class="card" id="session" aria-labelledby="session-title" {
            header {
                h2 id="session-title" { "Session" }
                div class="actions" {
                    a class="button plain low" href="/fragment" hx-get="/fragment" hx-target="#session" { "Reload" }
                    form method="post" action="/refresh" { button class="button plain low" { "Renew now" } }
                }
            }
            (countdown(app, session))
            dl class="facts" {
                div { dt { "Session" } dd class="mono" { (session.session_id()) } }
                div { dt { "Token expires" } dd { (moment(session.expires_at())) } }
                div { dt { "Token issued" } dd { (moment(session.issued_at())) } }
                @if let Some(at) = session.auth_time() {
                    div { dt { "Signed in" } dd { (moment(at)) } }
                }
                div { dt { "Last refresh" } dd { (last_refresh(app, session)) } }
                @if let Some(method) = session.authentication_method() {
                    div { dt { "Signed in by" } dd { (method) } }
                }
            }
        }
    }
}

/// The last refresh of the session, as the hook has recorded it.
fn last_refresh(app: &App, session: &Session) -> Markup {
    let Some(refresh) = app.refreshes.of(session) else {
        return html! { span class="quiet" { "none since this program started" } };
    };
    let how = match refresh.why {
        Why::Ended(late) => {
            format!("in line: the old token had ended {} s before", late.as_secs())
        }
        Why::Early(early) => {
            format!("the old token had {} s left", early.as_secs())
        }
        Why::Switched => "to switch the organization".to_owned(),
    };
    html! {
        (ago(refresh.at, app.now())) ", " (how)
        @for (what, before, now) in &refresh.changes {
            br;
            span class="small" { (what) ": " s class="quiet" { (before) } " → " (now) }
        }
    }
}

/// How long the token lasts. The page's script counts down.
pub(crate) fn countdown(app: &App, session: &Session) -> Markup {
    let now = app.now();
    let left = session.expires_at().duration_since(now).unwrap_or_default();
    let life = session.expires_at().duration_since(session.issued_at()).unwrap_or_default();
    html! {
        div class="column" data-left=(left.as_secs()) {
            p class="countdown" role="timer" {
                strong { (clock_face(left)) }
                span { "until the access token expires" }
            }
            progress max=(life.as_secs().max(1)) value=(left.as_secs()) aria-label="Time left" {}
        }
    }
}

fn note_card(session: &Session, receipt: &Markup) -> Markup {
    html! {
        section class="card" aria-labelledby="note-title" {
            h2 id="note-title" { "A form that is not in a hurry" }
            p class="quiet small" { "Take your time. If the access token expires while you write, the session is renewed as you send, and your text arrives whole." }
            (receipt)
            form method="post" action="/dashboard" {
                div {
                    label for="text" { "Note" }
                    textarea id="text" name="text" required maxlength="2000" {}
                }
                input type="hidden" name="expires_at" value=(unix(session.expires_at()));
                button class="button" { "Send" }
            }
        }
    }
}

fn user_card(session: &Session) -> Markup {
    let user = session.user();
    html! {
        section class="card" aria-labelledby="user-title" {
            header {
                h2 id="user-title" { "User" }
                @if user.email_verified { span class="pill good" { "Address verified" } }
                @else { span class="pill warn" { "Address not verified" } }
            }
            div class="person" {
                (avatar(user))
                div {
                    p class="name" { (user.display_name()) }
                    @if let Some(email) = &user.email { p class="quiet" { (email) } }
                }
            }
            dl class="facts" {
                div { dt { "User" } dd class="mono" { (user.id) } }
                @if let Some(id) = &user.external_id { div { dt { "Your own id" } dd class="mono" { (id) } } }
            }
            p { a class="small" href="/login?prompt=login&return_to=%2Fdashboard" { "Sign in as somebody else" } }
        }
    }
}

fn access_card(session: &Session) -> Markup {
    html! {
        section class="card" aria-labelledby="access-title" {
            h2 id="access-title" { "Access" }
            dl class="facts" {
                div { dt { "Role" } dd { (session.role().unwrap_or("none")) } }
                div { dt { "Roles" } dd { (chips(session.roles())) } }
                div { dt { "Permissions" } dd { (chips(session.permissions())) } }
                div { dt { "Entitlements" } dd { (chips(session.entitlements())) } }
                div { dt { "Feature flags" } dd { (chips(session.feature_flags())) } }
            }
        }
    }
}

fn chips(names: &[String]) -> Markup {
    html! {
        @if names.is_empty() { span class="quiet" { "none" } }
        @else { ul class="chips" { @for name in names { li { (name) } } } }
    }
}
