package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"confman/api/wire"
)

const (
	fileFormat = "confman-view/1"
	fileDelay  = time.Second     // for which changes are collected before they are written
	fileEvery  = 5 * time.Minute // at which a position without changes is written
)

// viewFile is the body of ViewConfig.File. Around it is an object with its
// SHA-256 and the body, byte for byte.
type viewFile struct {
	Format    string              `json:"format"`
	Namespace string              `json:"namespace"`
	Prefix    string              `json:"prefix,omitempty"`
	Position  string              `json:"position"`
	Since     time.Time           `json:"since,omitzero"` // when this was last known to be up to date
	SavedAt   time.Time           `json:"savedAt"`
	Entries   []*wire.ConfigEntry `json:"entries"`
}

type sealed struct {
	SHA256 string          `json:"sha256"`
	View   json.RawMessage `json:"view"`
}

// load takes over the state in the file, all of it or nothing.
func (v *View) load() {
	file, list, err := v.read()
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		v.status.FileErr = fmt.Errorf("%s is not used: %w", v.config.File, err)
	default:
		v.status.Source, v.status.Since = SourceFile, file.Since
		v.saved = file.Position
		v.state.Store(&state{entries: list, position: file.Position, changed: make(chan struct{})})
		close(v.ready)
	}
}

func (v *View) read() (file viewFile, list entries, err error) {
	raw, err := os.ReadFile(v.config.File)
	if err != nil {
		return file, nil, err
	}
	var outer sealed
	if err := json.Unmarshal(raw, &outer); err != nil {
		return file, nil, fmt.Errorf("damaged: %w", err)
	}
	if sum := sha256.Sum256(outer.View); hex.EncodeToString(sum[:]) != outer.SHA256 {
		return file, nil, errors.New("damaged: its checksum does not match")
	}
	if err := json.Unmarshal(outer.View, &file); err != nil {
		return file, nil, fmt.Errorf("damaged: %w", err)
	}
	if file.Format != fileFormat || file.Namespace != v.config.Namespace || file.Prefix != v.config.Prefix {
		return file, nil, fmt.Errorf("it is %s of namespace %q, prefix %q", file.Format, file.Namespace, file.Prefix)
	}
	if _, err := indexOf(file.Position); err != nil {
		return file, nil, err
	}
	given := make([]wire.ConfigEntry, 0, len(file.Entries))
	for _, e := range file.Entries {
		if e == nil || !v.holds(e.Namespace, e.Key) {
			return file, nil, errors.New("an entry that is not of the view")
		}
		given = append(given, *e)
	}
	list, err = sorted(given, v.defaults)
	return file, list, err
}

// keep writes the file whenever there is something to write, until ctx ends.
func (v *View) keep(ctx context.Context) {
	ticker := time.NewTicker(fileEvery)
	defer ticker.Stop()
	for {
		select {
		case <-v.dirty:
			if pause(ctx, fileDelay) != nil {
				return
			}
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		v.save()
	}
}

// save writes the file, unless it is of this position already.
func (v *View) save() {
	now := v.state.Load()
	if v.config.File == "" || now.position == "" || now.position == v.saved {
		return
	}
	err := v.write(now)
	if err == nil {
		v.saved = now.position
	}
	v.noted(func(s *ViewStatus) { s.FileErr = err })
}

func (v *View) write(now *state) error {
	view, err := encode(viewFile{
		Format: fileFormat, Namespace: v.config.Namespace, Prefix: v.config.Prefix, Position: now.position,
		Since: v.Status().Since.UTC(), SavedAt: time.Now().UTC(), Entries: now.stored(),
	})
	if err != nil {
		return fmt.Errorf("encode the view of %s: %w", v.config.Namespace, err)
	}
	sum := sha256.Sum256(view)
	content := fmt.Appendf(nil, `{"sha256":"%x","view":`, sum)
	content = append(append(content, view...), "}\n"...)
	if err := replaceFile(v.config.File, content); err != nil {
		return fmt.Errorf("write %s: %w", v.config.File, err)
	}
	return nil
}

// replaceFile makes content that of a file, mode 0600, or leaves the file as it
// was, whatever happens meanwhile.
func replaceFile(name string, content []byte) error {
	dir := filepath.Dir(name)
	temporary, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // 0600
	if err != nil {
		return err
	}
	_, err = bytes.NewReader(content).WriteTo(temporary)
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
