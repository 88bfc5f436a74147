//! `/oauth2/authorize`: the page to which an application redirects its user.

use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, header};

use super::words;
use crate::{
    config::SignIn,
    pages::{self, Purpose, SignInPage},
    redirects,
    routes::authorization::Parameters,
    state::{
        Shared, State as Emulation,
        connect::{Application, ApplicationKind, Grant},
    },
};

/// An authorization request with a valid client and redirect URI.
struct ConnectAuthorization<'a> {
    application: &'a Application,
    redirect_uri: &'a str,
    state: Option<&'a str>,
    challenge: &'a str,
    scopes: Vec<String>,
    resource: Option<&'a str>,
    login_hint: Option<&'a str>,
}

/// `GET /oauth2/authorize`.
pub(in crate::routes) async fn authorize(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
) -> Response {
    let mut state = shared.lock();
    let request = match ConnectAuthorization::parse(&parameters, &state) {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    match state.config.sign_in {
        SignIn::Interactive => request.page(&state, &uri, None),
        SignIn::Automatic => {
            let user = match request.login_hint {
                Some(email) => state.directory.user_by_email(email),
                None => state.directory.users().first(),
            };
            match user.map(|user| user.id.clone()) {
                Some(user_id) => {
                    let granted = request.granted(&state, user_id);
                    granted.answer(&mut state)
                }
                None => request.error("access_denied", "There is no such user."),
            }
        }
    }
}

/// `POST /oauth2/authorize`: the form of the sign-in page.
pub(in crate::routes) async fn submit(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    Form(choice): Form<Parameters>,
) -> Response {
    let mut state = shared.lock();
    let request = match ConnectAuthorization::parse(&parameters, &state) {
        Ok(request) => request,
        Err(answer) => return *answer,
    };
    if choice.contains_key("fail") {
        return request.error("access_denied", "The user denied access.");
    }
    let named = choice.get("user").or_else(|| choice.get("email"));
    let user = named.and_then(|named| state.directory.user_named(named.trim()));
    match user.map(|user| user.id.clone()) {
        Some(user_id) => {
            let granted = request.granted(&state, user_id);
            granted.answer(&mut state)
        }
        None => request.page(&state, &uri, Some("Pick a user.")),
    }
}

impl<'a> ConnectAuthorization<'a> {
    fn parse(parameters: &'a Parameters, state: &'a Emulation) -> Result<Self, Box<Response>> {
        let field =
            |name: &str| parameters.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let client = field("client_id").and_then(|id| state.connect.application(id));
        let Some((application, redirect_uris)) = client.and_then(|client| match &client.kind {
            ApplicationKind::Public { redirect_uris } => Some((client, redirect_uris)),
            ApplicationKind::Machine { .. } => None,
        }) else {
            return Err(Box::new(pages::refusal(
                "The client_id is of no application that signs users in.",
            )));
        };
        let redirect_uri =
            field("redirect_uri").filter(|uri| redirect_uris.iter().any(|it| it == uri));
        let Some(redirect_uri) = redirect_uri else {
            return Err(Box::new(pages::refusal("The redirect_uri was not registered.")));
        };
        let request = Self {
            application,
            redirect_uri,
            state: field("state"),
            challenge: field("code_challenge").unwrap_or_default(),
            scopes: words(field("scope").unwrap_or("openid profile email")),
            resource: field("resource"),
            login_hint: field("login_hint"),
        };
        let refused = |error, description| Err(Box::new(request.error(error, description)));
        if field("response_type") != Some("code") {
            return refused("unsupported_response_type", "The response_type must be code.");
        }
        if request.challenge.len() != 43 || field("code_challenge_method") != Some("S256") {
            return refused("invalid_request", "A client without a secret needs PKCE by S256.");
        }
        if state.connect.audience(request.resource, &state.config.client_id).is_none() {
            return refused("invalid_target", "The resource is none of this environment's.");
        }
        Ok(request)
    }

    fn page(&self, state: &Emulation, uri: &Uri, problem: Option<&str>) -> Response {
        let page = SignInPage {
            directory: &state.directory,
            uri,
            redirect_uri: self.redirect_uri,
            organization_id: None,
            login_hint: self.login_hint,
            purpose: Purpose::SignIn,
            problem,
        };
        page.render()
    }

    fn error(&self, error: &str, description: &str) -> Response {
        let parameters = [("error", error), ("error_description", description)];
        back_to(self.redirect_uri, self.state, &parameters)
    }

    /// The grant of a user, without borrows from the request.
    fn granted(&self, state: &Emulation, user_id: String) -> Granted {
        let organization =
            state.directory.organizations_of(&user_id).first().map(|it| it.id.clone());
        Granted {
            grant: Grant {
                client_id: self.application.client_id.clone(),
                user_id,
                organization_id: organization,
                scopes: self.scopes.clone(),
                resource: self.resource.map(str::to_owned),
                consent: crate::ids::object_id("app_consent", state.now()),
            },
            redirect_uri: self.redirect_uri.to_owned(),
            state: self.state.map(str::to_owned),
            challenge: self.challenge.to_owned(),
        }
    }
}

/// A user's grant, and the redirect that carries its code.
struct Granted {
    grant: Grant,
    redirect_uri: String,
    state: Option<String>,
    challenge: String,
}

impl Granted {
    fn answer(self, state: &mut Emulation) -> Response {
        let now = state.now();
        let issuer = state.config.url.clone();
        let code = state.connect.issue_code(self.grant, &self.redirect_uri, &self.challenge, now);
        let parameters = [("code", code.as_str()), ("iss", &issuer)];
        back_to(&self.redirect_uri, self.state.as_deref(), &parameters)
    }
}

fn back_to(redirect_uri: &str, state: Option<&str>, parameters: &[(&str, &str)]) -> Response {
    let parameters: Vec<_> =
        parameters.iter().copied().chain(state.map(|state| ("state", state))).collect();
    let uri = redirects::with_query(redirect_uri, &parameters);
    (StatusCode::FOUND, [(header::LOCATION, uri)]).into_response()
}
