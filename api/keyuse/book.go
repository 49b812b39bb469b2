package keyuse

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

const (
	saveInterval = time.Minute
	resolution   = time.Second // in which uses from one address are one
)

// Use is the last one of a key.
type Use struct {
	At   time.Time `json:"at"`
	From string    `json:"from"` // address without port
}

// Config is what a [Book] needs. All but Log is required.
type Config struct {
	Path string // of its file, which need not exist; its directory must
	Now  func() time.Time
	Log  zerolog.Logger
}

// Book is what one node remembers. Its methods may be called from any goroutine.
type Book struct {
	config Config
	dirty  atomic.Bool // something was noted that the file does not tell
	stop   chan struct{}
	done   sync.WaitGroup

	mu   sync.RWMutex // guards the map, not what its pointers point to
	uses map[string]*atomic.Pointer[Use]
}

// Open reads the file, which is written only after Keep. One that cannot be read is
// logged and will be replaced: the book then begins anew.
func Open(c Config) (*Book, error) {
	if c.Path == "" || c.Now == nil {
		return nil, errors.New("open the book of key uses: Path and Now are required")
	}
	b := &Book{config: c, stop: make(chan struct{}), uses: map[string]*atomic.Pointer[Use]{}}
	if err := b.load(); err != nil {
		c.Log.Warn().Err(err).Msg("when API keys were last used is forgotten: its file cannot be read")
	}
	return b, nil
}

func (b *Book) load() error {
	text, err := os.ReadFile(b.config.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	kept, err := decode(text)
	for id, use := range kept {
		b.slot(id).Store(&use)
	}
	return err
}

// decode reads what a file holds.
func decode(text []byte) (kept map[string]Use, err error) {
	if err := json.Unmarshal(text, &kept); err != nil {
		return nil, fmt.Errorf("read the uses of keys: %w", err)
	}
	return kept, nil
}

// slot is the place of a key, made if need be.
func (b *Book) slot(id string) *atomic.Pointer[Use] {
	b.mu.RLock()
	p := b.uses[id]
	b.mu.RUnlock()
	if p != nil {
		return p
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.uses[id] == nil {
		b.uses[strings.Clone(id)] = new(atomic.Pointer[Use])
	}
	return b.uses[id]
}

// Note says that a key that the cluster takes is used now, from an address.
func (b *Book) Note(id, from string) {
	p, now := b.slot(id), b.config.Now()
	if last := p.Load(); last != nil && last.From == from && now.Sub(last.At) < resolution && !now.Before(last.At) {
		return
	}
	p.Store(&Use{At: now.UTC(), From: strings.Clone(from)}) // of several at once any is the last
	b.dirty.Store(true)
}

// Uses are the last uses of some keys; one that was not used here is missing.
func (b *Book) Uses(ids []string) map[string]Use {
	found := make(map[string]Use, len(ids))
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, id := range ids {
		if p := b.uses[id]; p != nil {
			if use := p.Load(); use != nil {
				found[id] = *use
			}
		}
	}
	return found
}

// Keep writes the file from now on, until Close. Call it once.
func (b *Book) Keep() { b.done.Go(b.keep) }

// keep writes the file once a minute while there is something to write.
func (b *Book) keep() {
	tick := time.NewTicker(saveInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-tick.C:
		case <-b.stop:
			return
		}
		err := b.save()
		if err != nil && !failing {
			b.config.Log.Error().Err(err).Msg("when API keys were last used is not written; it is tried again every minute")
		}
		failing = err != nil
	}
}

// save writes the file if there is something to write.
func (b *Book) save() error {
	if !b.dirty.Swap(false) {
		return nil
	}
	all := map[string]Use{}
	b.mu.RLock()
	for id, p := range b.uses {
		if use := p.Load(); use != nil {
			all[id] = *use
		}
	}
	b.mu.RUnlock()
	var text bytes.Buffer
	err := json.NewEncoder(&text).Encode(all)
	if err == nil {
		err = replace(b.config.Path, text.Bytes())
	}
	if err != nil {
		b.dirty.Store(true)
		return fmt.Errorf("write the uses of keys: %w", err)
	}
	return nil
}

// replace puts a file in place of another, whole or not at all. What a crash leaves
// beside it is written over the next time.
func replace(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Close writes what is to be written, after Keep.
func (b *Book) Close() error {
	close(b.stop)
	b.done.Wait()
	return b.save()
}
