// grpc-go, as its documentation sets it up. The description of the service is what its plugin of protoc
// would generate.
package main

import (
	"context"
	"io"
	"net"
	"strings"

	"peers/bench"
	"peers/load"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const service = "/peers.v1.Bench/"

// echo gives back what it gets.
type echo struct{}

var description = grpc.ServiceDesc{
	ServiceName: "peers.v1.Bench",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Echo",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			note := new(bench.Note)
			return note, decode(note)
		},
	}},
	Streams: []grpc.StreamDesc{
		{StreamName: "Count", Handler: count, ServerStreams: true},
		{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true},
	},
}

func count(_ any, stream grpc.ServerStream) error {
	wish := new(bench.Wish)
	if err := stream.RecvMsg(wish); err != nil {
		return err
	}
	payload := strings.Repeat("x", int(wish.Size))
	for range wish.Count {
		if err := stream.SendMsg(&bench.Note{Name: load.Name, Payload: []byte(payload)}); err != nil {
			return err
		}
	}
	return nil
}

func chat(_ any, stream grpc.ServerStream) error {
	for {
		note := new(bench.Note)
		if err := stream.RecvMsg(note); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := stream.SendMsg(note); err != nil {
			return err
		}
	}
}

func serve(string) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := grpc.NewServer()
	server.RegisterService(&description, echo{})
	go func() { _ = server.Serve(listener) }()
	return listener.Addr().String(), nil
}

type connection struct{ client *grpc.ClientConn }

func connect(_, address string) (load.Connection, error) {
	client, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	return connection{client}, err
}

func (c connection) Echo(name string, payload []byte) (int, error) {
	answer := new(bench.Note)
	err := c.client.Invoke(context.Background(), service+"Echo", &bench.Note{Name: name, Payload: payload}, answer, grpc.StaticMethod())
	return len(answer.Payload), err
}

func (c connection) Count(count, size uint32, each func(int)) error {
	stream, err := c.client.NewStream(context.Background(), &description.Streams[0], service+"Count", grpc.StaticMethod())
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&bench.Wish{Count: count, Size: size}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for {
		note := new(bench.Note)
		if err := stream.RecvMsg(note); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		each(len(note.Payload))
	}
}

func (c connection) Chat() (load.Chat, error) {
	stream, err := c.client.NewStream(context.Background(), &description.Streams[1], service+"Chat", grpc.StaticMethod())
	return conversation{stream}, err
}

type conversation struct{ grpc.ClientStream }

func (c conversation) Send(name string, payload []byte) error {
	return c.SendMsg(&bench.Note{Name: name, Payload: payload})
}

func (c conversation) Receive() (int, error) {
	note := new(bench.Note)
	err := c.RecvMsg(note)
	return len(note.Payload), err
}

func main() {
	load.Main(load.Stack{
		Name:      "grpc-go",
		OneClient: func(string) bool { return false },
		Serve:     serve,
		Connect:   connect,
	})
}
