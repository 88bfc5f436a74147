use std::fmt::{self, Display};

use axum::response::Response;
use http::{StatusCode, Uri};
use url::Url;

use super::layout::{Avatar, Text, Width, page};
use crate::state::{Directory, User};

/// The sign-in page: the seeded users, a field for an address, and the failures that a person can choose.
pub(crate) struct SignInPage<'a> {
    pub(crate) directory: &'a Directory,
    /// The page's own address with its query, which every form submits to.
    pub(crate) uri: &'a Uri,
    pub(crate) redirect_uri: &'a str,
    pub(crate) organization_id: Option<&'a str>,
    pub(crate) login_hint: Option<&'a str>,
    pub(crate) purpose: Purpose,
    pub(crate) problem: Option<&'a str>,
}

/// The screen that the application asked for with `screen_hint`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    SignIn,
    SignUp,
}

impl SignInPage<'_> {
    pub(crate) fn render(&self) -> Response {
        let title = match self.purpose {
            Purpose::SignIn => "Sign in",
            Purpose::SignUp => "Create an account",
        };
        let status =
            if self.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
        page(status, title, Width::Card, &Content { page: self, title })
    }

    /// The users who can sign in here; the one that the application named comes first.
    fn users(&self) -> Vec<&User> {
        let belongs = |user: &&User| {
            self.organization_id.is_none_or(|organization| {
                self.directory.membership(&user.id, organization).is_some()
            })
        };
        let mut users: Vec<&User> = self.directory.users().iter().filter(belongs).collect();
        if let Some(hint) = self.login_hint {
            users.sort_by_key(|user| user.email.to_lowercase() != hint.trim().to_lowercase());
        }
        users
    }
}

struct Content<'a> {
    page: &'a SignInPage<'a>,
    title: &'a str,
}

impl Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SignInPage { directory, redirect_uri, organization_id, problem, purpose, .. } =
            *self.page;
        let application = Url::parse(redirect_uri).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(url.port().map_or(host.clone(), |port| format!("{host}:{port}")))
        });
        let application = application.unwrap_or_default();
        writeln!(f, "<h1>{}</h1>", Text(self.title))?;
        write!(f, r#"<p class="lead">to continue to <b>{}</b>"#, Text(&application))?;
        if let Some(organization) = organization_id.and_then(|id| directory.organization(id)) {
            write!(f, " as a member of <b>{}</b>", Text(&organization.name))?;
        }
        writeln!(f, "</p>")?;
        if let Some(problem) = problem {
            writeln!(f, r#"<p class="alert" role="alert">{}</p>"#, Text(problem))?;
        }
        match purpose {
            Purpose::SignIn => {
                self.users(f)?;
                self.address(f, "or use an address")?;
            }
            Purpose::SignUp => {
                self.address(f, "")?;
                self.users(f)?;
            }
        }
        self.failures(f)
    }
}

impl Content<'_> {
    fn users(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let users = self.page.users();
        if users.is_empty() {
            return writeln!(f, r#"<p class="note">Nobody in the seed can sign in here.</p>"#);
        }
        if self.page.purpose == Purpose::SignUp {
            writeln!(f, r#"<p class="divider">or continue as</p>"#)?;
        }
        writeln!(
            f,
            r#"<form method="post" action="{}"><ul class="choices">"#,
            Action(self.page.uri)
        )?;
        for (index, user) in users.into_iter().enumerate() {
            let focus = if index == 0
                && self.page.problem.is_none()
                && self.page.purpose == Purpose::SignIn
            {
                " autofocus"
            } else {
                ""
            };
            let name = user.display_name();
            write!(
                f,
                r#"<li><button class="choice" name="user" value="{id}"{focus}>{avatar}<span class="who"><span class="name">{name}</span><span class="email">{email}</span>"#,
                id = Text(&user.id),
                avatar = Avatar(&name),
                name = Text(&name),
                email = Text(&user.email),
            )?;
            write!(
                f,
                r#"<span class="tags">{}</span></span></button></li>"#,
                Tags { user, directory: self.page.directory }
            )?;
            writeln!(f)?;
        }
        writeln!(f, "</ul></form>")
    }

    fn address(&self, f: &mut fmt::Formatter<'_>, divider: &str) -> fmt::Result {
        if !divider.is_empty() {
            writeln!(f, r#"<p class="divider">{divider}</p>"#)?;
        }
        let focus = if self.page.purpose == Purpose::SignUp || self.page.problem.is_some() {
            " autofocus"
        } else {
            ""
        };
        writeln!(
            f,
            r#"<form method="post" action="{action}" class="address">
<label for="email">E-mail address</label>
<div class="row"><input id="email" name="email" type="email" required autocomplete="username" value="{hint}" aria-describedby="address-note"{focus}><button class="primary">Continue</button></div>
<p class="note" id="address-note">No password is asked. An address that nobody has yet becomes a new user.</p>
</form>"#,
            action = Action(self.page.uri),
            hint = Text(self.page.login_hint.unwrap_or_default()),
        )
    }

    fn failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            r#"<details><summary>Fail this sign-in</summary>
<form method="post" action="{}"><ul class="failures">"#,
            Action(self.page.uri)
        )?;
        for (value, name, effect) in FAILURES {
            writeln!(
                f,
                r#"<li><button name="fail" value="{value}"><b>{name}</b><span>{effect}</span></button></li>"#
            )?;
        }
        writeln!(f, "</ul></form></details>")
    }
}

