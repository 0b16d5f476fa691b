//! Why a call has no answer.

use std::time::Duration;

use crate::jsonrpc::RpcError;

/// Why a call has no answer. No text of it names an address or a credential.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answered: refused, no such host, no TLS.
    #[error("the agent could not be reached")]
    Unreachable,
    /// The deadline passed.
    #[error("the agent did not answer in time")]
    Timeout,
    /// The connection broke after the request had been sent: the agent may have got it (O-22).
    #[error("the connection to the agent broke")]
    Broken,
    /// An HTTP status of 300 or more; redirects are among them.
    #[error("the request was refused with status {status}: {error}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body's `error`, or the status's usual words.
        error: String,
        /// The body's `code`, where it is a string.
        code: Option<String>,
        /// When it may be worth another try.
        retry_after: Option<Duration>,
    },
    /// The agent answered with a JSON-RPC error.
    #[error(transparent)]
    Rpc(Box<RpcError>),
    /// The answer, or one event of it, is larger than [`super::ANSWER_LIMIT`].
    #[error("the agent's answer is too large")]
    TooLarge,
    /// The answer is not what the protocol says.
    #[error("the agent's answer is not valid A2A")]
    Malformed,
}

impl ClientError {
    pub(super) fn transport(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            Self::Timeout
        } else if error.is_connect() || error.is_builder() {
            Self::Unreachable
        } else {
            Self::Broken
        }
    }
}
