// A second opinion on the wire format: franz-go's kmsg, driven over stdin and stdout.
//
// Each task is a uint32 length and then: op (uint8), api key (int16), version (int16), direction (uint8; 0 request,
// 1 response), payload. Ops: 0 decodes the payload with kmsg and answers with kmsg's encoding of what it read; 1 answers
// with the encoding of a random message, the payload being an int64 seed; 2 does the same as 0 with a record that begins
// with its version, the API key being its place in `records`.
//
// Each answer is a uint32 length and then: status (uint8; 0 fine, 1 kmsg does not know this API or version, 2 failed),
// payload (for status 2 the reason).
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"reflect"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fine    = 0
	unknown = 1
	failed  = 2
)

type message interface {
	SetVersion(int16)
	MaxVersion() int16
	AppendTo([]byte) []byte
	ReadFrom([]byte) error
}

// record is a key or value of a coordinator's topic, or what consumers exchange through one.
type record interface {
	AppendTo([]byte) []byte
	ReadFrom([]byte) error
}

var records = []func() record{
	func() record { return new(kmsg.OffsetCommitKey) },
	func() record { return new(kmsg.OffsetCommitValue) },
	func() record { return new(kmsg.GroupMetadataKey) },
	func() record { return new(kmsg.GroupMetadataValue) },
	func() record { return new(kmsg.TxnMetadataKey) },
	func() record { return new(kmsg.TxnMetadataValue) },
	func() record { return new(kmsg.ConsumerMemberMetadata) },
	func() record { return new(kmsg.ConsumerMemberAssignment) },
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriterSize(os.Stdout, 1<<20)
	defer out.Flush()
	for {
		var size uint32
		if err := binary.Read(in, binary.BigEndian, &size); err != nil {
			if errors.Is(err, io.EOF) {
				return
			}
			fatal(err)
		}
		task := make([]byte, size)
		if _, err := io.ReadFull(in, task); err != nil {
			fatal(err)
		}
		status, payload := answer(task)
		var head [5]byte
		binary.BigEndian.PutUint32(head[:], uint32(1+len(payload)))
		head[4] = status
		out.Write(head[:])
		out.Write(payload)
	}
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func answer(task []byte) (status byte, payload []byte) {
	defer func() {
		if r := recover(); r != nil {
			status, payload = failed, []byte(fmt.Sprint(r))
		}
	}()
	if len(task) < 6 {
		return failed, []byte("task too short")
	}
	op := task[0]
	key := int16(binary.BigEndian.Uint16(task[1:]))
	version := int16(binary.BigEndian.Uint16(task[3:]))
	direction := task[5]
	body := task[6:]
	if op == 2 {
		r := records[key]()
		if err := r.ReadFrom(body); err != nil {
			return failed, []byte(err.Error())
		}
		return fine, r.AppendTo(nil)
	}
	m := newMessage(key, direction)
	if m == nil || version > m.MaxVersion() {
		return unknown, nil
	}
	m.SetVersion(version)
	switch op {
	case 0:
		if err := m.ReadFrom(body); err != nil {
			return failed, []byte(err.Error())
		}
	case 1:
		fill(reflect.ValueOf(m).Elem(), rand.New(rand.NewSource(int64(binary.BigEndian.Uint64(body)))))
		m.SetVersion(version)
	}
	return fine, m.AppendTo(nil)
}

func newMessage(key int16, direction byte) message {
	if direction == 0 {
		if request := kmsg.RequestForKey(key); request != nil {
			return request
		}
		return nil
	}
	if response := kmsg.ResponseForKey(key); response != nil {
		return response
	}
	return nil
}

// fill puts random values everywhere but into the version and the unknown tags.
func fill(v reflect.Value, random *rand.Rand) {
	switch v.Kind() {
	case reflect.Struct:
		for i := 0; i < v.NumField(); i++ {
			if name := v.Type().Field(i).Name; name != "Version" && name != "UnknownTags" {
				fill(v.Field(i), random)
			}
		}
	case reflect.Pointer:
		if random.Intn(3) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), random)
	case reflect.Slice:
		if random.Intn(4) == 0 {
			v.SetZero()
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), random.Intn(4), 4))
		for i := 0; i < v.Len(); i++ {
			fill(v.Index(i), random)
		}
	case reflect.Array:
		for i := 0; i < v.Len(); i++ {
			fill(v.Index(i), random)
		}
	case reflect.Bool:
		v.SetBool(random.Intn(2) == 0)
	case reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(random.Int63()>>uint(random.Intn(64)) - random.Int63()>>uint(random.Intn(64)))
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		v.SetUint(random.Uint64())
	case reflect.Float64:
		v.SetFloat(random.NormFloat64())
	case reflect.String:
		const letters = "abcdefgh-0123456789 äß€😀"
		var s strings.Builder
		for n := random.Intn(60); n > 0; n-- {
			runes := []rune(letters)
			s.WriteRune(runes[random.Intn(len(runes))])
		}
		v.SetString(s.String())
	default:
		panic("cannot fill a " + v.Kind().String())
	}
}
