//! The body of a request as it comes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::service::connections::Connection;

/// Tells its connection when it has come whole.
pub(super) struct Received {
    body: Incoming,
    connection: Arc<Connection>,
}

impl Received {
    pub(super) fn new(body: Incoming, connection: &Arc<Connection>) -> Self {
        let received = Self {
            body,
            connection: connection.clone(),
        };
        received.tell();
        received
    }

    fn tell(&self) {
        if self.body.is_end_stream() {
            self.connection.serve();
        }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if frame.is_none() {
            self.connection.serve();
        } else {
            self.tell();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
