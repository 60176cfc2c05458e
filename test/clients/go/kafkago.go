package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
)

var kafkaGoCodecs = map[string]kafka.Compression{
	"none": 0, "gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

// place travels with a message through the writer.
type place struct {
	index     int
	partition int
}

func kafkaGoProduce(o options) error {
	if o.idempotent {
		return errors.New("kafka-go has no idempotent producer")
	}
	records, err := input()
	if err != nil {
		return err
	}
	var mutex sync.Mutex
	var failed error
	w := &kafka.Writer{
		Addr: kafka.TCP(o.bootstrap), Topic: o.topic, RequiredAcks: kafka.RequireAll, Compression: kafkaGoCodecs[o.codec],
		BatchTimeout: 10 * time.Millisecond,
		Balancer:     kafka.BalancerFunc(func(m kafka.Message, _ ...int) int { return m.WriterData.(place).partition }),
		Completion: func(messages []kafka.Message, err error) {
			mutex.Lock()
			defer mutex.Unlock()
			failed = errors.Join(failed, err)
			for _, m := range messages {
				if err == nil {
					sayAcked(m.WriterData.(place).index, int32(m.Partition), m.Offset)
				}
			}
		},
	}
	messages := make([]kafka.Message, 0, len(records))
	for index, r := range records {
		m := kafka.Message{
			Key: r.Key, Value: r.Value, Time: time.UnixMilli(r.Timestamp), WriterData: place{index, int(r.Partition)},
		}
		for _, h := range r.Headers {
			m.Headers = append(m.Headers, kafka.Header{Key: h.name, Value: h.value})
		}
		messages = append(messages, m)
	}
	if err := w.WriteMessages(context.Background(), messages...); err != nil {
		return err
	}
	err = w.Close()
	return errors.Join(failed, err)
}

func sayKafkaGo(m kafka.Message) {
	seen := record{
		Event: "record", Partition: int32(m.Partition), Offset: m.Offset, Timestamp: m.Time.UnixMilli(), Key: m.Key,
		Value: m.Value, Headers: []header{},
	}
	for _, h := range m.Headers {
		seen.Headers = append(seen.Headers, header{h.Key, h.Value})
	}
	say(seen)
}

func kafkaGoReader(o options, partition int, offset int64) (*kafka.Reader, error) {
	r := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{o.bootstrap}, Topic: o.topic, Partition: partition, MaxBytes: 10 << 20, MaxWait: time.Second,
	})
	return r, r.SetOffset(offset)
}

func kafkaGoConsume(o options) error {
	messages, errs := make(chan kafka.Message), make(chan error)
	for p := range o.partitions {
		r, err := kafkaGoReader(o, p, kafka.FirstOffset)
		if err != nil {
			return err
		}
		go func() {
			for {
				m, err := r.ReadMessage(context.Background())
				if err != nil {
					errs <- err
					return
				}
				messages <- m
			}
		}()
	}
	for range o.count {
		select {
		case m := <-messages:
			sayKafkaGo(m)
		case err := <-errs:
			return err
		}
	}
	return nil
}

// kafkaGoMember uses ConsumerGroup, which the group mode of kafka-go's Reader is made of, as it shows the assignment.
func kafkaGoMember(o options) error {
	group, err := kafka.NewConsumerGroup(kafka.ConsumerGroupConfig{
		ID: o.group, Brokers: []string{o.bootstrap}, Topics: []string{o.topic}, StartOffset: kafka.FirstOffset,
		SessionTimeout: o.sessionTimeout, HeartbeatInterval: o.sessionTimeout / 8, RebalanceTimeout: 20 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		<-terminated()
		cancel()
	}()
	for {
		generation, err := group.Next(ctx)
		if ctx.Err() != nil {
			return group.Close()
		}
		if err != nil {
			// As Reader does: Next goes on after an error, for instance while there is no coordinator yet.
			fmt.Fprintln(os.Stderr, "next generation:", err)
			continue
		}
		assigned := []int32{}
		for _, a := range generation.Assignments[o.topic] {
			assigned = append(assigned, int32(a.ID))
			generation.Start(func(ctx context.Context) {
				if err := kafkaGoRead(ctx, o, generation, a); err != nil {
					fail(err)
				}
			})
		}
		sayAssigned(assigned)
	}
}

func kafkaGoRead(ctx context.Context, o options, g *kafka.Generation, a kafka.PartitionAssignment) error {
	r, err := kafkaGoReader(o, a.ID, a.Offset)
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		m, err := r.ReadMessage(ctx)
		if errors.Is(err, kafka.ErrGenerationEnded) || errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		sayKafkaGo(m)
		if err := g.CommitOffsets(map[string]map[int]int64{o.topic: {a.ID: m.Offset + 1}}); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		sayCommitted(map[int32]int64{int32(a.ID): m.Offset + 1})
	}
}
