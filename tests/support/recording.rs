//! What a service answers while secrets pass through it.

use std::cell::{Cell, RefCell};

use authkit_emulator::TestSession;
use bytes::Bytes;
use http::{Method, StatusCode, header};

use crate::{Answer, Browser, Running, Secrets};

/// A running service, its answers, and the secrets of the requests to it.
#[derive(Debug)]
pub struct Recording {
    /// The service.
    pub running: Running,
    /// Where this service and its replicas are.
    services: Vec<String>,
    flow: Cell<&'static str>,
    answers: RefCell<Vec<(&'static str, Answer)>>,
    secrets: RefCell<Secrets>,
}

impl Recording {
    /// Records the answers of a service, and those of its replicas at these URLs.
    pub fn of(running: Running, replicas: impl IntoIterator<Item = String>) -> Self {
        Self {
            services: [running.url("/")].into_iter().chain(replicas).collect(),
            running,
            flow: Cell::new("the start"),
            answers: RefCell::default(),
            secrets: RefCell::default(),
        }
    }

    /// Names the flow that the next answers belong to.
    pub fn begin(&self, flow: &'static str) {
        self.flow.set(flow);
    }

    /// Remembers a secret.
    pub fn keep(&self, kind: &'static str, secret: &str) {
        self.secrets.borrow_mut().add(kind, secret);
    }

    /// The secrets so far.
    pub fn secrets(&self) -> Secrets {
        self.secrets.borrow().clone()
    }

    /// Takes the answers out, each with its flow.
    pub fn take_answers(&self) -> Vec<(&'static str, Answer)> {
        self.answers.take()
    }

    /// Remembers an answer of the services, and the values of the cookies that it sets.
    pub fn note(&self, answer: Answer) -> StatusCode {
        let status = answer.status;
        if self.services.iter().any(|url| answer.url.as_str().starts_with(url)) {
            for field in answer.headers.get_all(header::SET_COOKIE) {
                let field = field.to_str().expect("a cookie is text");
                let pair = field.split_once(';').map_or(field, |(pair, _)| pair);
                let (_, value) = pair.split_once('=').expect("a cookie has a name");
                self.keep("cookie", value);
            }
            self.answers.borrow_mut().push((self.flow.get(), answer));
        }
        status
    }

    /// Navigates to a path without following redirects.
    pub async fn navigate(&self, browser: &Browser, path: &str) -> StatusCode {
        self.note(browser.navigate(&self.running.url(path)).await)
    }

    /// Sends a request of a script.
    pub async fn fetch(&self, browser: &Browser, method: Method, path: &str) -> StatusCode {
        self.note(browser.fetch(method, &self.running.url(path), "").await)
    }

    /// Navigates to a path, and follows redirects.
    pub async fn open(&self, browser: &Browser, path: &str) -> StatusCode {
        let mut url = self.running.url(path);
        for _ in 0..10 {
            let answer = browser.navigate(&url).await;
            let next = browser.target(&answer);
            let status = self.note(answer);
            if !status.is_redirection() {
                return status;
            }
            url = next.into();
        }
        panic!("more than ten redirects, the last to {url}");
    }

    /// Sends the request of a program that has this credential.
    pub async fn call(&self, kind: &'static str, credential: &str, path: &str) -> StatusCode {
        self.keep(kind, credential);
        let bearer = format!("Bearer {credential}");
        let fields = [("authorization", bearer.as_str())];
        let url = self.running.url(path);
        self.note(Browser::new().send(Method::GET, &url, fields, Bytes::new()).await)
    }

    /// A browser that has this session.
    pub fn holding(&self, session: &TestSession) -> Browser {
        let browser = self.running.holding(session);
        self.keep("access_token", session.access_token());
        self.keep("refresh_token", session.refresh_token());
        self.keep("email", session.payload()["user"]["email"].as_str().expect("the user has one"));
        self.keep("cookie", &browser.cookie("wos_session").expect("it was kept"));
        browser
    }
}
