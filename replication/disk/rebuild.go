package disk

import (
	"errors"
	"fmt"

	"confman/projections"
)

// Rebuild replaces the store by what build writes into an empty one, as of the
// newest marker and in rising order of indexes; rows above it are gone, as after
// a power cut. Readers of the old rows keep them until they close. On any error
// nothing has changed, except on ErrSync, as in Install; ErrNoSpace is one of them.
func (s *Store) Rebuild(build func(write func([]projections.Row) error) error) (Marker, error) {
	m := s.Marker()
	size, err := s.DiskBytes()
	if err == nil { // as much again, and what compaction may write beside it
		err = Preflight(s.config.Dir, 2*size)
	}
	if err != nil {
		return Marker{}, fmt.Errorf("rebuild: %w", err)
	}
	number, err := s.nextGeneration()
	if err != nil {
		return Marker{}, fmt.Errorf("rebuild: %w", err)
	}
	g, _, err := s.openGeneration(number)
	if err != nil {
		return Marker{}, fmt.Errorf("rebuild: %w", err)
	}
	err = build(g.write)
	if err == nil {
		m.Views, m.Logs = s.config.Views, nil
		m, err = s.writeMarker(g, m, nil)
	}
	if err != nil {
		s.mu.Lock()
		g.retired = true
		s.mu.Unlock()
		return Marker{}, errors.Join(fmt.Errorf("rebuild as of %d: %w", m.Index, err), g.drop())
	}
	if err := s.switchTo(g, m); err != nil {
		return Marker{}, errors.Join(fmt.Errorf("rebuild as of %d: %w", m.Index, err), g.drop())
	}
	return m, nil
}
