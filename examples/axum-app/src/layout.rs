//! The frame around every page.

use authkit_tower::{Error, ErrorKind, Session, User};
use axum::{
    Router,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::IntoResponse,
    routing::get,
};
use maud::{DOCTYPE, Markup, html};

/// The pages of the navigation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Home,
    Dashboard,
    Admin,
    Elsewhere,
}

/// Frames `content`.
pub(crate) fn page(
    title: &str,
    place: Place,
    session: Option<&Session>,
    content: &Markup,
) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · AuthKit on axum" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/style.css";
                script src="/app.js" defer {}
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                @if let Some(session) = session { (impersonation(session)) }
                (bar(place, session))
                main id="content" class="wrap" tabindex="-1" { (content) }
                footer {
                    div class="wrap" {
                        p { "Sessions by " code { "authkit-tower" } ", pages by the server." }
                        p { a href="/api/me" { "Who am I, as JSON" } }
                    }
                }
            }
        }
    }
}

fn bar(place: Place, session: Option<&Session>) -> Markup {
    let places = [
        ("/", "Home", Place::Home),
        ("/dashboard", "Dashboard", Place::Dashboard),
        ("/admin", "Admin", Place::Admin),
    ];
    html! {
        header class="bar" {
            div class="wrap" {
                a class="brand" href="/" { img src="/icon.svg" alt=""; "AuthKit on axum" }
                nav aria-label="Main" {
                    ul {
                        @for (path, name, there) in places {
                            li { a href=(path) aria-current=[(there == place).then_some("page")] { (name) } }
                        }
                    }
                }
                div class="account" {
                    @match session {
                        Some(session) => {
                            (avatar(session.user()))
                            span { (session.user().display_name()) }
                            (sign_out("button plain low", "Sign out"))
                        }
                        None => a class="button low" href="/login" { "Sign in" }
                    }
                }
            }
        }
    }
}

/// The banner of an impersonated session.
fn impersonation(session: &Session) -> Markup {
    html! {
        @if let Some(impersonator) = session.impersonator() {
            aside class="banner" aria-label="Impersonation" {
                div class="wrap" {
                    p {
                        strong { (impersonator.email) } " is using this session in the name of "
                        strong { (session.user().display_name()) }
                        @if let Some(reason) = &impersonator.reason { " (" (reason) ")" }
                        "."
                    }
                    (sign_out("", "End impersonation"))
                }
            }
        }
    }
}

/// A form, since signing out needs a `POST`.
fn sign_out(class: &str, label: &str) -> Markup {
    html! { form method="post" action="/logout" { button class=(class) { (label) } } }
}

/// The user's picture, or initials.
pub(crate) fn avatar(user: &User) -> Markup {
    let picture = user.profile_picture_url.as_deref().filter(|url| url.starts_with("https://"));
    let name = user.display_name();
    let mut words = name.split_whitespace().filter_map(|word| word.chars().next());
    let initials: String =
        words.next().into_iter().chain(words.next_back()).flat_map(char::to_uppercase).collect();
    html! {
        span class="avatar" aria-hidden="true" {
            @match picture {
                Some(url) => img src=(url) alt="" referrerpolicy="no-referrer";
                None => (initials)
            }
        }
    }
}

/// The page after a refresh or a switch that failed.
pub(crate) fn trouble(session: &Session, title: &str, error: &Error) -> impl IntoResponse {
    let (status, text) = match error.kind() {
        ErrorKind::TooSoon => (
            StatusCode::TOO_MANY_REQUESTS,
            "That was very quick. Please wait two seconds, then try again.",
        ),
        ErrorKind::OrganizationGone => {
            (StatusCode::FORBIDDEN, "There is no such organization, or you are not a member of it.")
        }
        ErrorKind::SignedOut | ErrorKind::Refused | ErrorKind::HookRefused => {
            (StatusCode::UNAUTHORIZED, "Your session has ended meanwhile. Please sign in again.")
        }
        _ => (
            StatusCode::SERVICE_UNAVAILABLE,
            "WorkOS could not be asked. Please try again shortly.",
        ),
    };
    let content = html! {
        div class="stack" {
            div class="title" {
                h1 { (title) }
                p class="lead" { (text) }
            }
            p class="actions" { a class="button" href="/dashboard" { "Back to the dashboard" } }
        }
    };
    (status, page(title, Place::Elsewhere, Some(session), &content))
}

/// The page for paths without a route.
pub(crate) async fn not_found(session: Option<Session>) -> impl IntoResponse {
    let content = html! {
        div class="stack" {
            div class="title" {
                h1 { "There is nothing here" }
                p class="lead" { "The address may be misspelt, or what was here has moved." }
            }
            p class="actions" { a class="button" href="/" { "Go home" } }
        }
    };
    (StatusCode::NOT_FOUND, page("Not found", Place::Elsewhere, session.as_ref(), &content))
}

/// The style sheet, script and icon of the pages.
pub(crate) fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let asset = |content_type, text: &'static str| {
        get(([(CONTENT_TYPE, content_type), (CACHE_CONTROL, "no-cache")], text))
    };
    Router::new()
        .route("/style.css", asset("text/css; charset=utf-8", include_str!("assets/style.css")))
        .route("/app.js", asset("text/javascript; charset=utf-8", include_str!("assets/app.js")))
        .route("/icon.svg", asset("image/svg+xml", include_str!("assets/icon.svg")))
}
