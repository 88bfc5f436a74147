use std::{collections::HashMap, sync::Arc};

use authkit_tower::{Session, Switched};
use axum::{
    Form,
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use serde::Deserialize;

use crate::layout;

/// The organizations of each user, as far as the application knows them.
///
/// A session names one organization. The application has to know to which others a user could switch, from its own
/// database or from WorkOS's organization memberships.
#[derive(Clone, Debug, Default)]
pub struct Organizations {
    by_user: Arc<HashMap<String, Vec<Organization>>>,
}

/// An organization.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Organization {
    /// `org_…`
    pub id: String,
    /// The name for people.
    pub name: String,
}

impl Organization {
    /// Names an organization.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self { id: id.into(), name: name.into() }
    }
}

impl Organizations {
    fn of(&self, session: &Session) -> &[Organization] {
        self.by_user.get(session.user_id()).map_or(&[], Vec::as_slice)
    }

    /// The name of a session's organization, or its id if the name is not known.
    pub(crate) fn name_of<'a>(&'a self, session: &'a Session) -> Option<&'a str> {
        let id = session.organization_id()?;
        let known = self.of(session).iter().find(|one| one.id == id);
        Some(known.map_or(id, |one| &one.name))
    }
}

/// From memberships: user ids and organizations.
impl FromIterator<(String, Organization)> for Organizations {
    fn from_iter<I: IntoIterator<Item = (String, Organization)>>(memberships: I) -> Self {
        let mut by_user: HashMap<_, Vec<_>> = HashMap::new();
        for (user_id, organization) in memberships {
            by_user.entry(user_id).or_default().push(organization);
        }
        Self { by_user: Arc::new(by_user) }
    }
}

/// The form of the organization switcher.
#[derive(Deserialize)]
pub(crate) struct Choice {
    id: String,
}

/// `POST /organization`: switches the session to another organization, by a sign-in if WorkOS requires one.
pub(crate) async fn switch(session: Session, Form(choice): Form<Choice>) -> Response {
    match session.switch_organization(choice.id.trim()).await {
        Ok(Switched::Session(_)) => Redirect::to("/dashboard").into_response(),
        Ok(Switched::SignIn(redirect)) => redirect.with_return_to("/dashboard").into_response(),
        Err(error) => layout::trouble(&session, "You are where you were", &error).into_response(),
    }
}

/// The organization of the session, and the switcher.
pub(crate) fn card(organizations: &Organizations, session: &Session) -> Markup {
    let known = organizations.of(session);
    let current = session.organization_id();
    let alone = matches!(known, [one] if Some(one.id.as_str()) == current);
    html! {
        section class="card" aria-labelledby="organization-title" {
            header {
                h2 id="organization-title" { "Organization" }
                @match organizations.name_of(session) {
                    Some(name) => span class="pill accent" { (name) },
                    None => span class="pill" { "none" },
                }
            }
            @if let Some(id) = current { p class="mono" { (id) } }
            @if !alone {
                form method="post" action="/organization" {
                    div {
                        label for="organization" { "Switch to" }
                        div class="row" {
                            @if known.is_empty() {
                                input id="organization" name="id" required pattern="org_[A-Za-z0-9]+" placeholder="org_…" autocomplete="off" spellcheck="false";
                            } @else {
                                select id="organization" name="id" {
                                    @for one in known.iter().filter(|one| Some(one.id.as_str()) != current) {
                                        option value=(one.id) { (one.name) }
                                    }
                                }
                            }
                            button class="button plain" { "Switch" }
                        }
                    }
                }
            }
        }
    }
}
