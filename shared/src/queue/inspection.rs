//! Looking at the broker: are the queues what they should be, and how much is in them?

use std::time::Duration;

use super::{
    OpenError, rabbitmq,
    topology::{Topology, declare_queue},
};
use crate::settings::QueueSettings;

/// For the look at one queue.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What was found.
#[derive(Debug)]
pub enum Inspection {
    /// There is no broker; the queue is in the database.
    Embedded,
    /// There is one.
    RabbitMq {
        /// Whether our exchanges and bindings are there, or why not.
        topology: Result<(), OpenError>,
        /// Its queues of ours.
        queues: Vec<InspectedQueue>,
    },
}

/// One queue.
#[derive(Debug)]
pub struct InspectedQueue {
    /// Its name.
    pub name: String,
    /// Messages that nobody has in hand, or why it cannot be used.
    pub messages: Result<u32, OpenError>,
}

/// Looks at every queue of ours. One that is missing is made.
///
/// # Errors
///
/// [`OpenError`] if the broker cannot be reached.
pub async fn inspect(settings: &QueueSettings) -> Result<Inspection, OpenError> {
    let QueueSettings::RabbitMq { uri, prefix } = settings else {
        return Ok(Inspection::Embedded);
    };
    let connection = rabbitmq::connect(uri, "doctor").await?;
    let topology = Topology::new(prefix);
    let declare = async {
        let channel = connection.create_channel().await?;
        topology
            .declare(&channel)
            .await
            .map_err(OpenError::from_declare)
    };
    let declared = tokio::time::timeout(TIMEOUT, declare).await;
    let declared = declared.unwrap_or(Err(OpenError::TimedOut(TIMEOUT)));
    let mut queues = Vec::new();
    for (name, arguments) in topology.queues() {
        // On a channel of its own: a refusal closes it.
        let look = async {
            let channel = connection.create_channel().await?;
            let declared = declare_queue(&channel, &name, arguments).await;
            declared.map_err(OpenError::from_declare)
        };
        let messages = tokio::time::timeout(TIMEOUT, look).await;
        let messages = messages.unwrap_or(Err(OpenError::TimedOut(TIMEOUT)));
        queues.push(InspectedQueue { name, messages });
    }
    Ok(Inspection::RabbitMq {
        topology: declared,
        queues,
    })
}
