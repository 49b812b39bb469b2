package peer

import "sync"

// maxStrangers bounds how many callers of other clusters are told apart.
const maxStrangers = 64

// strangers are the callers of other clusters, each of which is logged once: such
// a node calls again and again.
type strangers struct {
	mu   sync.Mutex // guards seen
	seen map[string]bool
}

// first reports whether a refusal is given for the first time.
func (s *strangers) first(detail string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[detail] || len(s.seen) == maxStrangers {
		return false
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[detail] = true
	return true
}
