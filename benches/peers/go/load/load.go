// Package load is the load generator of the stacks in Go: the same closed loop, the same command line and
// the same line of JSON as that of the stacks in Rust (the crate load beside this module).
package load

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

const (
	// Name is what every message carries: 16 bytes.
	Name = "sixteen letters."
	// threads is how many run Go code at once, in each process.
	threads = 2
	// window is how many messages are under way on each stream both ways.
	window = 64
	// messages is how many a stream has before the next one begins.
	messages = 4000
	longest  = int64(time.Minute)
)

// Stack is what a program measures.
type Stack struct {
	Name string
	// OneClient is set where the stack has a pool that sees to connections.
	OneClient func(variant string) bool
	// Serve starts a server and returns where it listens.
	Serve func(variant string) (string, error)
	// Connect makes a client with one connection, or one with a pool.
	Connect func(variant, address string) (Connection, error)
}

// Connection is a client that is connected.
type Connection interface {
	// Echo sends a note and returns how long the payload of the answer is.
	Echo(name string, payload []byte) (int, error)
	// Count asks for a stream of notes, and tells each how long the payload of every one is.
	Count(count, size uint32, each func(int)) error
	// Chat opens a stream both ways.
	Chat() (Chat, error)
}

// Chat is a stream both ways.
type Chat interface {
	Send(name string, payload []byte) error
	// Receive returns how long the payload of the next note is, and io.EOF at the end.
	Receive() (int, error)
	CloseSend() error
}

// NoStreams are the methods of a connection that has none.
type NoStreams struct{}

// Count fails.
func (NoStreams) Count(uint32, uint32, func(int)) error { return errNoStreams }

// Chat fails.
func (NoStreams) Chat() (Chat, error) { return nil, errNoStreams }

var errNoStreams = fmt.Errorf("this stack has no streams")

// Main runs the half of the stack that the arguments name.
func Main(stack Stack) {
	runtime.GOMAXPROCS(threads)
	if err := run(stack, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", stack.Name, err)
		os.Exit(1)
	}
}

func run(stack Stack, arguments []string) error {
	options, err := parse(arguments)
	if err != nil {
		return err
	}
	if options.role == "server" {
		address, err := stack.Serve(options.variant)
		if err != nil {
			return err
		}
		fmt.Println(address)
		// Whoever started it holds its input open, so that it ends with them, however they end.
		_, _ = io.Copy(io.Discard, os.Stdin)
		return nil
	}
	outcome, err := options.measure(stack)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(outcome)
}

const (
	warmingUp = iota
	measuring
	over
)

// shards is in how many places it is counted, so that goroutines do not wait for each other.
const shards = 8

// tally is what was counted while calls were made.
type tally struct {
	phase    atomic.Int32
	counters [shards]counter
	failed   chan error
}

type counter struct {
	of    *tally
	mutex sync.Mutex
	ended int64
	times *hdrhistogram.Histogram
}

func histogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, 3) }

func newTally(calls int) *tally {
	t := &tally{failed: make(chan error, calls)}
	for index := range t.counters {
		t.counters[index].of, t.counters[index].times = t, histogram()
	}
	return t
}

