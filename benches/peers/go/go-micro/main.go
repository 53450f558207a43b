// go-micro with the defaults of its client and its server: its own RPC (the variant rpc), and its gRPC
// plugin (the variant grpc). The registry is one in memory, and the client has a fixed address.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"peers/bench"
	"peers/load"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	clientgrpc "go-micro.dev/v5/client/grpc"
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	servergrpc "go-micro.dev/v5/server/grpc"
)

const (
	service     = "bench"
	contentType = "application/protobuf"
)

// Bench is the contract of proto/bench.proto.
type Bench struct{}

// Echo gives back what it gets.
func (*Bench) Echo(_ context.Context, request, reply *bench.Note) error {
	reply.Name, reply.Payload = request.Name, request.Payload
	return nil
}

// Count sends as many notes as are wished.
func (*Bench) Count(_ context.Context, stream server.Stream) error {
	wish := new(bench.Wish)
	if err := stream.Recv(wish); err != nil {
		return err
	}
	payload := strings.Repeat("x", int(wish.Size))
	for range wish.Count {
		if err := stream.Send(&bench.Note{Name: load.Name, Payload: []byte(payload)}); err != nil {
			return err
		}
	}
	return nil
}

// Chat gives back each note as soon as it arrived.
func (*Bench) Chat(_ context.Context, stream server.Stream) error {
	for {
		note := new(bench.Note)
		if err := stream.Recv(note); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.Send(note); err != nil {
			return err
		}
	}
}

func serve(variant string) (string, error) {
	options := []server.Option{
		server.Name(service), server.Address("127.0.0.1:0"),
		server.Registry(registry.NewMemoryRegistry()), server.Broker(broker.NewMemoryBroker()),
		server.WithLogger(logger.DefaultLogger),
	}
	var served server.Server
	switch variant {
	case "rpc":
		served = server.NewServer(options...)
	case "grpc":
		served = servergrpc.NewServer(options...)
	default:
		return "", unknown(variant)
	}
	if err := served.Handle(served.NewHandler(new(Bench))); err != nil {
		return "", err
	}
	err := served.Start()
	return served.Options().Address, err
}

type connection struct {
	load.NoStreams
	client  client.Client
	address client.CallOption
}

type streaming struct{ connection }

func connect(variant, address string) (load.Connection, error) {
	options := []client.Option{
		client.Registry(registry.NewMemoryRegistry()), client.Broker(broker.NewMemoryBroker()),
		client.WithLogger(logger.DefaultLogger),
	}
	switch variant {
	case "rpc":
		return connection{client: client.NewClient(options...), address: client.WithAddress(address)}, nil
	case "grpc":
		return streaming{connection{client: clientgrpc.NewClient(options...), address: client.WithAddress(address)}}, nil
	default:
		return nil, unknown(variant)
	}
}

func unknown(variant string) error { return fmt.Errorf("`%s` is neither rpc nor grpc", variant) }

func (c connection) Echo(name string, payload []byte) (int, error) {
	request := c.client.NewRequest(service, "Bench.Echo", &bench.Note{Name: name, Payload: payload}, client.WithContentType(contentType))
	answer := new(bench.Note)
	err := c.client.Call(context.Background(), request, answer, c.address)
	return len(answer.Payload), err
}

func (c streaming) open(endpoint string) (client.Stream, error) {
	request := c.client.NewRequest(service, endpoint, new(bench.Wish), client.WithContentType(contentType), client.StreamingRequest())
	return c.client.Stream(context.Background(), request, c.address)
}

func (c streaming) Count(count, size uint32, each func(int)) error {
	stream, err := c.open("Bench.Count")
	if err != nil {
		return err
	}
	defer stream.Close()
	if err := stream.Send(&bench.Wish{Count: count, Size: size}); err != nil {
		return err
	}
	for range count {
		note := new(bench.Note)
		if err := stream.Recv(note); err != nil {
			return err
		}
		each(len(note.Payload))
	}
	return nil
}

func (c streaming) Chat() (load.Chat, error) {
	stream, err := c.open("Bench.Chat")
	return conversation{stream}, err
}

type conversation struct{ client.Stream }

func (c conversation) Send(name string, payload []byte) error {
	return c.Stream.Send(&bench.Note{Name: name, Payload: payload})
}

func (c conversation) Receive() (int, error) {
	note := new(bench.Note)
	err := c.Recv(note)
	return len(note.Payload), err
}

func main() {
	// It writes a line for every connection otherwise.
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(new(bytes.Buffer)))
	load.Main(load.Stack{
		Name: "go-micro",
		// Both have a pool, and the gRPC plugin opens a connection for every 20 calls at once.
		OneClient: func(string) bool { return true },
		Serve:     serve,
		Connect:   connect,
	})
}
