// A consumer of bookonce.notifications: prints a line for everything that happens to a booking.
//
//   npm install amqplib
//   AMQP_URL=amqp://127.0.0.1 node consumer.js
//
// QUEUE_PREFIX is that of the services.

const amqp = require("amqplib");

const { AMQP_URL, QUEUE_PREFIX = "bookonce" } = process.env;
const exchange = `${QUEUE_PREFIX}.notifications`;
const queue = `${QUEUE_PREFIX}.site.node`;

// In a real site a table with the id as its key, written in the transaction of what you do.
const seen = new Set();

async function consume() {
  const connection = await amqp.connect(AMQP_URL);
  const channel = await connection.createChannel();
  // It keeps what happens while no consumer runs, also over a restart of the broker.
  await channel.assertQueue(queue, { durable: true, arguments: { "x-queue-type": "quorum" } });
  await channel.bindQueue(queue, exchange, "booking.*");
  // One at a time: what happened to a booking stays in its order.
  await channel.prefetch(1);
  await channel.consume(queue, (message) => {
    if (!message) throw new Error("the queue is gone");
    const { id, type, booking } = JSON.parse(message.content);
    if (!seen.has(id)) console.log(`${id} ${type} ${booking.reference}`);
    seen.add(id);
    // Only now: what is not acked comes again.
    channel.ack(message);
  });
}

consume().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
