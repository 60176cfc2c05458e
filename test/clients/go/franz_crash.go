package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What both sides of the crash test have: they try again soon, for as long as it takes.
func franzPatient(o options) []kgo.Opt {
	return []kgo.Opt{
		kgo.SeedBrokers(o.bootstrap), kgo.MetadataMinAge(100 * time.Millisecond), kgo.MetadataMaxAge(time.Second),
		kgo.RetryBackoffFn(func(int) time.Duration { return 50 * time.Millisecond }),
		kgo.RequestRetries(1000), kgo.RetryTimeout(time.Minute), kgo.DialTimeout(2 * time.Second),
	}
}

// franzLoad produces numbered records to every partition in turn until SIGTERM: `<name>:<number in the partition>`. Its
// index in an acked event is that number. A record that the broker refuses for good ends it with an error. It produces at
// the rate asked for, save that it catches up after a wait.
func franzLoad(o options) error {
	c, err := kgo.NewClient(append(franzPatient(o), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.RequiredAcks(kgo.AllISRAcks()), kgo.MaxBufferedRecords(400), kgo.ProducerBatchMaxBytes(4096),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))...)
	if err != nil {
		return err
	}
	defer c.Close()
	asked := terminated()
	failed := make(chan error, 1)
	due := time.Now()
	for number := 0; ; number++ {
		for p := range int32(o.partitions) {
			select {
			case <-asked:
				return c.Flush(context.Background())
			case err := <-failed:
				return err
			default:
			}
			if o.rate > 0 {
				due = due.Add(time.Second / time.Duration(o.rate))
				time.Sleep(time.Until(due))
			}
			r := &kgo.Record{Topic: o.topic, Partition: p, Value: fmt.Appendf(nil, "%s:%d", o.name, number)}
			c.Produce(context.Background(), r, func(acked *kgo.Record, err error) {
				if err == nil {
					sayAcked(number, acked.Partition, acked.Offset)
					return
				}
				select {
				case failed <- fmt.Errorf("record %d of partition %d: %w", number, acked.Partition, err):
				default:
				}
			})
		}
	}
}

// franzFollow reads as a member of a group until SIGTERM and says what the broker has taken of its commits.
func franzFollow(o options) error {
	c, err := kgo.NewClient(append(franzPatient(o), kgo.ConsumerGroup(o.group), kgo.ConsumeTopics(o.topic),
		kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(o.sessionTimeout), kgo.HeartbeatInterval(o.sessionTimeout/8),
		kgo.FetchMaxWait(500*time.Millisecond))...)
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
		for _, e := range fetches.Errors() {
			if lost := (*kgo.ErrDataLoss)(nil); errors.As(e.Err, &lost) {
				return e.Err
			}
			fmt.Fprintln(os.Stderr, "fetch:", e.Partition, e.Err)
		}
		offsets := make(map[int32]int64)
		fetches.EachRecord(func(r *kgo.Record) {
			sayFranz(r)
			offsets[r.Partition] = r.Offset + 1
		})
		if len(offsets) == 0 {
			continue
		}
		if err := c.CommitRecords(ctx, fetches.Records()...); err != nil {
			fmt.Fprintln(os.Stderr, "commit:", err)
			continue
		}
		sayCommitted(offsets)
	}
}
