use authkit_tower::Session;
use axum::extract::State;
use maud::{Markup, html};

use crate::{
    App,
    layout::{Place, page},
    when::ago,
};

/// `GET /admin`: for the role `admin`.
pub(crate) async fn show(State(app): State<App>, session: Session) -> Markup {
    let now = app.now();
    let may_audit = session.permissions().iter().any(|permission| permission == "audit:read");
    let signed_in = session.auth_time().map(|at| ago(at, now));
    let content = html! {
        div class="stack" {
            div class="title" {
                h1 { "Admin" }
                p class="lead" { "You see this because your role is " code { "admin" } ". Everybody else gets 403, and is told so." }
            }
            div class="grid" {
                section class="card" aria-labelledby="guards" {
                    h2 id="guards" { "Guards and you" }
                    div class="scroll" {
                        table {
                            thead { tr { th scope="col" { "Guard" } th scope="col" { "You" } } }
                            tbody {
                                (row(r#"Require::role("admin")"#, true))
                                (row(r#"Require::permission("audit:read")"#, may_audit))
                                (row("Require::not_impersonated()", session.impersonator().is_none()))
                            }
                        }
                    }
                }
                section class="card" aria-labelledby="step-up" {
                    h2 id="step-up" { "Signing keys" }
                    p class="quiet" {
                        "Behind a sign-in in the last five minutes"
                        @if let Some(signed_in) = signed_in { "; yours was " (signed_in) }
                        ". Later than that, you are asked to sign in again."
                    }
                    p { a class="button" href="/admin/keys" { "Open the keys" } }
                }
            }
        }
    };
    page("Admin", Place::Admin, Some(&session), &content)
}

fn row(guard: &str, passes: bool) -> Markup {
    html! {
        tr {
            td { code { (guard) } }
            td {
                @if passes { span class="pill good dot" { "passes" } }
                @else { span class="pill bad dot" { "403" } }
            }
        }
    }
}

/// `GET /admin/keys`: for admins who are not impersonated and signed in a moment ago.
pub(crate) async fn keys(session: Session) -> Markup {
    let content = html! {
        div class="stack" {
            div class="title" {
                h1 { "Signing keys" }
                p class="lead" { "You are an admin, you are yourself, and you signed in less than five minutes ago." }
            }
            p class="actions" { a class="button plain" href="/admin" { "Back" } }
        }
    };
    page("Signing keys", Place::Admin, Some(&session), &content)
}
