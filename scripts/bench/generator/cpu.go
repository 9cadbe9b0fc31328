package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cpuUsed is who used the machine during a measurement, in seconds of a core.
type cpuUsed struct {
	// All processes of the broker.
	Broker float64 `json:"broker"`
	// Of it, by the names of threads.
	Threads   map[string]float64 `json:"threads"`
	Generator float64            `json:"generator"`
	// All else on the machine.
	Others float64 `json:"others"`
}

// startCPUCount gives what was used since.
func startCPUCount(brokerPid int, all []*caller) func() cpuUsed {
	generators := []int{os.Getpid()}
	for _, one := range all {
		generators = append(generators, one.process.Process.Pid)
	}
	before := takeStock(brokerPid, generators)
	return func() cpuUsed {
		after := takeStock(brokerPid, generators)
		used := cpuUsed{
			Broker:    (after.broker - before.broker).Seconds(),
			Threads:   map[string]float64{},
			Generator: (after.generator - before.generator).Seconds(),
		}
		for id, thread := range after.threads {
			used.Threads[thread.name] += (thread.cpu - before.threads[id].cpu).Seconds()
		}
		// They are told by different clocks, so that a difference of nothing may come out negative.
		used.Others = max(0, (after.machine-before.machine).Seconds()-used.Broker-used.Generator)
		return used
	}
}

type stock struct {
	broker, generator, machine time.Duration
	threads                    map[int]thread
}

type thread struct {
	name string
	cpu  time.Duration
}

func takeStock(brokerPid int, generators []int) stock {
	taken := stock{machine: machineCPU(), threads: map[int]thread{}}
	for _, pid := range generators {
		taken.generator += processCPU(pid)
	}
	for _, pid := range treeOf(brokerPid) {
		taken.broker += processCPU(pid)
		prefix := ""
		if pid != brokerPid {
			prefix = "worker's "
		}
		for _, tid := range threadsOf(pid) {
			if seen, isThere := threadAt(pid, tid); isThere {
				seen.name = prefix + seen.name
				taken.threads[tid] = seen
			}
		}
	}
	return taken
}

// processCPU gives the CPU time of a process, ended threads included, to the nanosecond; 0 for one that has ended. Linux makes the
// clock's id of the pid: see clock_getcpuclockid(3).
func processCPU(pid int) time.Duration {
	const schedulersClock = 2
	var seen unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|schedulersClock), &seen) != nil {
		return 0
	}
	return time.Duration(seen.Nano())
}

// treeOf gives a process and all that descend from it.
func treeOf(pid int) []int {
	all := []int{pid}
	for _, tid := range threadsOf(pid) {
		children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, tid))
		for _, child := range strings.Fields(string(children)) {
			if number, err := strconv.Atoi(child); err == nil {
				all = append(all, treeOf(number)...)
			}
		}
	}
	return all
}

func threadsOf(pid int) (tids []int) {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, entry := range entries {
		if tid, err := strconv.Atoi(entry.Name()); err == nil {
			tids = append(tids, tid)
		}
	}
	return tids
}

// threadAt is absent for a thread that ended meanwhile.
func threadAt(pid, tid int) (thread, bool) {
	folder := fmt.Sprintf("/proc/%d/task/%d/", pid, tid)
	name, err := os.ReadFile(folder + "comm")
	if err != nil {
		return thread{}, false
	}
	// Time on a processor in nanoseconds, time waiting for one, and how often.
	statistics, err := os.ReadFile(folder + "schedstat")
	if err != nil {
		return thread{}, false
	}
	ran, _, _ := bytes.Cut(statistics, []byte(" "))
	nanos, err := strconv.ParseInt(string(ran), 10, 64)
	if err != nil {
		return thread{}, false
	}
	return thread{nameOf(string(bytes.TrimSpace(name)), tid == pid), time.Duration(nanos)}, true
}

// nameOf: threads of Node.js have the names that it and libuv give them; those of one kind are one line.
func nameOf(name string, isMain bool) string {
	switch {
	case isMain:
		return "main"
	case strings.HasPrefix(name, "V8Worker"):
		return "V8"
	case strings.HasPrefix(name, "libuv-worker"):
		return "libuv pool"
	case name == "DelayedTaskSche" || name == "SignalInspector":
		return "rest"
	}
	return name
}

// machineCPU gives the CPU time of all processes, and what the machine below took of it; in hundredths of a second.
func machineCPU() time.Duration {
	const tick = 10 * time.Millisecond
	statistics, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(statistics), "\n")
	var all time.Duration
	for column, text := range strings.Fields(line) {
		// cpu user nice system idle iowait irq softirq steal
		const idle, waiting, steal = 4, 5, 8
		if column == 0 || column == idle || column == waiting || column > steal {
			continue
		}
		ticks, _ := strconv.ParseInt(text, 10, 64)
		all += time.Duration(ticks) * tick
	}
	return all
}
