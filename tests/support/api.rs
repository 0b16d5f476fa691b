//! The HTTP face as one caller sees it.

use std::time::Duration;

use reqwest::{
    Client, Method, RequestBuilder,
    header::{HeaderMap, HeaderName},
};
use serde_json::Value;

/// A client that follows nothing and asks no proxy.
pub fn client() -> Client {
    let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(60)).build().unwrap()
}

/// A caller: a base URL, and the bearer that goes with every request.
#[derive(Clone, Debug)]
pub struct Api {
    client: Client,
    base: String,
    bearer: Option<String>,
    headers: Vec<(String, String)>,
}

/// One whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    asked: String,
}

impl Api {
    pub fn new(base: impl Into<String>, bearer: Option<&str>) -> Self {
        Self::by(client(), base, bearer)
    }

    /// Over connections that others use too.
    pub fn by(client: Client, base: impl Into<String>, bearer: Option<&str>) -> Self {
        Self { client, base: base.into(), bearer: bearer.map(str::to_owned), headers: Vec::new() }
    }

    /// The same way in, with another credential.
    pub fn with_bearer(&self, bearer: &str) -> Self {
        Self { bearer: Some(bearer.to_owned()), ..self.clone() }
    }

    /// The same way in, without a credential.
    pub fn anonymous(&self) -> Self {
        Self { bearer: None, ..self.clone() }
    }

    /// The same caller, with one more header on every request.
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut more = self.clone();
        more.headers.push((name.to_owned(), value.to_owned()));
        more
    }

    pub fn base(&self) -> &str {
        &self.base
    }

    pub fn bearer(&self) -> Option<&str> {
        self.bearer.as_deref()
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let mut request = self.client.request(method, format!("{}{path}", self.base));
        if let Some(bearer) = &self.bearer {
            request = request.bearer_auth(bearer);
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request
    }

    /// Sends a request; `Err` when no whole answer came.
    pub async fn try_send(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = self.client.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await?.to_vec();
        Ok(Answer { status, headers, body, asked })
    }

    /// As [`Self::try_send`], for a task of its own.
    pub async fn try_send_owned(self, request: RequestBuilder) -> reqwest::Result<Answer> {
        self.try_send(request).await
    }

    /// As [`Self::try_send`], without reading the body of an answer that goes on for ever.
    pub async fn try_head(&self, request: RequestBuilder) -> reqwest::Result<Answer> {
        let request = request.build()?;
        let asked = format!("{} {}", request.method(), request.url().path());
        let response = self.client.execute(request).await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let endless = headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let body = if endless { Vec::new() } else { response.bytes().await?.to_vec() };
        Ok(Answer { status, headers, body, asked })
    }

    #[track_caller]
    pub fn send(&self, request: RequestBuilder) -> impl Future<Output = Answer> {
        let asked = std::panic::Location::caller();
        async move {
            let answer = self.try_send(request).await;
            answer.unwrap_or_else(|error| panic!("no answer (asked at {asked}): {error:?}"))
        }
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> {
        self.send(self.request(Method::GET, path))
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> impl Future<Output = Answer> {
        self.send(self.request(Method::POST, path).json(body))
    }

    #[track_caller]
    pub fn put(&self, path: &str, body: &Value) -> impl Future<Output = Answer> {
        self.send(self.request(Method::PUT, path).json(body))
    }

    #[track_caller]
    pub fn patch(&self, path: &str, body: &Value) -> impl Future<Output = Answer> {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    #[track_caller]
    pub fn delete(&self, path: &str) -> impl Future<Output = Answer> {
        self.send(self.request(Method::DELETE, path))
    }

    /// Exactly these bytes, said to be JSON.
    #[track_caller]
    pub fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> impl Future<Output = Answer> {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.into()))
    }
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: impl AsRef<str>) -> Option<&str> {
        self.headers.get(HeaderName::from_bytes(name.as_ref().as_bytes()).ok()?)?.to_str().ok()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The text that tells a person what was refused.
    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The body, if the status is as expected.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text());
        self.json()
    }
}
