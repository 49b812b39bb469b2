package lab

import (
	"errors"
	"io/fs"
	"os"
	"time"
)

// SetClock sets a node's clock ahead of the machine's, or behind it; 0 sets it
// right. It needs [Config.Clocks].
func (n *Node) SetClock(ahead time.Duration) error {
	path := n.Data + "-clock"
	if ahead == 0 {
		err := os.Remove(path)
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		return err
	}
	if err := os.WriteFile(path+".new", []byte(ahead.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Clocks reports whether the nodes' clocks can be set.
func (l *Lab) Clocks() bool { return l.config.Clocks }
