package disk

import (
	"fmt"
	"path/filepath"
)

// Examine checks the store in a directory that nobody has open, as Open does, and
// changes nothing: the marker's seal, and the checksums of the manifest, of each
// table and of what the marker says is durable of each memtable log. It fails with
// ErrCorrupt, naming the file. A store that was never used is the zero Marker.
func Examine(dir string) (Marker, error) {
	s := &Store{config: Config{Dir: dir}}
	m, path, err := s.newestMarker()
	if err == nil && path != "" {
		err = verifyViews(filepath.Join(filepath.Dir(path), "views"), m.Logs)
	}
	if err != nil {
		return Marker{}, fmt.Errorf("examine store: %w", err)
	}
	return m, nil
}
