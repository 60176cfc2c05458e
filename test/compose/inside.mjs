// A client in a container of the cluster's network: connects to one node by its inner listener, writes a record and prints
// the brokers that it was told of and what it read, as one line of JSON. Arguments: bootstrap address, topic.

import kafkajs from 'kafkajs';

const [bootstrap, topic] = process.argv.slice(2);
const kafka = new kafkajs.Kafka({ brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING });
const admin = kafka.admin();
await admin.connect();
await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
const { brokers } = await admin.describeCluster();
await admin.disconnect();
const producer = kafka.producer();
await producer.connect();
await producer.send({ topic, messages: [{ value: 'from inside' }] });
await producer.disconnect();
const consumer = kafka.consumer({ groupId: topic });
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
  eachMessage: async ({ message }) => {
    const addresses = brokers.map(({ host, port }) => `${host}:${port}`).sort();
    process.stdout.write(`${JSON.stringify({ addresses, read: String(message.value) })}\n`, () => process.exit(0));
  },
});
