// A go-micro server: the same handlers over mucp and over the gRPC plugin. It prints where it
// listens, one line for each, and runs until its input ends.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	stdlog "log"
	"os"
	"time"

	"go-micro-interop/say"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/errors"
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/metadata"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/server"
	"go-micro.dev/v5/server/grpc"
)

// Say is the contract of proto/say.proto.
type Say struct{}

func (*Say) Hello(_ context.Context, request, reply *say.Greeting) error {
	*reply = say.Greeting{
		Name:      "Hello " + request.Name,
		BigNumber: request.BigNumber,
		Data:      request.Data,
		Kind:      request.Kind,
		Tags:      request.Tags,
		Marks:     request.Marks,
		Inner:     request.Inner,
		Ratio:     request.Ratio,
		Loud:      request.Loud,
	}
	return nil
}

func (*Say) Fail(_ context.Context, wish *say.Wish, _ *say.Nothing) error {
	switch {
	case wish.Panic:
		panic("as wished")
	case wish.Code == 0:
		return fmt.Errorf("%s", wish.Detail)
	default:
		return errors.New("interop.Say.Fail", wish.Detail, wish.Code)
	}
}

func (*Say) Carry(ctx context.Context, names *say.Names, carried *say.Carried) error {
	carried.Values = map[string]string{}
	for _, name := range names.Names {
		if value, ok := metadata.Get(ctx, name); ok {
			carried.Values[name] = value
		}
	}
	return nil
}

func (*Say) Ping(context.Context, *say.Nothing, *say.Nothing) error { return nil }

// Sleep waits until nobody waits for it, and fails with what the context says of that.
func (*Say) Sleep(ctx context.Context, _, _ *say.Nothing) error {
	select {
	case <-ctx.Done():
		return errors.Timeout("interop.Say.Sleep", "%v", ctx.Err())
	case <-time.After(time.Minute):
		return nil
	}
}

// Count reads one message and does not wait for the caller to end its stream.
func (*Say) Count(_ context.Context, stream server.Stream) error {
	var upto say.Number
	if err := stream.Recv(&upto); err != nil {
		return err
	}
	for value := int64(1); value <= upto.Value; value++ {
		if err := stream.Send(&say.Number{Value: value}); err != nil {
			return err
		}
	}
	return nil
}

func (*Say) Sum(_ context.Context, stream server.Stream) error {
	sum := int64(0)
	for {
		var number say.Number
		err := stream.Recv(&number)
		if err == io.EOF {
			return stream.Send(&say.Number{Value: sum})
		}
		if err != nil {
			return err
		}
		sum += number.Value
	}
}

func (*Say) Double(_ context.Context, stream server.Stream) error {
	for {
		var number say.Number
		err := stream.Recv(&number)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if number.Value < 0 {
			return errors.BadRequest("interop.Say.Double", "%d is negative", number.Value)
		}
		if err := stream.Send(&say.Number{Value: 2 * number.Value}); err != nil {
			return err
		}
	}
}

// PlainGreeting is a message that is no protobuf.
type PlainGreeting struct {
	Name   string         `json:"name"`
	Number int64          `json:"number"`
	Tags   []string       `json:"tags"`
	Inner  *PlainGreeting `json:"inner,omitempty"`
}

// Plain takes Go structs.
type Plain struct{}

func (*Plain) Hello(_ context.Context, request, reply *PlainGreeting) error {
	*reply = *request
	reply.Name = "Hello " + request.Name
	return nil
}

func main() {
	// What a panic in a handler writes is expected here, and not to be seen.
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(new(bytes.Buffer)))
	registered, topics := registry.NewMemoryRegistry(), broker.NewMemoryBroker()
	options := func(name string) []server.Option {
		return []server.Option{
			server.Name(name), server.Address("127.0.0.1:0"), server.Registry(registered), server.Broker(topics),
			server.WithLogger(logger.DefaultLogger),
		}
	}
	start := func(name string, srv server.Server) {
		for _, handler := range []interface{}{new(Say), new(Plain)} {
			if err := srv.Handle(srv.NewHandler(handler)); err != nil {
				stdlog.Fatal(err)
			}
		}
		if err := srv.Start(); err != nil {
			stdlog.Fatal(err)
		}
		fmt.Println(name, srv.Options().Address)
	}
	start("mucp", server.NewServer(options("interop-mucp")...))
	start("grpc", grpc.NewServer(options("interop-grpc")...))
	_, _ = io.Copy(io.Discard, os.Stdin)
}
