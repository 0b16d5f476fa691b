//! A gate between two that do not know each other: `GET /<key>` answers once somebody has said `POST /<key>`.

use std::{collections::HashSet, sync::Arc};

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::support::SOON;

/// Open until it is dropped.
pub struct Gate {
    url: String,
    serving: JoinHandle<()>,
}

impl Gate {
    pub async fn open() -> Self {
        let opened = Arc::new(watch::Sender::new(HashSet::<String>::new()));
        let (pass, say) = (Arc::clone(&opened), opened);
        let wait = move |Path(key): Path<String>| {
            let mut opened = pass.subscribe();
            async move {
                let found = opened.wait_for(|keys| keys.contains(&key));
                match tokio::time::timeout(SOON, found).await {
                    Ok(Ok(_)) => StatusCode::NO_CONTENT,
                    _ => StatusCode::GATEWAY_TIMEOUT,
                }
            }
        };
        let open = move |Path(key): Path<String>| {
            say.send_modify(|keys| _ = keys.insert(key));
            async { StatusCode::NO_CONTENT }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/{key}", get(wait).post(open));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, serving }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
