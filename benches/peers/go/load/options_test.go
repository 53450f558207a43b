package load

import "testing"

func TestANameSaysAllOfAWorkload(t *testing.T) {
	for name, due := range map[string]workload{
		"unary-64k-256-4c":      {kind: "unary", size: 65536, inFlight: 256, connections: 4},
		"server-stream-1k-8":    {kind: "server-stream", size: 1024, inFlight: 8, connections: 1},
		"idle-connections-1000": {kind: "idle-connections", inFlight: 1000, connections: 1},
	} {
		due.name = name
		if got, err := parseWorkload(name); err != nil || got != due {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestANameThatIsNoneIsAnError(t *testing.T) {
	for _, name := range []string{"", "unary", "unary-1k", "unary-x-1", "unary-1k-0", "bidi-1k-8-xc", "other-0-1"} {
		if got, err := parseWorkload(name); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
