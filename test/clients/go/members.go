package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const replyTimeout = 30 * time.Second

// rawConn is one connection that carries one request at a time.
type rawConn struct {
	socket net.Conn
	reader *bufio.Reader
	format *kmsg.RequestFormatter
	serial int32
}

func dialRaw(address string) (*rawConn, error) {
	socket, err := net.DialTimeout("tcp", address, replyTimeout)
	if err != nil {
		return nil, err
	}
	format := kmsg.NewRequestFormatter(kmsg.FormatterClientID("members"))
	return &rawConn{socket: socket, reader: bufio.NewReaderSize(socket, 1024), format: format}, nil
}

// request sends one request at the version it has and waits for its response.
func (c *rawConn) request(request kmsg.Request) (kmsg.Response, error) {
	c.serial++
	if err := c.socket.SetDeadline(time.Now().Add(replyTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.socket.Write(c.format.AppendRequest(nil, request, c.serial)); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(c.reader, head[:]); err != nil {
		return nil, fmt.Errorf("%s: %w", kmsg.NameForKey(request.Key()), err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head[:])-4)
	if _, err := io.ReadFull(c.reader, body); err != nil {
		return nil, err
	}
	if serial := int32(binary.BigEndian.Uint32(head[4:])); serial != c.serial {
		return nil, fmt.Errorf("response %d to request %d", serial, c.serial)
	}
	if request.IsFlexible() {
		body = body[1:] // The response header's tags: none.
	}
	response := request.ResponseKind()
	response.SetVersion(request.GetVersion())
	return response, response.ReadFrom(body)
}

// rawMember is one member of a group: one connection, one goroutine.
type rawMember struct {
	crowd *crowd
	group string
	conn  *rawConn

	mutex      sync.Mutex // guards what follows
	id         string
	generation int32
	owned      []int32 // nil while it has no assignment
}

// crowd is all members of all groups, and what they met.
type crowd struct {
	options
	members   []*rawMember
	quit      chan struct{}
	beats     atomic.Int64
	mutex     sync.Mutex // guards what follows
	durations []time.Duration
	failures  []error
}

// membersRun holds groups × members members until SIGTERM, then has them all leave. Events: stable, once every group has
// all its members in one generation and every partition one owner; beating, each second; left, at the end.
func membersRun(o options) error {
	c := &crowd{options: o, quit: make(chan struct{})}
	for g := range o.groups {
		for range o.count {
			c.members = append(c.members, &rawMember{crowd: c, group: fmt.Sprintf("%s-%d", o.group, g)})
		}
	}
	asked := terminated()
	var running sync.WaitGroup
	for _, m := range c.members {
		running.Go(func() {
			if err := m.run(); err != nil {
				c.mutex.Lock()
				c.failures = append(c.failures, fmt.Errorf("%s: %w", m.group, err))
				c.mutex.Unlock()
			}
		})
	}
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	stable := false
	for ticks := 0; ; ticks++ {
		select {
		case <-asked:
			close(c.quit)
			running.Wait()
			slices.Sort(c.durations)
			p99 := time.Duration(0)
			if n := len(c.durations); n > 0 {
				p99 = c.durations[n*99/100]
			}
			say(map[string]any{"event": "left", "heartbeats": len(c.durations), "p99Ms": float64(p99.Microseconds()) / 1000})
			return errors.Join(c.failures...)
		case <-ticker.C:
			c.mutex.Lock()
			failed := errors.Join(c.failures...)
			c.mutex.Unlock()
			if failed != nil {
				return failed
			}
			if !stable && c.settled() {
				stable = true
				c.beats.Store(0)
				say(map[string]any{"event": "stable"})
			}
			if ticks%10 == 0 {
				say(map[string]any{"event": "beating", "heartbeats": c.beats.Load()})
			}
		}
	}
}

// settled tells whether each group has all members in one generation and every partition one owner.
func (c *crowd) settled() bool {
	owners := make(map[string]map[int32]bool)
	generations := make(map[string]int32)
	for _, m := range c.members {
		m.mutex.Lock()
		owned, generation := m.owned, m.generation
		m.mutex.Unlock()
		if known, found := generations[m.group]; owned == nil || found && known != generation {
			return false
		}
		generations[m.group] = generation
		if owners[m.group] == nil {
			owners[m.group] = make(map[int32]bool)
		}
		for _, p := range owned {
			if owners[m.group][p] {
				return false
			}
			owners[m.group][p] = true
		}
	}
	for _, owned := range owners {
		if len(owned) != c.partitions {
			return false
		}
	}
	return true
}

func (m *rawMember) run() (err error) {
	if m.conn, err = dialRaw(m.crowd.bootstrap); err != nil {
		return err
	}
	defer m.conn.socket.Close()
	if err := m.join(); err != nil {
		return err
	}
	// Heartbeats of a thousand members are spread over the interval as they are in real life: by when each joined.
	ticker := time.NewTicker(m.crowd.heartbeat)
	defer ticker.Stop()
	for {
		select {
		case <-m.crowd.quit:
			return m.leave()
		case <-ticker.C:
		}
		r := kmsg.NewPtrHeartbeatRequest()
		r.Version, r.Group, r.Generation, r.MemberID = 4, m.group, m.generation, m.id
		start := time.Now()
		response, err := m.conn.request(r)
		if err != nil {
			return err
		}
		took := time.Since(start)
		switch err := kerr.ErrorForCode(response.(*kmsg.HeartbeatResponse).ErrorCode); err {
		case nil:
			m.crowd.beats.Add(1)
			m.crowd.mutex.Lock()
			m.crowd.durations = append(m.crowd.durations, took)
			m.crowd.mutex.Unlock()
		case kerr.RebalanceInProgress:
			select {
			case <-m.crowd.quit: // It is the others that leave.
				return m.leave()
			default:
			}
			if err := m.join(); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// join joins and syncs until the member has an assignment.
func (m *rawMember) join() error {
	m.take(m.generation, nil)
	for {
		r := kmsg.NewPtrJoinGroupRequest()
		r.Version, r.Group, r.MemberID, r.ProtocolType = 7, m.group, m.id, "consumer"
		r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = int32(m.crowd.sessionTimeout.Milliseconds()), 30_000
		metadata := kmsg.NewConsumerMemberMetadata()
		metadata.Topics = []string{m.crowd.topic}
		protocol := kmsg.NewJoinGroupRequestProtocol()
		protocol.Name, protocol.Metadata = "range", metadata.AppendTo(nil)
		r.Protocols = append(r.Protocols, protocol)
		response, err := m.conn.request(r)
		if err != nil {
			return err
		}
		joined := response.(*kmsg.JoinGroupResponse)
		switch err := kerr.ErrorForCode(joined.ErrorCode); err {
		case nil:
		case kerr.MemberIDRequired: // KIP-394
			m.id = joined.MemberID
			continue
		case kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator, kerr.RebalanceInProgress:
			if err := m.find(); err != nil {
				return err
			}
			continue
		default:
			return fmt.Errorf("JoinGroup: %w", err)
		}
		m.id = joined.MemberID
		owned, err := m.sync(joined)
		if errors.Is(err, kerr.RebalanceInProgress) {
			continue
		}
		if err != nil {
			return fmt.Errorf("SyncGroup: %w", err)
		}
		m.take(joined.Generation, owned)
		return nil
	}
}

// find asks for the coordinator, which makes the broker create its topic, and gives it some time. There is one broker.
func (m *rawMember) find() error {
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.Version, r.CoordinatorKey = 3, m.group
	if _, err := m.conn.request(r); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	return nil
}

// sync brings the assignment when the member leads, and takes the member's own.
func (m *rawMember) sync(joined *kmsg.JoinGroupResponse) ([]int32, error) {
	r := kmsg.NewPtrSyncGroupRequest()
	r.Version, r.Group, r.Generation, r.MemberID = 5, m.group, joined.Generation, m.id
	r.ProtocolType, r.Protocol = kmsg.StringPtr("consumer"), joined.Protocol
	if joined.LeaderID == m.id {
		for index, member := range joined.Members {
			topic := kmsg.NewConsumerMemberAssignmentTopic()
			topic.Topic = m.crowd.topic
			for p := index; p < m.crowd.partitions; p += len(joined.Members) {
				topic.Partitions = append(topic.Partitions, int32(p))
			}
			assignment := kmsg.NewConsumerMemberAssignment()
			assignment.Topics = append(assignment.Topics, topic)
			group := kmsg.NewSyncGroupRequestGroupAssignment()
			group.MemberID, group.MemberAssignment = member.MemberID, assignment.AppendTo(nil)
			r.GroupAssignment = append(r.GroupAssignment, group)
		}
	}
	response, err := m.conn.request(r)
	if err != nil {
		return nil, err
	}
	synced := response.(*kmsg.SyncGroupResponse)
	if err := kerr.ErrorForCode(synced.ErrorCode); err != nil {
		return nil, err
	}
	var assignment kmsg.ConsumerMemberAssignment
	if err := assignment.ReadFrom(synced.MemberAssignment); err != nil {
		return nil, err
	}
	owned := []int32{}
	for _, topic := range assignment.Topics {
		owned = append(owned, topic.Partitions...)
	}
	return owned, nil
}

func (m *rawMember) take(generation int32, owned []int32) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.generation, m.owned = generation, owned
}

func (m *rawMember) leave() error {
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Version, r.Group = 4, m.group
	member := kmsg.NewLeaveGroupRequestMember()
	member.MemberID = m.id
	r.Members = append(r.Members, member)
	response, err := m.conn.request(r)
	if err != nil {
		return err
	}
	left := response.(*kmsg.LeaveGroupResponse)
	return errors.Join(kerr.ErrorForCode(left.ErrorCode), kerr.ErrorForCode(left.Members[0].ErrorCode))
}
