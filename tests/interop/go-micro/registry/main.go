// Meets others in a registry as go-micro's programs do:
//
//	registry mdns|nats|etcd|consul <address> serve <service>   until its input ends; says when it is registered
//	registry mdns|nats|etcd|consul <address> call <service>    says what it answered
//	registry mdns|nats|etcd|consul <address> list              the services there are, one in a line
//	registry mdns|nats|etcd|consul <address> watch <service>   says what happens to its nodes, until its input ends
//
// The address is that of the registry's server, and `-` where it has none.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/client"
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/registry"
	"go-micro.dev/v5/registry/consul"
	"go-micro.dev/v5/registry/etcd"
	"go-micro.dev/v5/registry/nats"
	"go-micro.dev/v5/selector"
	"go-micro.dev/v5/server"
)

// How long something may take that has to happen.
const patience = 20 * time.Second

// How long a node is known that was killed, where the registry looks at that.
const lease = 5 * time.Second

// PlainGreeting is the message of Plain.Hello.
type PlainGreeting struct {
	Name   string         `json:"name"`
	Number int64          `json:"number"`
	Tags   []string       `json:"tags"`
	Inner  *PlainGreeting `json:"inner,omitempty"`
}

// Plain greets.
type Plain struct{}

func (*Plain) Hello(_ context.Context, request, reply *PlainGreeting) error {
	*reply = *request
	reply.Name = "Hello " + request.Name
	return nil
}

func main() {
	logger.DefaultLogger = logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(new(bytes.Buffer)))
	arguments := append(os.Args[1:], "", "", "", "")
	kind, address, task, service := arguments[0], arguments[1], arguments[2], arguments[3]
	var options []registry.Option
	if address != "-" {
		options = append(options, registry.Addrs(address))
	}
	var known registry.Registry
	switch kind {
	case "mdns":
		known = registry.NewMDNSRegistry(options...)
	case "nats":
		known = nats.NewNatsRegistry(options...)
	case "etcd":
		known = etcd.NewEtcdRegistry(options...)
	case "consul":
		known = consul.NewConsulRegistry(options...)
	default:
		fail("`%s` is no registry that this program knows", kind)
	}
	switch task {
	case "serve":
		serve(known, service)
	case "call":
		call(known, service)
	case "list":
		list(known)
	case "watch":
		watch(known, service)
	default:
		fail("`%s` is nothing that this program does", task)
	}
}

func serve(known registry.Registry, service string) {
	srv := server.NewServer(
		server.Name(service), server.Address("127.0.0.1:0"), server.Registry(known),
		server.Broker(broker.NewMemoryBroker()), server.WithLogger(logger.DefaultLogger),
		server.RegisterTTL(lease), server.RegisterInterval(lease/3),
	)
	if err := srv.Handle(srv.NewHandler(new(Plain))); err != nil {
		fail("%v", err)
	}
	if err := srv.Start(); err != nil {
		fail("%v", err)
	}
	fmt.Println("registered")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := srv.Stop(); err != nil {
		fail("%v", err)
	}
}

func call(known registry.Registry, service string) {
	made := client.NewClient(
		client.Registry(known), client.Selector(selector.NewSelector(selector.Registry(known))),
		client.Broker(broker.NewMemoryBroker()), client.ContentType("application/json"),
		client.RequestTimeout(2*time.Second), client.WithLogger(logger.DefaultLogger),
	)
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		var reply PlainGreeting
		err = made.Call(context.Background(), made.NewRequest(service, "Plain.Hello", &PlainGreeting{Name: "Ada"}), &reply)
		if err == nil {
			fmt.Println(reply.Name)
			return
		}
	}
	fail("%s does not answer: %v", service, err)
}

func list(known registry.Registry) {
	services, err := known.ListServices()
	if err != nil {
		fail("%v", err)
	}
	for _, service := range services {
		fmt.Println(service.Name)
	}
}

func watch(known registry.Registry, service string) {
	watcher, err := known.Watch(registry.WatchService(service))
	if err != nil {
		fail("%v", err)
	}
	go func() {
		for {
			result, err := watcher.Next()
			if err != nil {
				return
			}
			for _, node := range result.Service.Nodes {
				fmt.Println(result.Action, node.Id)
			}
		}
	}()
	fmt.Println("watching")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
