// Publishes and subscribes as go-micro's programs do:
//
//	broker http|nats|rabbitmq <address> subscribe <topic> [<queue>]   says each event, until its input ends
//	broker http|nats|rabbitmq <address> publish <topic> <count>       says each event, and stays until its input ends
//
// The address is that of the broker's server. For http it is the one to listen on, and subscribers are found with mDNS.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"go-micro.dev/v5/broker"
	"go-micro.dev/v5/broker/nats"
	"go-micro.dev/v5/broker/rabbitmq"
	"go-micro.dev/v5/logger"
	"go-micro.dev/v5/registry"
)

// How long something may take that has to happen.
const patience = 20 * time.Second

// Two events are not said in the middle of each other.
var saying sync.Mutex

func main() {
	silent := logger.NewLogger(logger.WithLevel(logger.FatalLevel), logger.WithOutput(new(bytes.Buffer)))
	logger.DefaultLogger = silent
	arguments := append(os.Args[1:], "", "", "", "", "")
	kind, address, task, topic, last := arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]
	known := registry.NewMDNSRegistry()
	var made broker.Broker
	switch kind {
	case "http":
		made = broker.NewHttpBroker(broker.Addrs(address), broker.Registry(known), broker.Logger(silent))
	case "nats":
		made = nats.NewNatsBroker(broker.Addrs(address), broker.Logger(silent))
	case "rabbitmq":
		made = rabbitmq.NewBroker(broker.Addrs(address), broker.Logger(silent))
	default:
		fail("`%s` is no broker that this program knows", kind)
	}
	if err := made.Init(); err != nil {
		fail("%v", err)
	}
	if err := made.Connect(); err != nil {
		fail("%v", err)
	}
	switch task {
	case "subscribe":
		subscribe(made, topic, last)
	case "publish":
		if kind == "http" {
			await(known, topic)
		}
		count, err := strconv.Atoi(last)
		if err != nil {
			fail("%v", err)
		}
		publish(made, topic, count)
	default:
		fail("`%s` is nothing that this program does", task)
	}
	if err := made.Disconnect(); err != nil {
		fail("%v", err)
	}
}

func subscribe(made broker.Broker, topic, queue string) {
	var options []broker.SubscribeOption
	if queue != "" {
		options = append(options, broker.Queue(queue))
	}
	subscriber, err := made.Subscribe(topic, func(event broker.Event) error {
		say(event.Message())
		return nil
	}, options...)
	if err != nil {
		fail("%v", err)
	}
	fmt.Println("subscribed")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := subscriber.Unsubscribe(); err != nil {
		fail("%v", err)
	}
}

func publish(made broker.Broker, topic string, count int) {
	for number := 1; number <= count; number++ {
		// As the client does, which adds these to what a program says.
		message := &broker.Message{
			Header: map[string]string{
				"Content-Type": "application/json",
				"Micro-Topic":  topic,
				"Micro-ID":     fmt.Sprintf("go-%d", number),
				"Tenant":       "Ä \"quoted\" <&>",
			},
			Body: []byte(fmt.Sprintf("{\"number\":%d}\n", number)),
		}
		if err := made.Publish(topic, message); err != nil {
			fail("%v", err)
		}
		say(message)
	}
	fmt.Println("published")
	// Events are on their way when Publish returns.
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// Waits until somebody subscribes: Publish fails where nobody does.
func await(known registry.Registry, topic string) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		services, _ := known.GetService("micro.http.broker")
		for _, service := range services {
			for _, node := range service.Nodes {
				if node.Metadata["topic"] == topic {
					return
				}
			}
		}
	}
	fail("nobody subscribes to %s", topic)
}

func say(message *broker.Message) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	said := struct {
		Body   string            `json:"body"`
		Header map[string]string `json:"header"`
	}{string(message.Body), message.Header}
	if err := encoder.Encode(said); err != nil {
		fail("%v", err)
	}
	saying.Lock()
	defer saying.Unlock()
	fmt.Print("event ", line.String())
}

func fail(format string, arguments ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}
