package load

import (
	"bytes"
	"net"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// outcome is the result of one run, as the stacks in Rust print it.
type outcome struct {
	Workload    string   `json:"workload"`
	Seconds     float64  `json:"seconds"`
	Calls       int64    `json:"calls"`
	Latency     *latency `json:"latency"`
	ClientCPU   float64  `json:"client_cpu"`
	ServerCPU   *float64 `json:"server_cpu"`
	ClientPeak  *int64   `json:"client_peak"`
	ServerPeak  *int64   `json:"server_peak"`
	Connections *int     `json:"connections"`
	Held        *held    `json:"held"`
}

// latency is in microseconds.
type latency struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

func (o *outcome) peaks(serverPid int) {
	_, o.ClientPeak = memory(0)
	if serverPid != 0 {
		_, o.ServerPeak = memory(serverPid)
	}
}

func (o options) serverCPU() *float64 {
	if o.serverPid == 0 {
		return nil
	}
	return cpu(o.serverPid)
}

// cpu is the processor time of a process so far, in seconds; 0 is this one.
func cpu(pid int) *float64 {
	if pid == 0 {
		var usage syscall.Rusage
		if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
			return nil
		}
		seconds := float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
		return &seconds
	}
	// How the kernel numbers the clocks of processes: see clock_getcpuclockid.
	clock := int32(^pid)<<3 | 2
	var now unix.Timespec
	if unix.ClockGettime(clock, &now) != nil {
		return nil
	}
	seconds := float64(now.Nano()) / 1e9
	return &seconds
}

// memory is what a process has and the most that it has had, in bytes; 0 is this one.
func memory(pid int) (now, peak *int64) {
	name := "self"
	if pid != 0 {
		name = strconv.Itoa(pid)
	}
	status, err := os.ReadFile("/proc/" + name + "/status")
	if err != nil {
		return nil, nil
	}
	return kilobytes(status, "VmRSS:"), kilobytes(status, "VmHWM:")
}

func kilobytes(status []byte, name string) *int64 {
	for line := range bytes.Lines(status) {
		if rest, found := bytes.CutPrefix(line, []byte(name)); found {
			fields := bytes.Fields(rest)
			if len(fields) == 2 {
				if value, err := strconv.ParseInt(string(fields[0]), 10, 64); err == nil {
					value *= 1024
					return &value
				}
			}
		}
	}
	return nil
}

// connectionsTo counts the sockets of this process that lead to that server.
func connectionsTo(server string) *int {
	_, port, err := net.SplitHostPort(server)
	if err != nil {
		return nil
	}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	count := 0
	for _, entry := range open {
		descriptor, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// What is no socket, or not connected, has no peer.
		peer, err := syscall.Getpeername(descriptor)
		if err != nil {
			continue
		}
		switch peer := peer.(type) {
		case *syscall.SockaddrInet4:
			if strconv.Itoa(peer.Port) == port {
				count++
			}
		case *syscall.SockaddrInet6:
			if strconv.Itoa(peer.Port) == port {
				count++
			}
		}
	}
	return &count
}
