// Package dashboard holds the files of the web console that every node serves, and
// prepares them for browsers: compressed, tagged, and the page with the modules that
// it will need. It knows no rules and asks nothing of the node; the pages do, by the
// public API.
package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"
)

//go:embed *.html *.css *.js *.svg lib/*.js pages/*.js parts/*.js vendor
var embedded embed.FS

// Index is the name of the page.
const Index = "index.html"

// Site is the files of one dashboard, by name, such as "lib/api.js".
type Site struct {
	files fs.FS
	live  bool

	mu     sync.Mutex // guards what follows
	loaded map[string]*File
}

// New makes a site of files that do not change. It reads each once, when it is first
// asked for. Nil: the files that are built in.
func New(files fs.FS) *Site {
	if files == nil {
		files = embedded
	}
	return &Site{files: files, loaded: map[string]*File{}}
}

// Live makes a site of the files in a directory, which may change at any time: they
// are read at each request. It is for whoever works on the dashboard.
func Live(directory string) *Site { return &Site{files: os.DirFS(directory), live: true} }

// File returns the file of a name. Its error is [fs.ErrNotExist] when there is none,
// and when it is of a kind that no dashboard has.
func (s *Site) File(name string) (*File, error) {
	if s.live {
		return s.load(name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f := s.loaded[name]; f != nil {
		return f, nil
	}
	f, err := s.load(name)
	if err == nil {
		s.loaded[name] = f
	}
	return f, err
}

func (s *Site) load(name string) (*File, error) {
	if mediaOf(name) == "" || !fs.ValidPath(name) {
		return nil, fmt.Errorf("dashboard: read %q: %w", name, fs.ErrNotExist)
	}
	content, err := fs.ReadFile(s.files, name)
	if err != nil {
		return nil, fmt.Errorf("dashboard: %w", err)
	}
	if name == Index {
		content = bytes.Replace(content, []byte(preloadMark), s.preloads(), 1)
	}
	return NewFile(name, content), nil
}

// NewFile prepares content, which must not be changed, under a name whose ending says
// what it is, such as "confman.js".
func NewFile(name string, content []byte) *File {
	return &File{Name: name, Media: mediaOf(name), plain: newBody("", content), zipped: sync.OnceValue(func() Body { return compress(content) })}
}

// mediaOf is the media type of a file, "" when no such file is served.
func mediaOf(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8" // RFC 9239
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}

// File is one file, ready to be sent.
type File struct {
	Name  string
	Media string // its Content-Type

	plain  Body
	zipped func() Body
}

// Body is the content of a file in one encoding.
type Body struct {
	Encoding string // its Content-Encoding; "" for none
	ETag     string // strong, in quotes
	Bytes    []byte // not to be changed
}

// Body returns the content, with gzip where that is accepted and makes it smaller.
func (f *File) Body(gzip bool) Body {
	if gzip {
		if zipped := f.zipped(); len(zipped.Bytes) < len(f.plain.Bytes) {
			return zipped
		}
	}
	return f.plain
}

func newBody(encoding string, content []byte) Body {
	sum := sha256.Sum256(content)
	return Body{Encoding: encoding, ETag: `"` + hex.EncodeToString(sum[:16]) + `"`, Bytes: content}
}

func compress(content []byte) Body {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic(err) // memory takes all, and the level exists
	}
	return newBody("gzip", out.Bytes())
}
