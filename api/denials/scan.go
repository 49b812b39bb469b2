package denials

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"confman/api/wire"
)

// openStore opens the files of a directory and counts what they hold. torn says
// that the newest ended in the middle of a line; what was left of that is gone.
func openStore(c Config) (s *store, torn bool, err error) {
	s = &store{config: c, perFile: c.Bytes / files}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, false, err
	}
	found, err := os.ReadDir(c.Dir)
	if err != nil {
		return nil, false, err
	}
	for _, entry := range found {
		var number uint64
		if n, _ := fmt.Sscanf(entry.Name(), "denied-%d.ndjson", &number); n == 1 && filepath.Base(s.pathOf(number)) == entry.Name() {
			s.files = append(s.files, file{number: number, path: s.pathOf(number)})
		}
	}
	slices.SortFunc(s.files, func(a, b file) int { return cmp.Compare(a.number, b.number) })
	for i := range s.files {
		if torn, err = s.scan(&s.files[i]); err != nil {
			return nil, false, err
		}
	}
	if len(s.files) == 0 {
		s.files = []file{{number: 1, path: s.pathOf(1)}}
	}
	s.publish()
	return s, torn, s.reopen()
}

// scan counts what a file holds. Lines that are none count as one lost attempt
// each. Only the rows about rows are decoded: the others may be many.
func (s *store) scan(f *file) (torn bool, err error) {
	opened, err := os.Open(f.path)
	if err != nil {
		return false, err
	}
	defer opened.Close()
	lines := bufio.NewReaderSize(opened, maxLine)
	for {
		line, err := lines.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // longer than any of ours
			f.size += int64(len(line))
			line, err = lines.ReadSlice('\n')
		}
		if errors.Is(err, io.EOF) {
			return len(line) > 0, nil
		}
		if err != nil {
			return false, fmt.Errorf("read %s: %w", f.path, err)
		}
		s.scanLine(f, line)
	}
}

func (s *store) scanLine(f *file, line []byte) {
	var d wire.Denied
	about := f.rows == 0 || bytes.Contains(line, []byte(`"reason":"`+wire.DeniedLost+`"`)) || bytes.Contains(line, []byte(`"reason":"`+wire.DeniedRotated+`"`))
	if line[0] != '{' || !bytes.HasSuffix(line, []byte("}\n")) || about && json.Unmarshal(line, &d) != nil {
		f.size += int64(len(line))
		f.lost++
		return
	}
	f.count(&d, int64(len(line)))
	if d.Reason == wire.DeniedRotated {
		s.letGo = max(s.letGo, d.Count)
	}
}
