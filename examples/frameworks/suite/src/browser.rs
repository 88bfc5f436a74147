use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, Response};

use crate::site::Site;

/// The browser of one user, which keeps the application's cookies.
#[derive(Debug)]
pub struct Browser<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    /// A browser without cookies.
    pub fn new(site: &'a Site) -> Self {
        Self { site, cookies: BTreeMap::new() }
    }

    /// Opens a page, follows redirects, and returns the last response and its address.
    pub async fn open(&mut self, path: &str) -> (String, Response<Bytes>) {
        let mut address = path.to_owned();
        for _ in 0..8 {
            let page = self.site.visit(&address, &self.header()).await;
            self.keep(&page);
            match page.headers().get("location") {
                Some(location) => address = location.to_str().unwrap().to_owned(),
                None => return (address, page),
            }
        }
        panic!("too many redirects: {address}")
    }

    /// Submits a form without fields, and does not follow redirects.
    pub async fn submit(&mut self, path: &str) -> Response<Bytes> {
        let form = Request::post(path)
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin")
            .header("sec-fetch-mode", "navigate")
            .header("sec-fetch-dest", "document")
            .header("cookie", self.header());
        let answer = self.site.ask(form.body(Bytes::new()).unwrap()).await;
        self.keep(&answer);
        answer
    }

    /// Whether the browser has a session cookie.
    pub fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("wos_session")
    }

    fn header(&self) -> String {
        let pairs: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Response<Bytes>) {
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}