const FAILURES: [(&str, &str, &str); 4] = [
    (
        "access_denied",
        "Access denied",
        "Back to the application with <code>error=access_denied</code>",
    ),
    (
        "server_error",
        "Server error",
        "Back to the application with <code>error=server_error</code>",
    ),
    (
        "exchange_refused",
        "Code refused",
        "A code whose exchange is answered 400 <code>invalid_grant</code>",
    ),
    ("exchange_unavailable", "Exchange unavailable", "A code whose exchange is answered 503"),
];

/// The page after the sign-in of a user with several organizations.
pub(crate) fn choose_organization(directory: &Directory, user: &User, uri: &Uri) -> Response {
    page(StatusCode::OK, "Choose an organization", Width::Card, &Choice { directory, user, uri })
}

struct Choice<'a> {
    directory: &'a Directory,
    user: &'a User,
    uri: &'a Uri,
}

impl Display for Choice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { directory, user, uri } = *self;
        let name = user.display_name();
        writeln!(
            f,
            r#"<h1>Choose an organization</h1>
<p class="lead"><b>{name}</b> belongs to several.</p>
<form method="post" action="{action}">
<input type="hidden" name="user" value="{id}">
<ul class="choices">"#,
            name = Text(&name),
            action = Action(uri),
            id = Text(&user.id),
        )?;
        for (index, membership) in directory.memberships_of(&user.id).enumerate() {
            let Some(organization) = directory.organization(&membership.organization_id) else {
                continue;
            };
            let focus = if index == 0 { " autofocus" } else { "" };
            writeln!(
                f,
                r#"<li><button class="choice" name="organization" value="{id}"{focus}>{avatar}<span class="who"><span class="name">{name}</span><span class="email">as {role}</span></span></button></li>"#,
                id = Text(&organization.id),
                avatar = Avatar(&organization.name),
                name = Text(&organization.name),
                role = Text(&membership.role),
            )?;
        }
        writeln!(
            f,
            r#"</ul></form><p class="note"><a href="{}">Sign in as somebody else</a></p>"#,
            Action(uri)
        )
    }
}

/// Short labels for a user's memberships and impersonator.
pub(super) struct Tags<'a> {
    pub(super) user: &'a User,
    pub(super) directory: &'a Directory,
}

impl Display for Tags<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.directory.memberships_of(&self.user.id).next().is_none() {
            f.write_str(r#"<span class="tag">no organization</span>"#)?;
        }
        for membership in self.directory.memberships_of(&self.user.id) {
            if let Some(organization) = self.directory.organization(&membership.organization_id) {
                let (name, role) = (Text(&organization.name), Text(&membership.role));
                write!(f, r#"<span class="tag">{name} · {role}</span>"#)?;
            }
        }
        if let Some(impersonator) = &self.user.impersonator {
            let email = Text(&impersonator.email);
            write!(f, r#"<span class="tag warn">impersonated by {email}</span>"#)?;
        }
        Ok(())
    }
}

/// The page's own address as an attribute value.
struct Action<'a>(&'a Uri);

impl Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.0.path_and_query().map_or("", |path| path.as_str());
        Text(path).fmt(f)
    }
}
