//! Publishing what none of our programs would.

use lapin::{
    BasicProperties, Channel, Confirmation, Connection, ConnectionProperties,
    options::{BasicPublishOptions, ConfirmSelectOptions},
    types::{AMQPValue, FieldTable},
    uri::AMQPUri,
};
use shared::config::QueueSettings;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::shop::Shop;

/// Address of the broker, without a limit for frames but the broker's own.
pub fn wide_address(shop: &Shop) -> AMQPUri {
    let QueueSettings::RabbitMq { uri, .. } = &shop.stack.queue else {
        panic!("no broker")
    };
    uri.wide().expose()
}

/// A connection whose channel confirms: what lapin has not sent when it closes is lost.
pub async fn connect(address: AMQPUri) -> (Connection, Channel) {
    let connection = Connection::connect_uri(address, ConnectionProperties::default());
    let connection = connection.await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = ConfirmSelectOptions::default();
    channel.confirm_select(options).await.unwrap();
    (connection, channel)
}

pub async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) {
    let (exchange, key, options) = (exchange.into(), key.into(), BasicPublishOptions::default());
    let published = channel.basic_publish(exchange, key, options, body, properties);
    let confirmed = published.await.unwrap().await.unwrap();
    assert_eq!(confirmed, Confirmation::Ack(None));
}

/// Publishes `headers` beside a body, with the largest frames that the broker allows.
pub async fn publish_large(shop: &Shop, exchange: &str, key: &str, size: usize, id: &str) {
    let (connection, channel) = connect(wide_address(shop)).await;
    let mut headers = FieldTable::default();
    let long = "x".repeat(size);
    headers.insert("x-attack".into(), AMQPValue::LongString(long.into()));
    headers.insert("bookonce-schema".into(), AMQPValue::LongLongInt(1));
    let properties = BasicProperties::default()
        .with_type("stripe.event".into())
        .with_message_id(id.into())
        .with_delivery_mode(2)
        .with_headers(headers);
    publish(&channel, exchange, key, b"{}", properties).await;
    connection.close(200, "done".into()).await.unwrap();
}

/// Publishes through a proxy that puts bytes which are no UTF-8 in place of each `NO-TEXT`: no client
/// would send them by itself, and no broker minds.
pub async fn publish_no_text(shop: &Shop, exchange: &str, key: &str, properties: BasicProperties) {
    let mut address = wide_address(shop);
    let broker = (address.authority.host.clone(), address.authority.port);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    "127.0.0.1".clone_into(&mut address.authority.host);
    address.authority.port = listener.local_addr().unwrap().port();
    let proxy = tokio::spawn(async move {
        let (client, _) = listener.accept().await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let broker = TcpStream::connect(broker).await.unwrap();
        let (mut from_broker, mut to_broker) = broker.into_split();
        let back = tokio::spawn(async move {
            tokio::io::copy(&mut from_broker, &mut to_client).await.ok();
        });
        let mut buffer = vec![0; 256 * 1024];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let sent = &mut buffer[..length];
            while let Some(at) = sent.windows(7).position(|it| it == b"NO-TEXT") {
                sent[at..at + 7].fill(0xff);
            }
            to_broker.write_all(sent).await.unwrap();
        }
        back.abort();
    });
    let (connection, channel) = connect(address).await;
    publish(&channel, exchange, key, b"{}", properties).await;
    connection.close(200, "done".into()).await.unwrap();
    proxy.await.unwrap();
}
