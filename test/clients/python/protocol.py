"""What the Python clients share: flags, and events as JSON lines (see program.ts)."""

import argparse
import base64
import json
import os
import signal
import sys
import threading

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def flags():
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=("produce", "consume", "member"))
    for name in ("bootstrap", "topic", "group"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--codec", choices=CODECS, default="none")
    parser.add_argument("--reset", choices=("earliest", "none"), default="earliest")
    parser.add_argument("--idempotent", action="store_true")
    for name, default in (("partitions", 0), ("count", 0), ("session-timeout-ms", 6000)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


_stdout = threading.Lock()


def say(event, **fields):
    line = json.dumps({"event": event, **fields}, separators=(",", ":"))
    with _stdout:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def say_record(partition, offset, timestamp, key, value, headers):
    say(
        "record",
        partition=partition,
        offset=offset,
        timestamp=timestamp,
        key=encoded(key),
        value=encoded(value),
        headers=[[name, encoded(content)] for name, content in headers or []],
    )


def records():
    """The records to produce, from stdin, with bytes for base64."""
    for line in sys.stdin:
        record = json.loads(line)
        record["key"] = decoded(record["key"])
        record["value"] = decoded(record["value"])
        record["headers"] = [(name, decoded(content)) for name, content in record["headers"]]
        yield record


def encoded(content):
    return None if content is None else base64.b64encode(content).decode()


def decoded(text):
    return None if text is None else base64.b64decode(text)


def terminated():
    """An event that SIGTERM sets."""
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    return asked


def main(**verbs):
    """Runs the verb of the command line; any error is the last event, and exit code 1."""
    options = flags()
    say("started", pid=os.getpid())
    try:
        verbs[options.verb](options)
    except Exception as error:
        say("error", message=f"{type(error).__name__}: {error}")
        raise
