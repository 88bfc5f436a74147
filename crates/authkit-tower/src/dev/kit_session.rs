use std::{fmt, sync::Arc};

use authkit_emulator::{Emulator, TestSession, UserChange};
use http::{HeaderValue, Request, header};
use serde_json::Value;

use crate::dev::test_kit::browser_request;

/// A session of a [`TestKit`](crate::dev::TestKit)'s user: signed in at the emulator, with a cookie that the layer opens.
///
/// Changes are made at the emulator, so that a refresh confirms them: a role becomes the user's role, a claim becomes
/// the user's claim.
///
/// # Examples
///
/// ```
/// use authkit_tower::dev::TestKit;
/// use http::{Request, header::COOKIE};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), http::Error> {
/// let kit = TestKit::start().await;
/// kit.add_user("zoe@initech.test");
/// let zoe = kit.session("zoe@initech.test").organization("Globex").role("admin");
/// let request = Request::post("/reports").header(COOKIE, zoe.header()).body("{}")?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a session is used by its header, its requests or its token"]
pub struct KitSession {
    emulator: Arc<Emulator>,
    email: String,
    cookie_name: String,
    password: &'static str,
    session: TestSession,
}

impl KitSession {
    pub(super) fn new(
        emulator: Arc<Emulator>,
        email: &str,
        cookie_name: &str,
        password: &'static str,
    ) -> Self {
        let session = emulator.session(email);
        Self {
            emulator,
            email: email.to_owned(),
            cookie_name: cookie_name.to_owned(),
            password,
            session,
        }
    }

    /// Gives the user a role, with its permissions, in the session's organization. Outside an organization the user has
    /// the role without one.
    pub fn role(self, role: &str) -> Self {
        match self.organization_id() {
            Some(id) => {
                self.emulator.set_role(&self.email, &id, role);
                self.minted_in(Some(&id))
            }
            None => self.claim("role", role).claim("roles", vec![role]),
        }
    }

    /// Moves the session to an organization, named by id or by name; a user who is not in it becomes a `member`.
    ///
    /// # Panics
    ///
    /// If there is no such organization; `kit.emulator().people().add_organization(..)` adds one.
    pub fn organization(self, organization: &str) -> Self {
        let is_member = self.emulator.users().into_iter().any(|user| {
            user.email == self.email
                && user.memberships.iter().any(|membership| {
                    [&*membership.organization_id, &*membership.organization_name]
                        .contains(&organization)
                })
        });
        if !is_member {
            self.emulator.set_role(&self.email, organization, "member");
        }
        self.minted_in(Some(organization))
    }

    /// Gives the user a claim, such as `permissions`, in this access token and in those that follow.
    pub fn claim(self, name: &str, value: impl Into<Value>) -> Self {
        let change = UserChange::new().claim(name, value.into());
        self.emulator.people().change_user(&self.email, change);
        let organization = self.organization_id();
        self.minted_in(organization.as_deref())
    }

    /// Makes the access token expired since a minute, so that the next request refreshes it.
    pub fn expired(self) -> Self {
        self.with(TestSession::expired)
    }

    /// The value of a `Cookie` header that has the session.
    ///
    /// # Panics
    ///
    /// Never: a sealed session contains only characters that headers allow.
    pub fn header(&self) -> HeaderValue {
        let cookie = format!("{}={}", self.cookie_name, self.session.cookie(self.password));
        let mut header =
            HeaderValue::try_from(cookie).expect("a name and a value of a cookie are ASCII");
        header.set_sensitive(true);
        header
    }

    /// What the user's browser sends when the user opens the page at `path`.
    ///
    /// # Panics
    ///
    /// If `path` is not the path of a URL.
    pub fn browser_request(&self, path: &str) -> Request<String> {
        let mut request = browser_request(path);
        request.headers_mut().insert(header::COOKIE, self.header());
        request
    }

    /// The access token, for requests with `Authorization: Bearer`.
    pub fn access_token(&self) -> &str {
        self.session.access_token()
    }

    /// The session id, which [`Emulator::revoke`] takes.
    pub fn session_id(&self) -> &str {
        self.session.session_id()
    }

    fn organization_id(&self) -> Option<String> {
        self.session.claims()["org_id"].as_str().map(str::to_owned)
    }

    /// The same session with a token that reflects the present state.
    fn minted_in(self, organization: Option<&str>) -> Self {
        self.with(|session| match organization {
            Some(organization) => session.organization(organization),
            None => session.without_organization(),
        })
    }

    fn with(self, change: impl FnOnce(TestSession) -> TestSession) -> Self {
        Self { session: change(self.session), ..self }
    }
}

impl fmt::Debug for KitSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KitSession").field("session", &self.session).finish_non_exhaustive()
    }
}
