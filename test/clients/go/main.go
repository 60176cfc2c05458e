// The Go clients behind the common command line of the client programs (program.ts): clients franz-go|sarama|kafka-go VERB …
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// options are the flags of all verbs.
type options struct {
	bootstrap, topic, codec, group, reset, name string
	idempotent                                  bool
	partitions, count, groups, rate             int
	sessionTimeout, heartbeat                   time.Duration
}

// record is one line of the protocol; nil bytes are null.
type record struct {
	Event      string   `json:"event,omitempty"`
	Partition  int32    `json:"partition"`
	Offset     int64    `json:"offset"`
	Timestamp  int64    `json:"timestamp"`
	Key        []byte   `json:"key"`
	Value      []byte   `json:"value"`
	Headers    []header `json:"headers"`
	Codec      string   `json:"codec,omitempty"`
	ProducerID *int64   `json:"producerId,omitempty"`
}

type header struct {
	name  string
	value []byte
}

func (h header) MarshalJSON() ([]byte, error) { return json.Marshal([]any{h.name, h.value}) }

func (h *header) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&h.name, &h.value})
}

type verbs map[string]func(options) error

var clients = map[string]verbs{
	"franz-go": {"produce": franzProduce, "consume": franzConsume, "member": franzMember, "load": franzLoad, "follow": franzFollow},
	"raw":      {"members": membersRun},
	"sarama":   {"produce": saramaProduce, "consume": saramaConsume, "member": saramaMember},
	"kafka-go": {"produce": kafkaGoProduce, "consume": kafkaGoConsume, "member": kafkaGoMember},
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: clients franz-go|sarama|kafka-go VERB FLAGS")
		os.Exit(2)
	}
	var o options
	flags := flag.NewFlagSet("clients", flag.ExitOnError)
	flags.StringVar(&o.bootstrap, "bootstrap", "", "host:port")
	flags.StringVar(&o.topic, "topic", "", "topic")
	flags.StringVar(&o.codec, "codec", "none", "compression")
	flags.StringVar(&o.group, "group", "", "group id")
	flags.StringVar(&o.name, "name", "", "load: whose records they are")
	flags.StringVar(&o.reset, "reset", "earliest", "where to start without a commit: earliest or none")
	flags.BoolVar(&o.idempotent, "idempotent", false, "produce with a producer id")
	flags.IntVar(&o.partitions, "partitions", 0, "partitions of the topic")
	flags.IntVar(&o.count, "count", 0, "records to read; members: of each group")
	flags.IntVar(&o.groups, "groups", 0, "members: groups")
	flags.IntVar(&o.rate, "rate", 0, "load: records a second; 0 as fast as it goes")
	flags.DurationVar(&o.heartbeat, "heartbeat", time.Second, "members: heartbeat interval")
	timeoutMs := flags.Int("session-timeout-ms", 6000, "session time-out")
	_ = flags.Parse(os.Args[3:])
	o.sessionTimeout = time.Duration(*timeoutMs) * time.Millisecond

	say(map[string]any{"event": "started", "pid": os.Getpid()})
	verb := clients[os.Args[1]][os.Args[2]]
	if verb == nil {
		fail(fmt.Errorf("no client %s with a verb %s", os.Args[1], os.Args[2]))
	}
	if err := verb(o); err != nil {
		fail(err)
	}
}

var stdout sync.Mutex

func say(event any) {
	line, err := json.Marshal(event)
	if err != nil {
		panic(err)
	}
	stdout.Lock()
	defer stdout.Unlock()
	_, _ = os.Stdout.Write(append(line, '\n'))
}

func sayAcked(index int, partition int32, offset int64) {
	say(map[string]any{"event": "acked", "index": index, "partition": partition, "offset": offset})
}

func sayAssigned(partitions []int32) {
	say(map[string]any{"event": "assigned", "partitions": append([]int32{}, partitions...)})
}

func sayCommitted(offsets map[int32]int64) {
	say(map[string]any{"event": "committed", "offsets": offsets})
}

func fail(err error) {
	say(map[string]any{"event": "error", "message": err.Error()})
	os.Exit(1)
}

// input reads the records to produce from stdin.
func input() ([]record, error) {
	var records []record
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r record
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, lines.Err()
}

// terminated receives once when the process is asked to end.
func terminated() <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	return signals
}
