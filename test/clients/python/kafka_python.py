"""kafka-python behind the common command line of the client programs (program.ts)."""

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from protocol import main, records, say, say_record, terminated


def produce(options):
    producer = KafkaProducer(
        bootstrap_servers=options.bootstrap,
        compression_type=None if options.codec == "none" else options.codec,
        acks="all",
        enable_idempotence=options.idempotent,
        linger_ms=20,
        # Batches that compress: kafka-python sends one uncompressed that would not get smaller.
        batch_size=1 << 18,
    )
    sent = [
        producer.send(
            options.topic,
            value=record["value"],
            key=record["key"],
            headers=record["headers"],
            partition=record["partition"],
            timestamp_ms=record["timestamp"],
        )
        for record in records()
    ]
    producer.flush(50)
    for index, future in enumerate(sent):
        acked = future.get(1)
        say("acked", index=index, partition=acked.partition, offset=acked.offset)
    producer.close()


def say_message(message):
    say_record(message.partition, message.offset, message.timestamp, message.key, message.value, message.headers)


def consume(options):
    consumer = KafkaConsumer(bootstrap_servers=options.bootstrap, group_id=None, auto_offset_reset="earliest")
    partitions = [TopicPartition(options.topic, p) for p in range(options.partitions)]
    consumer.assign(partitions)
    consumer.seek_to_beginning(*partitions)
    left = options.count
    while left > 0:
        for messages in consumer.poll(1000).values():
            for message in messages:
                say_message(message)
                left -= 1
    consumer.close()


class Listener(ConsumerRebalanceListener):
    def on_partitions_assigned(self, assigned):
        say("assigned", partitions=[each.partition for each in assigned])

    def on_partitions_revoked(self, revoked):
        say("assigned", partitions=[])


def member(options):
    asked = terminated()
    consumer = KafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset=options.reset,
        session_timeout_ms=options.session_timeout_ms,
        heartbeat_interval_ms=options.session_timeout_ms // 8,
        max_poll_interval_ms=20000,
    )
    consumer.subscribe([options.topic], listener=Listener())
    while not asked.is_set():
        offsets = {}
        for partition, messages in consumer.poll(200).items():
            for message in messages:
                say_message(message)
                offsets[partition] = OffsetAndMetadata(message.offset + 1, "", -1)
        if offsets:
            consumer.commit(offsets)
            say("committed", offsets={partition.partition: taken.offset for partition, taken in offsets.items()})
    consumer.close()


main(produce=produce, consume=consume, member=member)
