package formats

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"confman/events"
)

// ReadOptions bound and steer [Read]. The zero value reads whole files with the limits given here.
type ReadOptions struct {
	Flatten       bool  // one entry per leaf instead of one per file
	MaxFileBytes  int64 // of one file; 0 means 1 MiB, the default limit of a value
	MaxFiles      int   // in a directory; 0 means 10,000
	MaxTotalBytes int64 // of all files; 0 means 256 MiB
}

// Import is what [Read] found.
type Import struct {
	Entries []Entry  // sorted by key
	Skipped []string // paths that were left out by rule, in the directory's order; a directory ends in a slash
}

// reader is one run of [Read] over a directory.
type reader struct {
	root    *os.Root
	options ReadOptions
	found   Import
	files   int
	bytes   int64
	from    map[string]string // key → the file it came from
}

// Read makes entries of the file or directory at path. A file's key is its name; flattened, its leaves have the keys
// of [Flatten].
//
// A directory is read with everything below it, in the order of the names. The key of a file is its path from there;
// flattened, its leaves have that path without the extension before theirs (api-gateway.yml: api-gateway/server/port).
// Left out, and listed as skipped: names that begin with a dot, the folders of version control, and, flattened, files
// whose extension belongs to no format. A symbolic link to a file within the directory is read like the file; one that
// leads out of it, or to a directory, is an error. So is anything that is neither file nor directory, a name that
// cannot be a key, a key from two files, and whatever exceeds a limit. Nothing is read in part: either all entries
// come back or an error that names the file.
func Read(path string, options ReadOptions) (Import, error) {
	if options.MaxFileBytes == 0 {
		options.MaxFileBytes = events.DefaultMaxValueBytes
	}
	if options.MaxFiles == 0 {
		options.MaxFiles = 10_000
	}
	if options.MaxTotalBytes == 0 {
		options.MaxTotalBytes = 256 << 20
	}
	info, err := os.Stat(path)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	if !info.IsDir() {
		return readOne(path, options)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	defer root.Close()
	r := &reader{root: root, options: options, from: make(map[string]string)}
	if err := fs.WalkDir(root.FS(), ".", r.visit); err != nil {
		return Import{}, fmt.Errorf("import from %s: %w", path, err)
	}
	sortEntries(r.found.Entries)
	return r.found, nil
}

// readOne imports a single file.
func readOne(file string, options ReadOptions) (Import, error) {
	name := filepath.Base(file)
	data, err := readFile(file, os.Stat, os.Open, options.MaxFileBytes)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	if !options.Flatten {
		entry, err := wholeFile(name, data)
		if err != nil {
			return Import{}, fmt.Errorf("import %s: %w", file, err)
		}
		return Import{Entries: []Entry{entry}}, nil
	}
	format, ok := FormatOf(name)
	if !ok {
		return Import{}, fmt.Errorf("import %s: its extension belongs to none of %v; it can only be imported whole", file, Formats())
	}
	entries, err := Flatten(file, format, data)
	if err != nil {
		return Import{}, fmt.Errorf("import: %w", err)
	}
	return Import{Entries: entries}, nil
}

// skipped tells whether files or folders of this name are left out.
func skipped(name string) bool {
	return strings.HasPrefix(name, ".") || name == "CVS" || name == "_darcs"
}

// visit takes one file or directory of the walk.
func (r *reader) visit(file string, d fs.DirEntry, err error) error {
	if err != nil || file == "." {
		return err
	}
	if skipped(d.Name()) {
		if d.IsDir() {
			r.found.Skipped = append(r.found.Skipped, file+"/")
			return fs.SkipDir
		}
		r.found.Skipped = append(r.found.Skipped, file)
		return nil
	}
	if d.IsDir() {
		return nil
	}
	format, ok := FormatOf(file)
	if r.options.Flatten && !ok {
		r.found.Skipped = append(r.found.Skipped, file)
		return nil
	}
	if r.files++; r.files > r.options.MaxFiles {
		return fmt.Errorf("more than %d files", r.options.MaxFiles)
	}
	data, err := readFile(file, r.root.Stat, r.root.Open, r.options.MaxFileBytes)
	if err != nil {
		return err
	}
	if r.bytes += int64(len(data)); r.bytes > r.options.MaxTotalBytes {
		return fmt.Errorf("more than %d bytes in all files", r.options.MaxTotalBytes)
	}
	if r.options.Flatten {
		return r.flatten(file, format, data)
	}
	entry, err := wholeFile(file, data)
	if err != nil {
		return err
	}
	r.found.Entries = append(r.found.Entries, entry)
	return nil
}

// flatten takes the leaves of one file, under its path without the extension.
func (r *reader) flatten(file string, format Format, data []byte) error {
	entries, err := Flatten(file, format, data)
	if err != nil {
		return err
	}
	prefix := strings.TrimSuffix(file, path.Ext(file)) + "/"
	for _, e := range entries {
		e.Key = prefix + e.Key
		if err := events.CheckKey(e.Key); err != nil {
			return fmt.Errorf("%s: its path and %q cannot be a key: %w", file, strings.TrimPrefix(e.Key, prefix), err)
		}
		if other, ok := r.from[e.Key]; ok {
			return fmt.Errorf("%s and %s both give the key %s", other, file, e.Key)
		}
		r.from[e.Key] = file
		r.found.Entries = append(r.found.Entries, e)
	}
	return nil
}

// readFile reads a regular file of at most limit bytes. Stat follows links, and is asked first: opening a named pipe
// would wait for its writer.
func readFile(name string, stat func(string) (fs.FileInfo, error), open func(string) (*os.File, error), limit int64) ([]byte, error) {
	info, err := stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s: a link to a directory, which would be read twice or without end", name)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: not a regular file", name)
	}
	f, err := open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%s: has more than %d bytes", name, limit)
	}
	return data, nil
}

// wholeFile makes the one entry of a file: a string, or binary when no string entry can hold the bytes.
func wholeFile(key string, data []byte) (Entry, error) {
	if err := events.CheckKey(key); err != nil {
		return Entry{}, fmt.Errorf("%s: its path cannot be a key: %w", key, err)
	}
	typ, text := events.String, string(data)
	if !utf8.Valid(data) || strings.IndexByte(text, 0) >= 0 {
		typ, text = events.Binary, base64.StdEncoding.EncodeToString(data)
	}
	value, err := jsontext.AppendQuote(nil, text)
	if err != nil {
		return Entry{}, fmt.Errorf("%s: %w", key, err)
	}
	return Entry{Key: key, Type: string(typ), Value: json.RawMessage(value)}, nil
}
