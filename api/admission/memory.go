package admission

import (
	"math"
	"runtime/metrics"
	"sync/atomic"
	"time"
)

// Pressure is how near the process is to its limit of memory.
type Pressure int32

// The pressures.
const (
	Relaxed  Pressure = iota
	Tight             // from 80 %: nothing new that stays: watches, exports, long polls
	Critical          // from 90 %: no writes
)

// sampleEvery is how often memory is looked at, at most.
const sampleEvery = 100 * time.Millisecond

// Sample is the process's memory at a moment, in bytes.
type Sample struct {
	Live  uint64 // what the last collection left in the heap, and stacks
	Limit uint64 // of the Go runtime; [math.MaxInt64] without one
}

// ReadSample reads the runtime's own figures (package runtime/metrics).
func ReadSample() Sample {
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/gomemlimit:bytes"}}
	metrics.Read(s)
	return Sample{Live: s[0].Value.Uint64() + s[1].Value.Uint64(), Limit: s[2].Value.Uint64()}
}

// Memory watches the process's memory whenever it is asked.
type Memory struct {
	read    func() Sample
	now     func() time.Time
	sampled atomic.Int64 // when, in nanoseconds
	level   atomic.Int32
}

// NewMemory watches what read reads.
func NewMemory(read func() Sample, now func() time.Time) *Memory {
	return &Memory{read: read, now: now}
}

// Pressure is the pressure of a tenth of a second ago, or newer.
func (m *Memory) Pressure() Pressure {
	now, last := m.now().UnixNano(), m.sampled.Load()
	if (last == 0 || now-last >= int64(sampleEvery)) && m.sampled.CompareAndSwap(last, now) {
		m.level.Store(int32(pressure(m.read())))
	}
	return Pressure(m.level.Load())
}

func pressure(s Sample) Pressure {
	switch used := float64(s.Live) / float64(s.Limit); {
	case s.Limit == 0 || s.Limit >= math.MaxInt64 || used < 0.8:
		return Relaxed
	case used < 0.9:
		return Tight
	}
	return Critical
}

// Limit is the runtime's limit in bytes, 0 without one.
func (m *Memory) Limit() uint64 {
	if s := m.read(); s.Limit < math.MaxInt64 {
		return s.Limit
	}
	return 0
}
