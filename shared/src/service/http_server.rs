//! Serving HTTP: an accept loop with the limits that `axum::serve` lacks.

mod received;

use std::{io::ErrorKind, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use self::received::Received;
use crate::{
    retry,
    service::connections::{Connection, Connections},
};

/// Of a request's head, and of what is read of its body at once.
const BUFFER_BYTES: usize = 16 * 1024;
/// The longest for a request's head, so that a client which dribbles bytes does not hold a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(14);
/// Connections that the kernel keeps until they are accepted.
const QUEUED: u32 = 4096;
/// For requests under way when the process is asked to stop.
const GRACE: Duration = Duration::from_secs(25);

/// Listens at `address`, with as many connections in the kernel's queue as the kernel allows: one that it drops there
/// comes again only after a second.
///
/// # Errors
///
/// The address is taken, or not of this machine.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A service that starts again need not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(QUEUED)
}

/// Serves `router` on `listener` until `shutdown`, then finishes the requests under way.
///
/// HTTP/1.1 only: what terminates TLS in front of us speaks it, and the check for HTTP/2
/// would read the first bytes without a timeout. Handlers find the peer in [`ConnectInfo`].
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    shutdown: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .max_buf_size(BUFFER_BYTES)
        .max_headers(64);
    let tasks = TaskTracker::new();

    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &connections) => accepted,
        };
        let Some((stream, peer, connection)) = accepted else {
            continue;
        };
        let (router, its) = (router.clone(), connection.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (router, connection) = (router.clone(), its.clone());
            async move {
                let mut request = request.map(|body| Body::new(Received::new(body, &connection)));
                request.extensions_mut().insert(ConnectInfo(peer));
                let response = router.oneshot(request).await;
                connection.wait();
                response
            }
        });
        let served = http
            .header_read_timeout(retry::spread_down(HEADER_TIMEOUT))
            .serve_connection(TokioIo::new(stream), service);
        let shutdown = shutdown.clone();
        tasks.spawn(async move {
            let mut served = pin!(served);
            let ended = tokio::select! {
                // First: a request that has come is not closed for another.
                biased;
                ended = served.as_mut() => ended,
                is_served = connection.gives_way() => {
                    if !is_served {
                        return;
                    }
                    served.as_mut().graceful_shutdown();
                    served.await
                }
                () = shutdown.cancelled() => {
                    served.as_mut().graceful_shutdown();
                    served.await
                }
            };
            // An error here is the client's: it went away or did not speak HTTP.
            if let Err(error) = ended {
                tracing::debug!(%error, "Connection ended early");
            }
        });
    }

    drop(listener);
    tasks.close();
    if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
        tracing::warn!("Requests were still running at the end of the grace period");
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
) -> Option<(TcpStream, SocketAddr, Arc<Connection>)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            let connection = connections.open(peer.ip()).await?;
            // Answers are small: without this, Nagle's algorithm holds them back.
            stream.set_nodelay(true).ok()?;
            Some((stream, peer, connection))
        }
        // The client has gone already.
        Err(error) if is_of_client(error.kind()) => None,
        Err(error) => {
            connections.cannot_accept(&error);
            // Connections that end will free files.
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

fn is_of_client(error: ErrorKind) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error,
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}
