package load

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// options are what the program was told.
type options struct {
	role      string
	address   string
	workload  workload
	variant   string
	warmUp    time.Duration
	measured  time.Duration
	serverPid int
}

// workload is what is put on a stack; its name says all of it.
type workload struct {
	name, kind                  string
	size, inFlight, connections int
}

const usage = "`server [--variant V]` or `client ADDRESS WORKLOAD [--variant V] [--warm-up S] [--measure S] [--server-pid PID]`"

func parse(arguments []string) (options, error) {
	o := options{warmUp: time.Second / 2, measured: 2 * time.Second}
	var positions []string
	for len(arguments) > 0 {
		argument := arguments[0]
		arguments = arguments[1:]
		if !strings.HasPrefix(argument, "--") {
			positions = append(positions, argument)
			continue
		}
		if len(arguments) == 0 {
			return o, fmt.Errorf("%s takes a value: %s", argument, usage)
		}
		value := arguments[0]
		arguments = arguments[1:]
		var err error
		switch argument {
		case "--variant":
			o.variant = value
		case "--warm-up":
			o.warmUp, err = seconds(value)
		case "--measure":
			o.measured, err = seconds(value)
		case "--server-pid":
			o.serverPid, err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("%s is not known: %s", argument, usage)
		}
		if err != nil {
			return o, err
		}
	}
	switch {
	case len(positions) == 1 && positions[0] == "server":
		o.role = "server"
		return o, nil
	case len(positions) == 3 && positions[0] == "client":
		o.role, o.address = "client", positions[1]
		var err error
		o.workload, err = parseWorkload(positions[2])
		return o, err
	default:
		return o, fmt.Errorf("%s", usage)
	}
}

func seconds(text string) (time.Duration, error) {
	value, err := strconv.ParseFloat(text, 64)
	return time.Duration(value * float64(time.Second)), err
}

// parseWorkload reads a name such as unary-1k-64-4c.
func parseWorkload(name string) (workload, error) {
	w := workload{name: name, connections: 1}
	wrong := fmt.Errorf("`%s` is not a workload, as `unary-1k-64-4c` is one", name)
	rest := ""
	for _, kind := range []string{"unary", "server-stream", "bidi", "idle-connections", "open-streams"} {
		if after, found := strings.CutPrefix(name, kind+"-"); found {
			w.kind, rest = kind, after
		}
	}
	parts := strings.Split(rest, "-")
	if last, found := strings.CutSuffix(parts[len(parts)-1], "c"); found {
		var err error
		if w.connections, err = strconv.Atoi(last); err != nil {
			return w, wrong
		}
		parts = parts[:len(parts)-1]
	}
	sizes := 1
	if w.held() {
		sizes = 0
	}
	if w.kind == "" || len(parts) != sizes+1 {
		return w, wrong
	}
	var err error
	if !w.held() {
		if w.size, err = bytesOf(parts[0]); err != nil {
			return w, wrong
		}
	}
	if w.inFlight, err = strconv.Atoi(parts[sizes]); err != nil || w.inFlight < 1 || w.connections < 1 {
		return w, wrong
	}
	return w, nil
}

func (w workload) held() bool { return w.kind == "idle-connections" || w.kind == "open-streams" }

func bytesOf(text string) (int, error) {
	unit := 1
	if number, found := strings.CutSuffix(text, "k"); found {
		text, unit = number, 1<<10
	} else if number, found := strings.CutSuffix(text, "m"); found {
		text, unit = number, 1<<20
	}
	number, err := strconv.Atoi(text)
	return number * unit, err
}
