//! Serving HTTP: an accept loop with the limits that `axum::serve` lacks.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections open at once. A proxy in front needs far fewer; beyond it, new ones wait.
const MAX_CONNECTIONS: usize = 10_000;
/// For a request's head, so that a client which dribbles bytes does not hold a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// For requests under way when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(25);

/// Serves `router` on `listener` until `shutdown`, then finishes the requests under way.
///
/// HTTP/1.1 only: what terminates TLS in front of us speaks it, and the check for HTTP/2
/// would read the first bytes without a timeout. Handlers find the peer in [`ConnectInfo`].
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(64);
    let connections = GracefulShutdown::new();
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));

    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &permits) => accepted,
        };
        let Some((stream, peer, permit)) = accepted else {
            continue;
        };
        let router = router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(Body::new))
        });
        let connection = connections.watch(http.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // An error here is the client's: it went away or did not speak HTTP.
            if let Err(error) = connection.await {
                tracing::debug!(%error, "Connection ended early");
            }
            drop(permit);
        });
    }

    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("Requests were still running at the end of the grace period");
    }
}

async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = permits.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small: without this, Nagle's algorithm holds them back.
            stream.set_nodelay(true).ok()?;
            Some((stream, peer, permit))
        }
        Err(error) => {
            // Out of file descriptors: connections that end will free some.
            tracing::error!(%error, "Cannot accept connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}
