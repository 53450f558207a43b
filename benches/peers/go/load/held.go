package load

import "time"

// held is what connections or streams take on which nothing happens.
type held struct {
	Count      int      `json:"count"`
	ServerEach *float64 `json:"server_each"`
	ClientEach *float64 `json:"client_each"`
}

// settle is how long is waited until what a call leaves behind is cleared away.
const settle = 300 * time.Millisecond

// hold opens as many as the workload says, and looks at the memory before and after.
func (o options) hold(connections []Connection, stack Stack) (*outcome, error) {
	first := connections[0]
	var kept []any
	open := func() error {
		if o.workload.kind == "idle-connections" {
			connection, err := stack.Connect(o.variant, o.address)
			if err != nil {
				return err
			}
			kept = append(kept, connection)
			_, err = connection.Echo(Name, nil)
			return err
		}
		stream, err := first.Chat()
		if err != nil {
			return err
		}
		kept = append(kept, stream)
		if err := stream.Send(Name, nil); err != nil {
			return err
		}
		_, err = stream.Receive()
		return err
	}
	// The first one pays for everything that is there once.
	if err := open(); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	ownBefore, serverBefore := o.memories()
	for range o.workload.inFlight {
		if err := open(); err != nil {
			return nil, err
		}
	}
	time.Sleep(settle)
	ownAfter, serverAfter := o.memories()
	each := func(before, after *int64) *float64 {
		if before == nil || after == nil {
			return nil
		}
		size := float64(max(*after-*before, 0)) / float64(o.workload.inFlight)
		return &size
	}
	result := &outcome{
		Workload: o.workload.name, Calls: int64(o.workload.inFlight), Connections: connectionsTo(o.address),
		Held: &held{
			Count: o.workload.inFlight, ServerEach: each(serverBefore, serverAfter), ClientEach: each(ownBefore, ownAfter),
		},
	}
	result.peaks(o.serverPid)
	// They are in use until here.
	kept = kept[:0]
	return result, nil
}

func (o options) memories() (own, server *int64) {
	own, _ = memory(0)
	if o.serverPid != 0 {
		server, _ = memory(o.serverPid)
	}
	return own, server
}
