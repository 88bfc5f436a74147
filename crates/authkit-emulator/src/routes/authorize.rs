use std::sync::Arc;

use axum::{
    Form,
    extract::{Query, State},
    response::{IntoResponse, Response},
};
use http::{StatusCode, Uri, header};

use crate::{
    config::SignIn,
    pages::{self, Purpose, SignInPage},
    redirects,
    routes::authorization::{Authorization, Parameters, Refused},
    seed::is_address,
    state::{CodeOutcome, Shared, State as Emulation, User, events},
};

/// `GET /user_management/authorize`: the sign-in page, or in automatic mode the redirect to the application at once.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
) -> Response {
    let mut state = shared.lock();
    let request = match Authorization::parse(&parameters, &state) {
        Ok(request) => request,
        Err(refused) => return refused.into_response(),
    };
    match state.config.sign_in {
        SignIn::Interactive => page(&request, &state, &uri, None),
        SignIn::Automatic => sign_in_at_once(&request, &mut state),
    }
}

/// `POST /user_management/authorize`: the choice on the sign-in page. The query is still that of the application.
pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    Query(parameters): Query<Parameters>,
    Form(choice): Form<Parameters>,
) -> Response {
    let mut state = shared.lock();
    let request = match Authorization::parse(&parameters, &state) {
        Ok(request) => request,
        Err(refused) => return refused.into_response(),
    };
    let field =
        |name: &str| choice.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
    if let Some(failure) = field("fail") {
        return match Failure::named(failure) {
            Some(failure) => fail(&request, &mut state, failure),
            None => pages::refusal("The sign-in page offers no such failure."),
        };
    }
    let known = field("user").map(|id| state.directory.user(id).map(|user| user.id.clone()));
    let user_id = match (known, field("email")) {
        (Some(Some(user_id)), _) => user_id,
        (Some(None), _) => {
            return page(&request, &state, &uri, Some("That user no longer exists."));
        }
        (None, Some(email)) if is_address(email) => events::user_or_sign_up(&mut state, email),
        (None, Some(_) | None) => {
            return page(&request, &state, &uri, Some("Enter an e-mail address, or pick a user."));
        }
    };
    match organization_for(&request, &state, &user_id, field("organization")) {
        Ok(organization_id) => succeed(&request, &mut state, user_id, organization_id),
        Err(Selection::Needed) => match state.directory.user(&user_id) {
            Some(user) => pages::choose_organization(&state.directory, user, &uri),
            None => page(&request, &state, &uri, Some("That user no longer exists.")),
        },
        Err(Selection::NotAMember) => refuse(&request, Failure::NotAMember),
    }
}

enum Selection {
    Needed,
    NotAMember,
}

fn page(
    request: &Authorization<'_>,
    state: &Emulation,
    uri: &Uri,
    problem: Option<&str>,
) -> Response {
    let page = SignInPage {
        directory: &state.directory,
        uri,
        redirect_uri: request.redirect_uri,
        organization_id: request.organization_id,
        login_hint: request.login_hint,
        purpose: request.purpose,
        problem,
    };
    page.render()
}

fn sign_in_at_once(request: &Authorization<'_>, state: &mut Emulation) -> Response {
    let user_id = match request.login_hint {
        Some(email) if request.purpose == Purpose::SignUp && is_address(email) => {
            Some(events::user_or_sign_up(state, email))
        }
        Some(email) => state.directory.user_by_email(email).map(|user| user.id.clone()),
        None => {
            let belongs = |user: &&User| {
                request
                    .organization_id
                    .is_none_or(|id| state.directory.membership(&user.id, id).is_some())
            };
            state.directory.users().iter().find(belongs).map(|user| user.id.clone())
        }
    };
    let Some(user_id) = user_id else { return refuse(request, Failure::NoSuchUser) };
    let first = state
        .directory
        .organizations_of(&user_id)
        .first()
        .map(|organization| organization.id.clone());
    match organization_for(request, state, &user_id, first.as_deref()) {
        Ok(organization_id) => succeed(request, state, user_id, organization_id),
        Err(Selection::Needed | Selection::NotAMember) => refuse(request, Failure::NotAMember),
    }
}

/// The organization of the new session: the one that the request names, the one that the user chose, or the only one.
fn organization_for(
    request: &Authorization<'_>,
    state: &Emulation,
    user_id: &str,
    chosen: Option<&str>,
) -> Result<Option<String>, Selection> {
    let organizations = state.directory.organizations_of(user_id);
    let named = request.organization_id.or(chosen);
    match (named, organizations.as_slice()) {
        (Some(id), _) if state.directory.membership(user_id, id).is_some() => {
            Ok(Some(id.to_owned()))
        }
        (Some(_), _) => Err(Selection::NotAMember),
        (None, []) => Ok(None),
        (None, [only]) => Ok(Some(only.id.clone())),
        (None, _) => Err(Selection::Needed),
    }
}

fn succeed(
    request: &Authorization<'_>,
    state: &mut Emulation,
    user_id: String,
    organization_id: Option<String>,
) -> Response {
    let user = state.directory.user(&user_id);
    let method = match (request.provider, user.and_then(|user| user.oauth_provider.as_deref())) {
        (Some("authkit") | None, Some(provider)) => provider,
        (Some("authkit") | None, None) => "Password",
        (Some(provider), _) => provider,
    };
    let outcome = CodeOutcome::SignIn { user_id, organization_id, method: method.to_owned() };
    answer_with(request, state, outcome)
}

fn fail(request: &Authorization<'_>, state: &mut Emulation, failure: Failure) -> Response {
    match failure {
        Failure::ExchangeRefused => answer_with(request, state, CodeOutcome::Refused),
        Failure::ExchangeUnavailable => answer_with(request, state, CodeOutcome::Unavailable),
        Failure::AccessDenied
        | Failure::ServerError
        | Failure::NoSuchUser
        | Failure::NotAMember => refuse(request, failure),
    }
}

fn answer_with(
    request: &Authorization<'_>,
    state: &mut Emulation,
    outcome: CodeOutcome,
) -> Response {
    let now = state.now();
    let code = state.codes.issue(outcome, request.challenge.map(str::to_owned), now);
    let uri = redirects::with_query(request.redirect_uri, &request.with_state(&[("code", &code)]));
    (StatusCode::FOUND, [(header::LOCATION, uri)]).into_response()
}

fn refuse(request: &Authorization<'_>, failure: Failure) -> Response {
    let (error, description) = failure.error();
    Refused::Redirect(request.error_uri(error, description)).into_response()
}

/// The failures that the page offers, and those of automatic mode.
#[derive(Clone, Copy)]
enum Failure {
    AccessDenied,
    ServerError,
    ExchangeRefused,
    ExchangeUnavailable,
    NoSuchUser,
    NotAMember,
}

impl Failure {
    fn named(name: &str) -> Option<Self> {
        match name {
            "access_denied" => Some(Self::AccessDenied),
            "server_error" => Some(Self::ServerError),
            "exchange_refused" => Some(Self::ExchangeRefused),
            "exchange_unavailable" => Some(Self::ExchangeUnavailable),
            _ => None,
        }
    }

    fn error(self) -> (&'static str, &'static str) {
        match self {
            Self::AccessDenied => ("access_denied", "The user denied access."),
            Self::ServerError | Self::ExchangeRefused | Self::ExchangeUnavailable => {
                ("server_error", "An unexpected error occurred.")
            }
            Self::NoSuchUser => ("user_not_found", "There is no user with this address."),
            Self::NotAMember => ("access_denied", "The user is not a member of the organization."),
        }
    }
}
