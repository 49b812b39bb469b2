package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times in /proc, which is the same on all that Go runs on.
const tick = 10 * time.Millisecond

// cpuOf is the CPU time that a process and the processes it has started have
// used so far, those that have ended excepted.
func cpuOf(pid int) (time.Duration, error) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	used, parent := map[int]uint64{}, map[int]int{}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// After the name, which is anything in brackets: state, parent, …; see proc_pid_stat(5).
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 13 {
			return 0, fmt.Errorf("%s is not as in proc_pid_stat(5)", path)
		}
		user, err1 := strconv.ParseUint(fields[11], 10, 64)
		system, err2 := strconv.ParseUint(fields[12], 10, 64)
		from, err3 := strconv.Atoi(fields[1])
		id, err4 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err := errors.Join(err1, err2, err3, err4); err != nil {
			return 0, fmt.Errorf("%s: %w", path, err)
		}
		used[id], parent[id] = user+system, from
	}
	if _, lives := used[pid]; !lives {
		return 0, fmt.Errorf("process %d has ended", pid)
	}
	var sum uint64
	for id, ticks := range used {
		above := id
		for above != pid && above > 1 {
			above = parent[above]
		}
		if above == pid {
			sum += ticks
		}
	}
	return time.Duration(sum) * tick, nil
}

// machineTime is how long all cores together have been busy and idle since the
// machine started, in ticks; see proc_stat(5).
func machineTime() (busy, idle uint64, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(stat), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, 0, errors.New("/proc/stat begins with no line of all cores")
	}
	for i, f := range fields[1:9] { // what follows is counted in these already
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		if i == 3 || i == 4 { // idle, waiting for a disk
			idle += n
		} else {
			busy += n
		}
	}
	return busy, idle, nil
}

// busyNow is the share of all cores, 0 to 1, that is in use while nothing is
// being measured: what others do on this machine.
func busyNow(ctx context.Context) (float64, error) {
	busy, idle, err := machineTime()
	if err != nil {
		return 0, err
	}
	select {
	case <-time.After(300 * time.Millisecond):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	laterBusy, laterIdle, err := machineTime()
	total := laterBusy + laterIdle - busy - idle
	if err != nil || total == 0 {
		return 0, err
	}
	return float64(laterBusy-busy) / float64(total), nil
}
