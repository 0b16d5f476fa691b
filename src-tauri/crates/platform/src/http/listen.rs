//! The listener: one task a connection, and nobody is waited for who dawdles.
//!
//! A client that does not finish its head in time is hung up on; how long a body may take is the front door's
//! business. Both hold for idle connections too, which cost a client nothing but a new one.

use std::{io, pin::pin, time::Duration};

use axum::Router;
use hyper::server::conn::http1::Builder;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// After a failed accept: the system is out of files, and would be asked at once again.
const BREATHER: Duration = Duration::from_millis(200);

/// Serves until `stopping`, then lets open requests end.
pub async fn serve(listener: TcpListener, service: Router, stopping: CancellationToken, patience: Duration) {
    let connections = TaskTracker::new();
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience);
    loop {
        let stream = tokio::select! {
            biased;
            () = stopping.cancelled() => break,
            stream = accept(&listener) => stream,
        };
        let service = TowerToHyperService::new(service.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let stopping = stopping.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = stopping.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match try_accept(listener).await {
            Ok(stream) => return stream,
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be taken");
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

async fn try_accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY was not set");
    }
    Ok(stream)
}

/// The client is gone before it was taken; the next one is none the worse.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionRefused | ConnectionAborted | ConnectionReset)
}
