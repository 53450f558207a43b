// Calls a server as go-micro does: `client mucp <address>` or `client grpc <address>`. It prints a
// line for each case and fails if one of them did.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"

	"go-micro-interop/say"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/client/grpc"
	"go-micro.dev/v5/codec/json"
	codecproto "go-micro.dev/v5/codec/proto"
	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/transport"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

const service = "interop"

// How often calls go out one after the other on the connections of the pool.
const many = 2000

type plainGreeting struct {
	Name   string         `json:"name"`
	Number int64          `json:"number"`
	Tags   []string       `json:"tags"`
	Inner  *plainGreeting `json:"inner,omitempty"`
}

type cases struct {
	client   client.Client
	protocol string
	address  string
	peer     string
	failed   bool
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "client mucp|grpc <address> <name of the peer>")
		os.Exit(2)
	}
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(new(bytes.Buffer)))
	options := []client.Option{
		client.Registry(registry.NewMemoryRegistry()), client.Broker(broker.NewMemoryBroker()),
		client.Retries(0), client.ConnectionTimeout(time.Second), client.RequestTimeout(time.Second), client.WithLogger(logger.DefaultLogger),
	}
	c := cases{protocol: os.Args[1], address: os.Args[2], peer: os.Args[3]}
	subtypes := map[string]string{"json": "application/json", "proto": "application/protobuf"}
	switch c.protocol {
	case "mucp":
		c.client = client.NewClient(options...)
	case "grpc":
		c.client = grpc.NewClient(options...)
	default:
		fmt.Fprintf(os.Stderr, "`%s` is neither mucp nor grpc\n", c.protocol)
		os.Exit(2)
	}
	for _, codec := range []string{"json", "proto"} {
		c.unary(codec, subtypes[codec])
	}
	c.plain()
	if c.protocol == "mucp" {
		c.many()
		if c.peer == "rust" {
			c.noStreams()
			c.events()
		}
	} else {
		for _, codec := range []string{"json", "proto"} {
			c.streams(codec, subtypes[codec])
		}
	}
	if c.failed {
		os.Exit(1)
	}
}

func (c *cases) report(codec, name string, asDue bool, got ...interface{}) {
	line := fmt.Sprintf("go -> %-4s  %-4s %-5s %s", c.peer, c.protocol, codec, name)
	if asDue {
		fmt.Println("ok   ", line)
		return
	}
	c.failed = true
	fmt.Println("FAIL ", line+":", got)
}

func (c *cases) call(ctx context.Context, contentType, endpoint string, request, reply interface{}) error {
	made := c.client.NewRequest(service, endpoint, request, client.WithContentType(contentType))
	return c.client.Call(ctx, made, reply, client.WithAddress(c.address))
}

func greeting() *say.Greeting {
	return &say.Greeting{
		Name: "Ada <&> ü", BigNumber: math.MinInt64, Data: []byte{0, 0xff, 0x10}, Kind: say.Kind_KIND_FORMAL,
		Tags: []string{"a", ""}, Marks: map[string]uint64{"most": math.MaxUint64},
		Inner: &say.Greeting{Name: "inner"}, Ratio: 0.1, Loud: true,
	}
}

func (c *cases) unary(codec, contentType string) {
	ctx := context.Background()
	var reply say.Greeting
	err := c.call(ctx, contentType, "Say.Hello", greeting(), &reply)
	due := greeting()
	due.Name = "Hello " + due.Name
	c.report(codec, "a message with fields of every kind comes back", err == nil && proto.Equal(&reply, due), err, &reply)

	err = c.call(ctx, contentType, "Say.Ping", &say.Nothing{}, &say.Nothing{})
	c.report(codec, "an empty message comes back", err == nil, err)

	for _, code := range []int32{400, 401, 403, 404, 408, 409, 412, 500, 501, 503} {
		detail := fmt.Sprintf("detail of %d ü", code)
		err = c.call(ctx, contentType, "Say.Fail", &say.Wish{Code: code, Detail: detail}, &say.Nothing{})
		parsed := parse(err)
		asDue := parsed.Code == code && parsed.Detail == detail && parsed.Id != "" && parsed.Status != ""
		c.report(codec, fmt.Sprintf("the code %d arrives with its detail", code), asDue, err)
	}
	err = c.call(ctx, contentType, "Say.Fail", &say.Wish{Detail: "boom"}, &say.Nothing{})
	c.report(codec, "an error without a code arrives", strings.Contains(parse(err).Detail, "boom"), err)

	if c.peer == "rust" {
		// In Go nobody answers this over mucp.
		err = c.call(ctx, contentType, "Say.Fail", &say.Wish{Panic: true}, &say.Nothing{})
		c.report(codec, "a panic is answered", parse(err).Code == 500, err)
	}

	carried := metadata.NewContext(ctx, metadata.Metadata{"Tenant-Id": "acme", "Local": "[::]:8080", "Micro-Stream": "7"})
	var values say.Carried
	err = c.call(carried, contentType, "Say.Carry", &say.Names{Names: []string{"Tenant-Id", "tenant-id"}}, &values)
	found := values.Values["Tenant-Id"] == "acme" || values.Values["tenant-id"] == "acme"
	c.report(codec, "metadata arrives", err == nil && found, err, &values)

	// Over mucp a server learns how long the connection may take, and over gRPC how long the call may.
	err = c.call(ctx, contentType, "Say.Sleep", &say.Nothing{}, &say.Nothing{})
	c.report(codec, "a call that takes too long is given up", parse(err).Code == 408, err)
}

