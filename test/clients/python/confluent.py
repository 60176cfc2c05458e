"""confluent-kafka, and with it librdkafka, behind the common command line of the client programs (program.ts)."""

import confluent_kafka as ck

from protocol import main, records, say, say_record, terminated


def produce(options):
    producer = ck.Producer(
        {
            "bootstrap.servers": options.bootstrap,
            "compression.type": options.codec,
            "acks": "all",
            "enable.idempotence": options.idempotent,
            "linger.ms": 5,
        }
    )
    failed = []

    def delivered(index):
        def report(error, message):
            if error is not None:
                failed.append(f"record {index}: {error}")
            else:
                say("acked", index=index, partition=message.partition(), offset=message.offset())

        return report

    for index, record in enumerate(records()):
        producer.produce(
            options.topic,
            record["value"],
            record["key"],
            record["partition"],
            on_delivery=delivered(index),
            timestamp=record["timestamp"],
            headers=record["headers"],
        )
        producer.poll(0)
    left = producer.flush(50)
    if failed or left:
        raise RuntimeError(f"{left} records not acked; {'; '.join(failed[:5])}")


def say_message(message):
    say_record(
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers(),
    )


def consume(options):
    consumer = ck.Consumer({"bootstrap.servers": options.bootstrap, "group.id": "unused", "enable.auto.commit": False})
    consumer.assign([ck.TopicPartition(options.topic, p, ck.OFFSET_BEGINNING) for p in range(options.partitions)])
    left = options.count
    while left > 0:
        for message in consumer.consume(min(left, 500), 1.0):
            if message.error() is not None:
                raise ck.KafkaException(message.error())
            say_message(message)
            left -= 1
    consumer.close()


def member(options):
    asked = terminated()
    consumer = ck.Consumer(
        {
            "bootstrap.servers": options.bootstrap,
            "group.id": options.group,
            "enable.auto.commit": False,
            "auto.offset.reset": "error" if options.reset == "none" else options.reset,
            "session.timeout.ms": options.session_timeout_ms,
            "heartbeat.interval.ms": options.session_timeout_ms // 8,
        }
    )

    def assigned(_, partitions):
        say("assigned", partitions=[each.partition for each in partitions])

    def revoked(_, __):
        say("assigned", partitions=[])

    consumer.subscribe([options.topic], on_assign=assigned, on_revoke=revoked)
    try:
        while not asked.is_set():
            messages = consumer.consume(500, 0.2)
            if not messages:
                continue
            offsets = {}
            for message in messages:
                if message.error() is not None:
                    raise ck.KafkaException(message.error())
                say_message(message)
                offsets[message.partition()] = message.offset() + 1
            wanted = [ck.TopicPartition(options.topic, partition, offset) for partition, offset in offsets.items()]
            for taken in consumer.commit(offsets=wanted, asynchronous=False):
                if taken.error is not None:
                    raise ck.KafkaException(taken.error)
            say("committed", offsets=offsets)
    finally:
        # Leaves the group, also after an error.
        consumer.close()


main(produce=produce, consume=consume, member=member)
