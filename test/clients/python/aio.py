"""aiokafka behind the common command line of the client programs (program.ts)."""

import asyncio
import signal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition

from protocol import main, records, say, say_record


async def produce(options):
    producer = AIOKafkaProducer(
        bootstrap_servers=options.bootstrap,
        compression_type=None if options.codec == "none" else options.codec,
        acks="all",
        enable_idempotence=options.idempotent,
        linger_ms=5,
    )
    await producer.start()
    sent = [
        await producer.send(
            options.topic,
            value=record["value"],
            key=record["key"],
            headers=record["headers"],
            partition=record["partition"],
            timestamp_ms=record["timestamp"],
        )
        for record in records()
    ]
    for index, acked in enumerate(await asyncio.gather(*sent)):
        say("acked", index=index, partition=acked.partition, offset=acked.offset)
    await producer.stop()


def say_message(message):
    say_record(message.partition, message.offset, message.timestamp, message.key, message.value, message.headers)


async def consume(options):
    consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap, group_id=None, auto_offset_reset="earliest")
    await consumer.start()
    partitions = [TopicPartition(options.topic, p) for p in range(options.partitions)]
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    left = options.count
    while left > 0:
        for messages in (await consumer.getmany(timeout_ms=1000)).values():
            for message in messages:
                say_message(message)
                left -= 1
    await consumer.stop()


class Listener(ConsumerRebalanceListener):
    async def on_partitions_assigned(self, assigned):
        say("assigned", partitions=[each.partition for each in assigned])

    async def on_partitions_revoked(self, revoked):
        say("assigned", partitions=[])


async def member(options):
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked.set)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        enable_auto_commit=False,
        auto_offset_reset=options.reset,
        session_timeout_ms=options.session_timeout_ms,
        heartbeat_interval_ms=options.session_timeout_ms // 8,
        max_poll_interval_ms=20000,
    )
    consumer.subscribe([options.topic], listener=Listener())
    await consumer.start()
    while not asked.is_set():
        offsets = {}
        for partition, messages in (await consumer.getmany(timeout_ms=200)).items():
            for message in messages:
                say_message(message)
                offsets[partition] = message.offset + 1
        if offsets:
            await consumer.commit(offsets)
            say("committed", offsets={partition.partition: offset for partition, offset in offsets.items()})
    await consumer.stop()


def running(verb):
    return lambda options: asyncio.run(verb(options))


main(produce=running(produce), consume=running(consume), member=running(member))
