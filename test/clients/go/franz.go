package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

var codecNames = []string{"none", "gzip", "snappy", "lz4", "zstd"}

func franzProduce(o options) error {
	settings := []kgo.Opt{
		kgo.SeedBrokers(o.bootstrap), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(franzCodecs[o.codec]), kgo.RequiredAcks(kgo.AllISRAcks()),
	}
	if !o.idempotent {
		settings = append(settings, kgo.DisableIdempotentWrite())
	}
	c, err := kgo.NewClient(settings...)
	if err != nil {
		return err
	}
	defer c.Close()
	records, err := input()
	if err != nil {
		return err
	}
	var failed error
	for index, r := range records {
		sent := &kgo.Record{
			Topic: o.topic, Partition: r.Partition, Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp),
		}
		for _, h := range r.Headers {
			sent.Headers = append(sent.Headers, kgo.RecordHeader{Key: h.name, Value: h.value})
		}
		c.Produce(context.Background(), sent, func(acked *kgo.Record, err error) {
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("record %d: %w", index, err))
				return
			}
			sayAcked(index, acked.Partition, acked.Offset)
		})
	}
	return errors.Join(c.Flush(context.Background()), failed)
}

func sayFranz(r *kgo.Record) {
	seen := record{
		Event: "record", Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMilli(), Key: r.Key,
		Value: r.Value, Headers: []header{}, Codec: codecNames[r.Attrs.CompressionType()], ProducerID: &r.ProducerID,
	}
	for _, h := range r.Headers {
		seen.Headers = append(seen.Headers, header{h.Key, h.Value})
	}
	say(seen)
}

func franzConsume(o options) error {
	offsets := make(map[int32]kgo.Offset)
	for p := range o.partitions {
		offsets[int32(p)] = kgo.NewOffset().AtStart()
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(o.bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{o.topic: offsets}))
	if err != nil {
		return err
	}
	defer c.Close()
	for left := o.count; left > 0; {
		fetches := c.PollFetches(context.Background())
		if err := fetches.Err(); err != nil {
			return err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			sayFranz(r)
			left--
		})
	}
	return nil
}

// franzMember keeps franz-go's own default assignor, cooperative-sticky: its callbacks bring only what changed.
func franzMember(o options) error {
	var mutex sync.Mutex
	var owned []int32
	change := func(add bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			mutex.Lock()
			defer mutex.Unlock()
			if add {
				owned = append(owned, topics[o.topic]...)
			} else {
				owned = slices.DeleteFunc(owned, func(p int32) bool { return slices.Contains(topics[o.topic], p) })
			}
			sayAssigned(owned)
		}
	}
	reset := kgo.NewOffset().AtStart()
	if o.reset == "none" {
		reset = kgo.NoResetOffset()
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(o.bootstrap), kgo.ConsumerGroup(o.group), kgo.ConsumeTopics(o.topic),
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), kgo.ConsumeResetOffset(reset),
		kgo.SessionTimeout(o.sessionTimeout), kgo.HeartbeatInterval(o.sessionTimeout/8),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)))
	if err != nil {
		return err
	}
	defer c.CloseAllowingRebalance()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-terminated()
		cancel()
	}()
	for {
		fetches := c.PollFetches(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err := fetches.Err(); err != nil {
			return err
		}
		offsets := make(map[int32]int64)
		fetches.EachRecord(func(r *kgo.Record) {
			sayFranz(r)
			offsets[r.Partition] = r.Offset + 1
		})
		if len(offsets) > 0 {
			if err := c.CommitRecords(context.Background(), fetches.Records()...); err != nil {
				return err
			}
			sayCommitted(offsets)
		}
		c.AllowRebalance()
	}
}
