//! What a person sees.

use axum::response::{Html, IntoResponse, Response};
use http::{StatusCode, Uri};

use crate::state::State;

pub(crate) struct SignInPage<'a> {
    pub(crate) state: &'a State,
    pub(crate) uri: &'a Uri,
    pub(crate) problem: Option<&'a str>,
    pub(crate) signing_up: bool,
    pub(crate) organization_id: Option<&'a str>,
    pub(crate) login_hint: Option<&'a str>,
}

pub(crate) fn sign_in(page: &SignInPage<'_>) -> String {
    String::new()
}
pub(crate) fn choose_organization(state: &State, user_id: &str, uri: &Uri) -> String {
    String::new()
}
pub(crate) fn signed_out() -> String {
    String::new()
}
pub(crate) fn refusal(text: &str) -> Response {
    (StatusCode::BAD_REQUEST, Html(text.to_owned())).into_response()
}
