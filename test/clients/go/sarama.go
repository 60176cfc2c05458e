package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/IBM/sarama"
)

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Consumer.Return.Errors = true
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	return c
}

func saramaProduce(o options) error {
	c := saramaConfig()
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Compression = saramaCodecs[o.codec]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	c.Producer.Return.Successes = true
	c.Producer.Flush.Frequency = 5 * time.Millisecond
	if o.idempotent {
		c.Producer.Idempotent = true
		c.Net.MaxOpenRequests = 1
	}
	producer, err := sarama.NewAsyncProducer([]string{o.bootstrap}, c)
	if err != nil {
		return err
	}
	records, err := input()
	if err != nil {
		return err
	}
	go func() {
		for index, r := range records {
			sent := &sarama.ProducerMessage{
				Topic: o.topic, Partition: r.Partition, Timestamp: time.UnixMilli(r.Timestamp), Metadata: index,
			}
			if r.Key != nil {
				sent.Key = sarama.ByteEncoder(r.Key)
			}
			if r.Value != nil {
				sent.Value = sarama.ByteEncoder(r.Value)
			}
			for _, h := range r.Headers {
				sent.Headers = append(sent.Headers, sarama.RecordHeader{Key: []byte(h.name), Value: h.value})
			}
			producer.Input() <- sent
		}
	}()
	var failed error
	for range records {
		select {
		case acked := <-producer.Successes():
			sayAcked(acked.Metadata.(int), acked.Partition, acked.Offset)
		case err := <-producer.Errors():
			failed = errors.Join(failed, err)
		}
	}
	return errors.Join(failed, producer.Close())
}

func saySarama(m *sarama.ConsumerMessage) {
	seen := record{
		Event: "record", Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp.UnixMilli(), Key: m.Key,
		Value: m.Value, Headers: []header{},
	}
	for _, h := range m.Headers {
		seen.Headers = append(seen.Headers, header{string(h.Key), h.Value})
	}
	say(seen)
}

func saramaConsume(o options) error {
	consumer, err := sarama.NewConsumer([]string{o.bootstrap}, saramaConfig())
	if err != nil {
		return err
	}
	defer consumer.Close()
	messages, errs := make(chan *sarama.ConsumerMessage), make(chan error)
	for p := range o.partitions {
		partition, err := consumer.ConsumePartition(o.topic, int32(p), sarama.OffsetOldest)
		if err != nil {
			return err
		}
		go func() {
			for m := range partition.Messages() {
				messages <- m
			}
		}()
		go func() {
			for err := range partition.Errors() {
				errs <- err
			}
		}()
	}
	for range o.count {
		select {
		case m := <-messages:
			saySarama(m)
		case err := <-errs:
			return err
		}
	}
	return nil
}

type saramaHandler struct {
	topic string
	mutex sync.Mutex
}

func (h *saramaHandler) Setup(s sarama.ConsumerGroupSession) error {
	sayAssigned(s.Claims()[h.topic])
	return nil
}

func (h *saramaHandler) Cleanup(sarama.ConsumerGroupSession) error {
	sayAssigned(nil)
	return nil
}

func (h *saramaHandler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			// One at a time over all partitions, so that what is committed has been printed.
			h.mutex.Lock()
			saySarama(m)
			s.MarkMessage(m, "")
			if len(claim.Messages()) == 0 {
				s.Commit()
				sayCommitted(map[int32]int64{m.Partition: m.Offset + 1})
			}
			h.mutex.Unlock()
		case <-s.Context().Done():
			return nil
		}
	}
}

func saramaMember(o options) error {
	c := saramaConfig()
	c.Consumer.Group.Session.Timeout = o.sessionTimeout
	c.Consumer.Group.Heartbeat.Interval = o.sessionTimeout / 8
	group, err := sarama.NewConsumerGroup([]string{o.bootstrap}, o.group, c)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		for err := range group.Errors() {
			select {
			case failed <- err:
			default:
			}
			cancel()
		}
	}()
	go func() {
		<-terminated()
		cancel()
	}()
	handler := &saramaHandler{topic: o.topic}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{o.topic}, handler); err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	err = group.Close()
	select {
	case cause := <-failed:
		return errors.Join(cause, err)
	default:
		return err
	}
}
