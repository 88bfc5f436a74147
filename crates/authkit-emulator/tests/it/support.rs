use std::collections::HashMap;

use authkit_emulator::{Emulator, EmulatorBuilder, SignIn};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use reqwest::{Client, Response, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use url::Url;

pub(crate) const CALLBACK: &str = "http://localhost:3000/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const ACME: &str = "org_01ACME0000000000000000000";
pub(crate) const GLOBEX: &str = "org_01GLOBEX00000000000000000";

/// An emulator and a client that follows no redirects.
pub(crate) struct Stage {
    pub(crate) emulator: Emulator,
    pub(crate) http: Client,
}

/// An answer with its JSON body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a 200.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }

    /// The status, and the code from wherever it is.
    pub(crate) fn error(&self) -> (u16, &str) {
        let code = self.body["error"].as_str().or(self.body["code"].as_str());
        (self.status, code.unwrap_or_default())
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Emulator::builder().sign_in(SignIn::Automatic)).await
    }

    pub(crate) async fn with(builder: EmulatorBuilder) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        Self { emulator: builder.start().await.unwrap(), http }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.emulator.url())
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    /// An authorization URL with what is required, and more.
    pub(crate) fn authorize_url(&self, more: &[(&str, &str)]) -> Url {
        let mut parameters = HashMap::from([
            ("response_type", "code"),
            ("client_id", self.emulator.client_id()),
            ("redirect_uri", CALLBACK),
            ("provider", "authkit"),
        ]);
        parameters.extend(more.iter().copied());
        parameters.retain(|_, value| !value.is_empty());
        Url::parse_with_params(&self.url("/user_management/authorize"), parameters).unwrap()
    }

    /// Where an authorization request leads to at once.
    pub(crate) async fn authorize(&self, more: &[(&str, &str)]) -> Url {
        let response = self.http.get(self.authorize_url(more)).send().await.unwrap();
        location(&response)
    }

    /// Submits the form of the sign-in page.
    pub(crate) async fn choose(&self, more: &[(&str, &str)], choice: &[(&str, &str)]) -> Response {
        self.http.post(self.authorize_url(more)).form(choice).send().await.unwrap()
    }

    pub(crate) async fn code(&self, more: &[(&str, &str)]) -> String {
        let location = self.authorize(more).await;
        parameter(&location, "code").unwrap_or_else(|| panic!("no code in {location}"))
    }

    /// Posts to `authenticate` with the API key as the client secret.
    pub(crate) async fn authenticate(&self, mut body: Value) -> Answer {
        body["client_secret"] = json!(self.emulator.api_key());
        self.authenticate_publicly(body).await
    }

    /// Posts to `authenticate` as a public client.
    pub(crate) async fn authenticate_publicly(&self, mut body: Value) -> Answer {
        body["client_id"] = json!(self.emulator.client_id());
        self.post("/user_management/authenticate", &body).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.http.post(self.url(path)).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn exchange(&self, code: &str) -> Answer {
        self.authenticate(json!({ "grant_type": "authorization_code", "code": code })).await
    }

    pub(crate) async fn refresh(&self, token: &str) -> Answer {
        self.authenticate(json!({ "grant_type": "refresh_token", "refresh_token": token })).await
    }

    pub(crate) async fn switch(&self, token: &str, organization_id: &str) -> Answer {
        let body = json!({ "grant_type": "refresh_token", "refresh_token": token, "organization_id": organization_id });
        self.authenticate(body).await
    }

    /// The claims of an access token, verified with the published key set by another implementation.
    pub(crate) async fn verify(&self, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
        let path = format!("/sso/jwks/{}", self.emulator.client_id());
        let keys: JwkSet = self.get(&path).await.json().await.unwrap();
        let header = decode_header(token)?;
        let kid = header.kid.unwrap_or_default();
        let Some(key) = keys.find(&kid) else {
            return Err(jsonwebtoken::errors::ErrorKind::InvalidToken.into());
        };
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[self.emulator.issuer()]);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        decode::<Value>(token, &DecodingKey::from_jwk(key)?, &validation).map(|token| token.claims)
    }
}

pub(crate) async fn answer(response: Response) -> Answer {
    let status = response.status().as_u16();
    let body = response.text().await.unwrap();
    Answer { status, body: serde_json::from_str(&body).unwrap_or(Value::String(body)) }
}

#[track_caller]
pub(crate) fn location(response: &Response) -> Url {
    assert_eq!(response.status(), StatusCode::FOUND);
    Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
}

pub(crate) fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

pub(crate) fn refresh_token(answer: &Value) -> &str {
    answer["refresh_token"].as_str().unwrap()
}

/// The claims of a token, unverified.
pub(crate) fn claims(answer: &Value) -> Value {
    let token = answer["access_token"].as_str().unwrap();
    jsonwebtoken::dangerous::insecure_decode::<Value>(token).unwrap().claims
}
