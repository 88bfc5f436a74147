use authkit_tower::Session;
use axum::extract::State;
use maud::{Markup, PreEscaped, html};

use crate::{
    App,
    dashboard::countdown,
    layout::{Place, avatar, page},
};

/// `GET /`: a page for everybody, with or without a session.
pub(crate) async fn show(State(app): State<App>, session: Option<Session>) -> Markup {
    let content = html! {
        div class="stack" {
            @match &session {
                Some(session) => (welcome(&app, session)),
                None => (pitch()),
            }
            section class="column" aria-labelledby="routes" {
                h2 id="routes" { "Routes to try" }
                ul class="routes" {
                    @for route in ROUTES { li { (route.render()) } }
                }
            }
        }
    };
    page("Home", Place::Home, session.as_ref(), &content)
}

fn pitch() -> Markup {
    html! {
        section class="hero" {
            div class="pitch" {
                span class="pill dot" { "Signed out" }
                h1 { "Sign-in that stays out of your handlers" }
                p class="lead" {
                    "One layer opens the session cookie, checks the access token and renews it in the request that finds \
                     it expired. A handler asks for a " code { "Session" } " and has one."
                }
                p class="actions" {
                    a class="button" href="/login?return_to=%2Fdashboard" { "Sign in" }
                    a class="button plain" href="/login?screen_hint=sign-up&return_to=%2Fdashboard" { "Create an account" }
                }
            }
            pre class="code" tabindex="0" role="region" aria-label="How it is built" { code { (PreEscaped(SNIPPET)) } }
        }
    }
}

fn welcome(app: &App, session: &Session) -> Markup {
    let user = session.user();
    html! {
        section class="hero" {
            div class="pitch" {
                span class="pill good dot" { "Signed in" }
                h1 { "Hello, " (user.first_name.as_deref().unwrap_or(&user.display_name())) }
                p class="lead" { "Your session stays open for as long as WorkOS lets it: the short-lived token in it is renewed as you go." }
                p class="actions" {
                    a class="button" href="/dashboard" { "Open the dashboard" }
                    a class="button plain" href="/login?prompt=login" { "Use another account" }
                }
            }
            section class="card" aria-label="Your account" {
                div class="person" {
                    (avatar(user))
                    div {
                        p class="name" { (user.display_name()) }
                        @if let Some(email) = &user.email { p class="quiet" { (email) } }
                    }
                }
                (countdown(app, session))
                dl class="facts" {
                    div { dt { "Organization" } dd { (app.organizations.name_of(session).unwrap_or("none")) } }
                    div { dt { "Role" } dd { (session.role().unwrap_or("none")) } }
                }
            }
        }
    }
}

/// A route, and who may use it.
struct Route {
    path: &'static str,
    what: &'static str,
    pass: Pass,
}

enum Pass {
    Anybody,
    Session,
    Admin,
    /// Not a link.
    Script(&'static str),
}

impl Route {
    fn render(&self) -> Markup {
        let (tone, who) = match self.pass {
            Pass::Anybody => ("pill", "Anybody"),
            Pass::Session | Pass::Script(_) => ("pill accent", "Signed in"),
            Pass::Admin => ("pill warn", "Admins"),
        };
        let inside = html! {
            code { @if let Pass::Script(method) = self.pass { (method) " " } (self.path) }
            span class="what" { (self.what) }
            span class=(tone) { (who) }
        };
        html! {
            @match self.pass {
                Pass::Script(_) => span { (inside) },
                Pass::Anybody | Pass::Session | Pass::Admin => a href=(self.path) { (inside) },
            }
        }
    }
}

const ROUTES: [Route; 7] = [
    Route {
        path: "/dashboard",
        what: "A page. Without a session: by way of the sign-in page, and back",
        pass: Pass::Session,
    },
    Route { path: "/admin", what: "The same, and a role is required", pass: Pass::Admin },
    Route {
        path: "/admin/keys",
        what: "The same, and a sign-in in the last five minutes",
        pass: Pass::Admin,
    },
    Route {
        path: "/api/me",
        what: "JSON. A script without a session gets 401 and problem details",
        pass: Pass::Session,
    },
    Route {
        path: "/api/echo",
        what: "Streams its body back, however long the session needs to be renewed",
        pass: Pass::Script("POST"),
    },
    Route {
        path: "/events",
        what: "Server-sent events and, at /ws, a WebSocket: they end when the token does",
        pass: Pass::Script("GET"),
    },
    Route { path: "/healthz", what: "For load balancers", pass: Pass::Anybody },
];

/// Code with highlights, as HTML.
const SNIPPET: &str = r#"<b>let</b> protected = Router::new()
    .route("/dashboard", get(dashboard))
    .route("/admin", get(admin)
        .route_layer(Require::role("admin")))
    .route_layer(AuthKitLayer::new(&amp;authkit));

<b>let</b> app = Router::new()
    .route("/", get(home))
    .merge(protected)
    <i>// /login, /callback, /logout</i>
    .merge(Endpoints::new(&amp;authkit));"#;