// took says that a call or a message came to its end.
func (c *counter) took(time time.Duration) {
	if c.of.phase.Load() != measuring {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.ended++
	_ = c.times.RecordValue(min(max(int64(time), 1), longest))
}

// arrived says that a message came that nobody in particular waited for.
func (c *counter) arrived() {
	if c.of.phase.Load() != measuring {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.ended++
}

// total is what all of them counted.
func (t *tally) total() (int64, *hdrhistogram.Histogram) {
	ended, times := int64(0), histogram()
	for index := range t.counters {
		ended += t.counters[index].ended
		times.Merge(t.counters[index].times)
	}
	return ended, times
}

func (o options) measure(stack Stack) (*outcome, error) {
	connections, err := o.connect(stack)
	if err != nil {
		return nil, err
	}
	if o.workload.held() {
		return o.hold(connections, stack)
	}
	counted := newTally(o.workload.inFlight)
	var calls sync.WaitGroup
	for call := range o.workload.inFlight {
		calls.Add(1)
		go func() {
			defer calls.Done()
			if err := o.workload.repeat(connections[call%len(connections)], &counted.counters[call%shards]); err != nil {
				counted.failed <- err
			}
		}()
	}
	if err := counted.wait(o.warmUp); err != nil {
		return nil, err
	}
	ownBefore, serverBefore := cpu(0), o.serverCPU()
	begun := time.Now()
	counted.phase.Store(measuring)
	if err := counted.wait(o.measured); err != nil {
		return nil, err
	}
	open := connectionsTo(o.address)
	counted.phase.Store(over)
	seconds := time.Since(begun).Seconds()
	ownAfter, serverAfter := cpu(0), o.serverCPU()
	calls.Wait()
	select {
	case err := <-counted.failed:
		return nil, err
	default:
	}
	ended, times := counted.total()
	if ended == 0 {
		return nil, fmt.Errorf("no call ended within %.1f s", seconds)
	}
	result := &outcome{Workload: o.workload.name, Seconds: seconds, Calls: ended, Connections: open}
	if ownBefore != nil && ownAfter != nil {
		result.ClientCPU = *ownAfter - *ownBefore
	}
	if serverBefore != nil && serverAfter != nil {
		between := *serverAfter - *serverBefore
		result.ServerCPU = &between
	}
	result.peaks(o.serverPid)
	if times.TotalCount() > 0 {
		microseconds := func(quantile float64) float64 {
			return float64(times.ValueAtQuantile(quantile)) / 1000
		}
		result.Latency = &latency{
			P50: microseconds(50), P99: microseconds(99), P999: microseconds(99.9),
			Max: float64(times.Max()) / 1000, Mean: times.Mean() / 1000,
		}
	}
	return result, nil
}

// connect makes as many clients as the workload takes.
func (o options) connect(stack Stack) ([]Connection, error) {
	count := min(o.workload.connections, o.workload.inFlight)
	if stack.OneClient(o.variant) || o.workload.held() {
		count = 1
	}
	connections := make([]Connection, count)
	for index := range connections {
		connection, err := stack.Connect(o.variant, o.address)
		if err != nil {
			return nil, err
		}
		if _, err := connection.Echo(Name, nil); err != nil {
			return nil, err
		}
		connections[index] = connection
	}
	return connections, nil
}

func (t *tally) wait(limit time.Duration) error {
	select {
	case err := <-t.failed:
		return err
	case <-time.After(limit):
		return nil
	}
}

// repeat is one of the calls in flight: as soon as it has ended, the next one begins.
func (w workload) repeat(connection Connection, counter *counter) error {
	payload := make([]byte, w.size)
	for index := range payload {
		payload[index] = 'x'
	}
	for counter.of.phase.Load() != over {
		var err error
		switch w.kind {
		case "unary":
			begun := time.Now()
			var size int
			size, err = connection.Echo(Name, payload)
			counter.took(time.Since(begun))
			err = check(size, w.size, err)
		case "server-stream":
			arrived := 0
			err = connection.Count(messages, uint32(w.size), func(size int) {
				counter.arrived()
				if size == w.size {
					arrived++
				}
			})
			err = check(arrived, messages, err)
		case "bidi":
			err = chat(connection, payload, counter)
		default:
			err = fmt.Errorf("`%s` is not a workload of calls", w.name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// chat has one stream both ways, with a fixed number of messages under way.
func chat(connection Connection, payload []byte, counter *counter) error {
	stream, err := connection.Chat()
	if err != nil {
		return err
	}
	sent := make(chan time.Time, window)
	sending := make(chan error, 1)
	go func() {
		defer close(sent)
		for count := 0; count < messages && counter.of.phase.Load() != over; count++ {
			sent <- time.Now()
			if err := stream.Send(Name, payload); err != nil {
				sending <- err
				return
			}
		}
		sending <- stream.CloseSend()
	}()
	for begun := range sent {
		size, err := stream.Receive()
		if err := check(size, len(payload), err); err != nil {
			return err
		}
		counter.took(time.Since(begun))
	}
	if err := <-sending; err != nil {
		return err
	}
	if _, err := stream.Receive(); err != io.EOF {
		return fmt.Errorf("the stream does not end, or it ends with %v", err)
	}
	return nil
}

// check stops a benchmark that would measure something else.
func check(got, due int, err error) error {
	if err == nil && got != due {
		return fmt.Errorf("%d came back instead of %d", got, due)
	}
	return err
}
