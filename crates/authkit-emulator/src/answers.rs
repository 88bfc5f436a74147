//! The answers of WorkOS that are not a successful exchange: one row for each body.

mod elsewhere;
mod odd;
mod refused;
mod step_up;
mod transient;

use serde_json::Value;

use crate::{
    endpoint::Endpoint,
    fault::{Fault, Kind},
    grant::Grant,
};

/// An answer that a client has to understand; [`Fault::answer`] makes the emulator give it.
///
/// | names | what they are |
/// |---|---|
/// | `1` to `58` | the documented answers of `authenticate`, one name for each body (`31a`, `31b`); `10-code` and the like are variants of a body: with a member that is documented as optional, or with another text |
/// | `revoke-…`, `logout-…`, `jwks-…` | the answers of the other endpoints, by status |
/// | `odd-…` | undocumented bodies that a proxy or a later version could send: two discriminators, one of another type, a message alone |
///
/// Texts in messages are examples: no client may tell answers apart by them, except that of `22`, whose body has no other member.
///
/// # Examples
///
/// A test that goes through every answer:
///
/// ```
/// use authkit_emulator::Answer;
///
/// for answer in Answer::all() {
///     println!("{}: {:?} {:?}", answer.name(), answer.status(), answer.body());
/// }
/// assert_eq!(Answer::named("53").unwrap().status(), Some(429));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Answer {
    name: &'static str,
    endpoint: Endpoint,
    grants: &'static [Grant],
    content: Content,
}

#[derive(Clone, Copy, Debug)]
enum Content {
    Json(u16, &'static str),
    Text(u16, &'static str, &'static str),
    /// 200 without one of its members.
    Without(&'static str),
    ResetBefore,
    ResetAfter,
    Swallow,
}

impl Answer {
    /// Every answer: those of `authenticate` in the order of their numbers, then those of the other endpoints, then the odd ones.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        [refused::ROWS, step_up::ROWS, transient::ROWS, elsewhere::ROWS, odd::ROWS]
            .into_iter()
            .flatten()
    }

    /// The answer with this name, such as `1` or `revoke-400`.
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|answer| answer.name == name)
    }

    /// The answer's name, which [`Fault::answer`] takes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Whether WorkOS, or one of its SDKs, documents this answer.
    pub fn is_documented(&self) -> bool {
        !self.name.starts_with("odd-")
    }

    /// The endpoint that gives this answer; a [`Fault::answer`] applies to the same endpoint.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint
    }

    /// The grants that are known to get this answer; none, if it belongs only to grants that the emulator does not have.
    pub fn grants(&self) -> &'static [Grant] {
        self.grants
    }

    /// The status; `None` if there is no answer: the connection is reset, or stays open and silent.
    pub fn status(&self) -> Option<u16> {
        match self.content {
            Content::Json(status, _) | Content::Text(status, _, _) => Some(status),
            Content::Without(_) => Some(200),
            Content::ResetBefore | Content::ResetAfter | Content::Swallow => None,
        }
    }

    /// The body, if it is JSON that is the same every time.
    pub fn body(&self) -> Option<Value> {
        match self.content {
            Content::Json(_, body) => serde_json::from_str(body).ok(),
            Content::Text(..)
            | Content::Without(_)
            | Content::ResetBefore
            | Content::ResetAfter
            | Content::Swallow => None,
        }
    }

    pub(crate) fn fault(&self) -> Fault {
        let fault = match self.content {
            Content::Json(status, body) => text(status, "application/json", body),
            Content::Text(status, content_type, body) => text(status, content_type, body),
            Content::Without(member) => {
                Fault::fields(Value::Object(serde_json::Map::new())).without(member)
            }
            Content::ResetBefore => Fault::new(Kind::ResetBefore),
            Content::ResetAfter => Fault::new(Kind::ResetAfter),
            Content::Swallow => Fault::new(Kind::Swallow),
        };
        fault.on(self.endpoint)
    }

    const fn new(name: &'static str, grants: &'static [Grant], content: Content) -> Self {
        Self { name, endpoint: Endpoint::Authenticate, grants, content }
    }

    /// An answer of `authenticate` in JSON.
    const fn json(
        name: &'static str,
        grants: &'static [Grant],
        status: u16,
        body: &'static str,
    ) -> Self {
        Self::new(name, grants, Content::Json(status, body))
    }

    const fn at(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }
}

fn text(status: u16, content_type: &str, body: &'static str) -> Fault {
    Fault::status(status).header("content-type", content_type).body(body)
}

// Sets of grants: R is refresh, C is authorization code, O is the others.
const R: &[Grant] = &[Grant::RefreshToken];
const C: &[Grant] = &[Grant::AuthorizationCode];
const O: &[Grant] = &[Grant::Password, Grant::OrganizationSelection, Grant::EmailVerification];
const CO: &[Grant] = &[
    Grant::AuthorizationCode,
    Grant::Password,
    Grant::OrganizationSelection,
    Grant::EmailVerification,
];
const RO: &[Grant] =
    &[Grant::RefreshToken, Grant::Password, Grant::OrganizationSelection, Grant::EmailVerification];
const RC: &[Grant] = &[Grant::RefreshToken, Grant::AuthorizationCode];
const RCO: &[Grant] = &Grant::ALL;
/// Grants that the emulator does not have: device codes, second factors, text messages.
const ELSE: &[Grant] = &[];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_bodies_are_json() {
        let mut names = HashSet::new();
        for answer in Answer::all() {
            assert!(names.insert(answer.name), "{} is there twice", answer.name);
            assert!(
                answer.status().is_none_or(|status| (200..600).contains(&status)),
                "{}",
                answer.name
            );
            if let Content::Json(..) = answer.content {
                assert!(answer.body().is_some(), "{}", answer.name);
            }
        }
    }

    #[test]
    fn every_numbered_row_is_there() {
        let lettered = [(31, "abc"), (34, "ab"), (43, "abc"), (44, "ab"), (57, "ab")];
        let mut expected = Vec::new();
        for row in 1..=58 {
            match lettered.iter().find(|(number, _)| *number == row) {
                Some((_, letters)) => {
                    expected.extend(letters.chars().map(|letter| format!("{row}{letter}")))
                }
                None => expected.push(row.to_string()),
            }
        }
        let numbered =
            |answer: &&Answer| answer.name.starts_with(|first: char| first.is_ascii_digit());
        let plain = |answer: &&Answer| !answer.name.contains('-');
        let found: Vec<String> = Answer::all()
            .filter(numbered)
            .filter(plain)
            .map(|answer| answer.name.to_owned())
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn documented_bodies_have_one_discriminator_at_most() {
        for answer in Answer::all().filter(|answer| answer.is_documented()) {
            let Some(body) = answer.body() else { continue };
            assert!(body.get("error").is_none() || body.get("code").is_none(), "{}", answer.name);
            let text = if body.get("error").is_some() { "error_description" } else { "message" };
            let has_text = body[text].is_string() || answer.status() == Some(408);
            assert!(has_text || body.get("keys").is_some(), "{}: {body}", answer.name);
        }
    }
}