func (c *cases) plain() {
	ctx := context.Background()
	request := plainGreeting{Name: "Ada", Number: math.MaxInt64, Tags: []string{"a"}, Inner: &plainGreeting{Name: "inner"}}
	var reply plainGreeting
	err := c.call(ctx, "application/json", "Plain.Hello", &request, &reply)
	asDue := err == nil && reply.Name == "Hello Ada" && reply.Number == math.MaxInt64 && reply.Inner.Name == "inner"
	c.report("json", "a plain struct comes back", asDue, err, reply)

	err = c.call(ctx, "application/json", "Plain.Close", &request, &reply)
	c.report("json", "a method that is not there is an error that names it", err != nil && strings.Contains(err.Error(), "Close"), err)
}

func (c *cases) many() {
	lost := 0
	for i := 0; i < many; i++ {
		if c.call(context.Background(), "application/protobuf", "Say.Ping", &say.Nothing{}, &say.Nothing{}) != nil {
			lost++
		}
	}
	c.report("proto", fmt.Sprintf("of %d calls one after the other none is lost", many), lost == 0, lost)
}

func (c *cases) open(codec, contentType, endpoint string) client.Stream {
	request := c.client.NewRequest(service, endpoint, &say.Number{}, client.WithContentType(contentType), client.StreamingRequest())
	stream, err := c.client.Stream(context.Background(), request, client.WithAddress(c.address))
	if err != nil {
		c.report(codec, endpoint+" opens", false, err)
		return nil
	}
	return stream
}

func (c *cases) noStreams() {
	stream := c.open("json", "application/json", "Say.Count")
	if stream == nil {
		return
	}
	err := stream.Recv(&say.Number{})
	c.report("json", "a stream names the gRPC plugin", err != nil && strings.Contains(err.Error(), "client/grpc"), err)
	_ = stream.Close()
}

// events sends event frames, which no API of go-micro does outside of a broker.
func (c *cases) events() {
	connection, err := transport.NewHTTPTransport().Dial(c.address)
	if err != nil {
		c.report("", "an event frame is sent", false, err)
		return
	}
	defer connection.Close()
	send := func(contentType, topic string, event *say.Greeting) (map[string]string, error) {
		buffer := new(closer)
		write := json.NewCodec(buffer).Write
		if contentType == "application/protobuf" {
			write = codecproto.NewCodec(buffer).Write
		}
		if err := write(nil, event); err != nil {
			return nil, err
		}
		header := map[string]string{"Content-Type": contentType, "Micro-Topic": topic}
		if err := connection.Send(&transport.Message{Header: header, Body: buffer.Bytes()}); err != nil {
			return nil, err
		}
		var answer transport.Message
		err := connection.Recv(&answer)
		return answer.Header, err
	}
	for codec, contentType := range map[string]string{"json": "application/json", "proto": "application/protobuf"} {
		header, err := send(contentType, "said", &say.Greeting{Name: codec})
		var heard plainGreeting
		if err == nil && header["Micro-Error"] == "" {
			err = c.call(context.Background(), "application/json", "Audit.Heard", &plainGreeting{}, &heard)
		}
		c.report(codec, "an event reaches its subscriber", err == nil && len(heard.Tags) == 1 && heard.Tags[0] == codec, err, header, heard)
	}
	header, err := send("application/json", "said", &say.Greeting{Loud: true})
	failed := parse(fmt.Errorf("%s", header["Micro-Error"]))
	c.report("json", "an error of a subscriber arrives", err == nil && failed.Code == 500 && strings.Contains(failed.Detail, "too loud"), err, header)
	header, err = send("application/json", "nobody", &say.Greeting{})
	c.report("json", "an event without a subscriber is no error", err == nil && header["Micro-Error"] == "", err, header)
}

func (c *cases) streams(codec, contentType string) {
	if stream := c.open(codec, contentType, "Say.Count"); stream != nil {
		// As generated clients do it, the request goes out and the stream stays open.
		values, err := []int64(nil), stream.Send(&say.Number{Value: 1000})
		for err == nil {
			var number say.Number
			if err = stream.Recv(&number); err == nil {
				values = append(values, number.Value)
			}
		}
		c.report(codec, "a stream of answers, of a caller that does not end its own", err == io.EOF && len(values) == 1000, err, len(values))
		_ = stream.Close()
	}
	if stream := c.open(codec, contentType, "Say.Sum"); stream != nil {
		var sum say.Number
		var err error
		for value := int64(1); value <= 3 && err == nil; value++ {
			err = stream.Send(&say.Number{Value: value})
		}
		if err == nil {
			err = stream.CloseSend()
		}
		if err == nil {
			err = stream.Recv(&sum)
		}
		c.report(codec, "a stream of requests", err == nil && sum.Value == 6, err, &sum)
		_ = stream.Close()
	}
	if stream := c.open(codec, contentType, "Say.Double"); stream != nil {
		var err error
		asDue := true
		for value := int64(1); value <= 3 && err == nil; value++ {
			var number say.Number
			if err = stream.Send(&say.Number{Value: value}); err == nil {
				err = stream.Recv(&number)
			}
			asDue = asDue && number.Value == 2*value
		}
		c.report(codec, "a stream both ways, one answer after the other", err == nil && asDue, err)
		if err = stream.Send(&say.Number{Value: -2}); err == nil {
			err = stream.Recv(&say.Number{})
		}
		// Streams do not make go-micro's errors of what gRPC says.
		text := fmt.Sprint(status.Code(err), err)
		c.report(codec, "a stream that fails in its middle", strings.HasPrefix(text, "InvalidArgument") && strings.Contains(text, "-2 is negative"), err)
		_ = stream.Close()
	}
}

func parse(err error) *errors.Error {
	if err == nil {
		return new(errors.Error)
	}
	return errors.Parse(err.Error())
}

// closer is a buffer that codecs take.
type closer struct{ bytes.Buffer }

func (*closer) Close() error { return nil }
