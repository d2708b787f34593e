//! One address before several ingresses, as a load balancer has.

use std::{net::SocketAddr, time::Duration};

use tokio::net::{TcpListener, TcpStream};

/// After a failure, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Has each connection to the address that it returns go to the next of `upstreams`, or to another if that one is
/// down. Of one alone it is the address.
pub async fn before(upstreams: &[SocketAddr]) -> anyhow::Result<SocketAddr> {
    if let [only] = upstreams {
        return Ok(*only);
    }
    let mut upstreams = upstreams.to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((client, _)) => {
                    upstreams.rotate_left(1);
                    tokio::spawn(forward(client, upstreams.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "A connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    });
    Ok(address)
}

async fn forward(mut client: TcpStream, upstreams: Vec<SocketAddr>) {
    for upstream in upstreams {
        if let Ok(mut server) = TcpStream::connect(upstream).await {
            // Either end may be killed at any time.
            tokio::io::copy_bidirectional(&mut client, &mut server)
                .await
                .ok();
            return;
        }
    }
}
