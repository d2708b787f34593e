//! Making sure that the broker has our exchanges and queues, as a user who may declare them or who may not.

use lapin::{Connection, ErrorKind};

use crate::queue::{OpenError, topology::Topology};

/// AMQP's code for what a user may not do.
const ACCESS_REFUSED: u16 = 403;
/// AMQP's code for what is not there.
const NOT_FOUND: u16 = 404;

/// Declares what is missing; as a user who may not, sees that nothing is.
pub(in crate::queue) async fn ensure(
    connection: &Connection,
    topology: &Topology,
) -> Result<(), OpenError> {
    let mut channel = connection.create_channel().await?;
    match topology.declare(&channel).await {
        Err(error) if is_refused(&error) => {
            // On another channel: the refusal has closed that one.
            channel = connection.create_channel().await?;
            topology.check(&channel).await.map_err(missing)?;
        }
        declared => declared.map_err(OpenError::from_declare)?,
    }
    // All is there; a channel that cannot be closed ends with its connection.
    channel.close(200, "done".into()).await.ok();
    Ok(())
}

/// Whether the user may not do it.
pub(in crate::queue) fn is_refused(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(problem) if problem.get_id() == ACCESS_REFUSED)
}

/// What is not there, for one who may not declare it.
pub(in crate::queue) fn missing(error: lapin::Error) -> OpenError {
    match error.kind() {
        ErrorKind::ProtocolError(problem) if problem.get_id() == NOT_FOUND => {
            OpenError::Missing(problem.get_message().to_string())
        }
        _ => OpenError::Broker(error),
    }
}
