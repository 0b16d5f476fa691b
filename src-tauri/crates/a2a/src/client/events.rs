//! An answer as it comes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures_util::{Stream, StreamExt as _, stream};
use reqwest::{Response, header::CONTENT_TYPE};

use super::{ANSWER_LIMIT, ClientError, call};
use crate::{
    sse::{self, Decoder},
    wire::Event,
};

/// The events of a stream. It ends after the first error, and when the agent ends it; whether that
/// was the end of the turn, the last event says ([`Event::is_last`]).
pub struct Events(Pin<Box<dyn Stream<Item = Result<Event, ClientError>> + Send>>);

impl Events {
    /// An agent that answers with plain JSON gives a stream of one event.
    pub(super) async fn open(response: Response) -> Result<Self, ClientError> {
        let streams = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim_start().starts_with(sse::CONTENT_TYPE));
        if streams {
            return Ok(Self(Box::pin(stream::unfold(Some(Reader::new(response)), step))));
        }
        let event = call::result(&call::body(response).await?)?;
        Ok(Self(Box::pin(stream::iter([Ok(event)]))))
    }
}

impl Stream for Events {
    type Item = Result<Event, ClientError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

struct Reader {
    response: Response,
    decoder: Decoder,
}

impl Reader {
    fn new(response: Response) -> Self {
        Self { response, decoder: Decoder::new(ANSWER_LIMIT) }
    }
}

type Step = Option<(Result<Event, ClientError>, Option<Reader>)>;

async fn step(reader: Option<Reader>) -> Step {
    let mut reader = reader?;
    loop {
        match reader.decoder.next_event() {
            Ok(Some(event)) => return Some(keep(call::result(event.data.as_bytes()), reader)),
            Ok(None) => {}
            Err(_) => return Some((Err(ClientError::TooLarge), None)),
        }
        match reader.response.chunk().await {
            Ok(Some(chunk)) => reader.decoder.feed(&chunk),
            Ok(None) => {
                let last = reader.decoder.finish()?;
                return Some((call::result(last.data.as_bytes()), None));
            }
            Err(error) => return Some((Err(ClientError::transport(&error)), None)),
        }
    }
}

fn keep(event: Result<Event, ClientError>, reader: Reader) -> (Result<Event, ClientError>, Option<Reader>) {
    let reader = event.is_ok().then_some(reader);
    (event, reader)
}
