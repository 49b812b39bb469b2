package modes

import (
	"sync"
	"time"
)

// stillness is how long this program did not come to run although it was to: on a
// machine that is too busy, nodes do not either, and lose their leader for nothing.
type stillness struct {
	stop chan struct{}
	done sync.WaitGroup

	longest time.Duration // of the goroutine, until it has ended
}

// mostStill is how long the machine may stand still for a leader to be held to it
// that it stays: half the election timeout.
const mostStill = 100 * time.Millisecond

func watchStillness() *stillness {
	s := &stillness{stop: make(chan struct{})}
	s.done.Go(func() {
		const every = 5 * time.Millisecond
		tick := time.NewTicker(every)
		defer tick.Stop()
		for last := time.Now(); ; {
			select {
			case <-tick.C:
			case <-s.stop:
				return
			}
			now := time.Now()
			s.longest = max(s.longest, now.Sub(last)-every)
			last = now
		}
	})
	return s
}

// end returns the longest time so far. It may be called once.
func (s *stillness) end() time.Duration {
	close(s.stop)
	s.done.Wait()
	return s.longest
}
