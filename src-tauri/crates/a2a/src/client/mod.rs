//! Calling an agent, directly or through a platform.
//!
//! Redirects are never followed (O-6) and no proxy of the environment is used: agents are dialled
//! where they said they are. Addresses may carry a capability, so none appears in an error, a
//! log line or a `Debug`.

mod call;
mod error;
mod events;
mod sent;

use std::{fmt, time::Duration};

use secrecy::{ExposeSecret, SecretString};

pub use error::ClientError;
pub use events::Events;
pub use sent::Sent;

use crate::{
    method::Method,
    version::Dialect,
    wire::{SendParams, Task, TaskParams},
};

/// The most that is read of an answer, and of one event of a stream (10 §9.6).
pub const ANSWER_LIMIT: usize = 10 * 1024 * 1024;

/// Connections, shared by all clients made from it.
#[derive(Clone, Debug)]
pub struct Http(reqwest::Client);

impl Http {
    /// Connections that are given `connect_timeout` to come about. There is no other limit: a turn may
    /// take long (S133).
    ///
    /// # Errors
    /// TLS could not be set up.
    pub fn new(connect_timeout: Duration) -> Result<Self, ClientError> {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(connect_timeout)
            .user_agent(concat!("molecule/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| ClientError::transport(&error))
    }

    /// A client of the agent at `url`.
    #[must_use]
    pub fn agent(&self, url: impl Into<String>) -> Client {
        Client { http: self.0.clone(), url: url.into(), bearer: None, workspace_id: None, dialect: Dialect::V03 }
    }
}

/// A client of one agent.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    bearer: Option<SecretString>,
    workspace_id: Option<String>,
    dialect: Dialect,
}

impl Client {
    /// The same with a bearer token.
    #[must_use]
    pub fn with_bearer(mut self, token: SecretString) -> Self {
        self.bearer = Some(token);
        self
    }

    /// The same, saying who asks (`X-Workspace-ID`).
    #[must_use]
    pub fn as_workspace(mut self, id: impl Into<String>) -> Self {
        self.workspace_id = Some(id.into());
        self
    }

    /// The same in this dialect. Results are read in either.
    #[must_use]
    pub const fn speaking(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sends a message and waits for the answer, for `deadline` where one is given.
    ///
    /// # Errors
    /// [`ClientError`]; an answer that was parked by a platform is not one but a kind of [`Sent`].
    pub async fn send(&self, params: &SendParams, deadline: Option<Duration>) -> Result<Sent, ClientError> {
        let response = self.call(Method::Send, params, deadline).await?;
        Sent::read(response).await
    }

    /// Sends a message and gives the answer as it comes.
    ///
    /// # Errors
    /// [`ClientError`], here for what goes wrong before the first event.
    pub async fn stream(&self, params: &SendParams) -> Result<Events, ClientError> {
        Events::open(self.call(Method::Stream, params, None).await?).await
    }

    /// Listens again to a task that runs.
    ///
    /// # Errors
    /// As [`Self::stream`].
    pub async fn resubscribe(&self, task: &TaskParams) -> Result<Events, ClientError> {
        Events::open(self.call(Method::Subscribe, task, None).await?).await
    }

    /// The task as it stands.
    ///
    /// # Errors
    /// [`ClientError::Rpc`] with code -32001 where there is none; else as [`Self::send`].
    pub async fn get_task(&self, task: &TaskParams) -> Result<Task, ClientError> {
        self.task(Method::GetTask, task).await
    }

    /// Asks that a task be stopped; the answer is the task as it stands then.
    ///
    /// # Errors
    /// [`ClientError::Rpc`] with code -32002 where it cannot be stopped; else as [`Self::send`].
    pub async fn cancel(&self, task: &TaskParams) -> Result<Task, ClientError> {
        self.task(Method::CancelTask, task).await
    }

    async fn task(&self, method: Method, params: &TaskParams) -> Result<Task, ClientError> {
        call::task(self.call(method, params, None).await?).await
    }

    fn authorised(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let request = match &self.bearer {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        match &self.workspace_id {
            Some(id) => request.header("X-Workspace-ID", id),
            None => request,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}
