package admission

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Kind is what a request waits for, once it is taken on.
type Kind int

// The kinds.
const (
	Read   Kind = iota // this node
	Write              // a majority
	Urgent             // either, and before all others
	kinds
)

// String is the kind as metrics name it.
func (k Kind) String() string { return [...]string{"read", "write", "urgent"}[k] }

// Config are the limits of a [Gate]. Zero values mean the defaults; Now is required.
type Config struct {
	Reads   int           // places for reads; DefaultReads
	Writes  int           // places for writes; DefaultWrites
	Wait    time.Duration // the longest wait for a place; DefaultWait
	Bytes   int64         // of bodies and large answers in memory; DefaultBytes
	Exports int           // exports, proofs, backups and the like at once; DefaultExports
	Waiting int           // requests that wait for a change or an index; DefaultWaiting

	Now    func() time.Time
	Sample func() Sample             // of the process's memory; nil: no limit
	Waited func(Kind, time.Duration) // told of each request that had to wait and was taken on; may be nil
}

// Defaults of Config.
const (
	DefaultReads   = 256
	DefaultWrites  = 1024
	DefaultWait    = time.Second
	DefaultBytes   = 64 << 20
	DefaultExports = 64
	DefaultWaiting = 10_000

	urgentPlaces = 128
	// strangersShare is the part of Waiting that strangers may have besides.
	strangersShare = 4
)

// Gate is all limits of a node on what it does at once.
type Gate struct {
	Bytes   *Quota
	Exports *Quota
	Waiting *Quota
	// Strangers bounds the same of callers who are not known: they take nothing from
	// those who are.
	Strangers *Quota
	Memory    *Memory
	queues    [kinds]*Queue
}

// NewGate makes one.
func NewGate(c Config) (*Gate, error) {
	if c.Now == nil {
		return nil, fmt.Errorf("admission: Now is required")
	}
	if c.Reads < 0 || c.Writes < 0 || c.Wait < 0 || c.Bytes < 0 || c.Exports < 0 || c.Waiting < 0 {
		return nil, fmt.Errorf("admission: limits are not negative")
	}
	if c.Sample == nil {
		c.Sample = func() Sample { return Sample{} }
	}
	queue := func(k Kind, name, flag string, places int) *Queue {
		waited := func(d time.Duration) {
			if c.Waited != nil {
				c.Waited(k, d)
			}
		}
		return NewQueue(QueueConfig{Name: name, Flag: flag, Places: places, Wait: cmp.Or(c.Wait, DefaultWait), Now: c.Now, Waited: waited})
	}
	return &Gate{
		Bytes:   NewQuota(QuotaConfig{ReasonBytes, "bytes of bodies and answers at once", "--max-transit-bytes", cmp.Or(c.Bytes, DefaultBytes)}),
		Exports: NewQuota(QuotaConfig{ReasonExports, "exports and other long answers at once", "--max-exports", int64(cmp.Or(c.Exports, DefaultExports))}),
		Waiting: NewQuota(QuotaConfig{ReasonWaiting, "requests at once that wait for something", "--max-waiting", int64(cmp.Or(c.Waiting, DefaultWaiting))}),
		Strangers: NewQuota(QuotaConfig{
			ReasonWaiting, "requests at once that wait for something, of callers who are not known here", "a quarter of --max-waiting",
			max(2, int64(cmp.Or(c.Waiting, DefaultWaiting))/strangersShare),
		}),
		Memory: NewMemory(c.Sample, c.Now),
		queues: [kinds]*Queue{
			Read:   queue(Read, "reads", "--max-reads", cmp.Or(c.Reads, DefaultReads)),
			Write:  queue(Write, "writes", "--max-writes", cmp.Or(c.Writes, DefaultWrites)),
			Urgent: queue(Urgent, "urgent requests", "not to be set", urgentPlaces),
		},
	}, nil
}

// Enter waits for a place, as [Queue.Enter] does.
func (g *Gate) Enter(ctx context.Context, k Kind, flow string, cost int) (Pass, error) {
	if k == Write && g.Memory.Pressure() >= Critical {
		return Pass{}, outOfMemory("writes")
	}
	return g.queues[k].Enter(ctx, flow, cost)
}

// Queue is that of a kind.
func (g *Gate) Queue(k Kind) *Queue { return g.queues[k] }

// Grow refuses what stays, when memory is tight.
func (g *Gate) Grow(what string) error {
	if g.Memory.Pressure() >= Tight {
		return outOfMemory(what)
	}
	return nil
}

func outOfMemory(what string) error {
	return &Refusal{ReasonMemory, "its memory is nearly as large as its limit (GOMEMLIMIT, or 90 % of the control group's), so it takes no new " + what, ErrFull}
}
