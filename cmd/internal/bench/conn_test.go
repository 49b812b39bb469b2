package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const anyRequest = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// dialTo is a connection to a server of the test.
func dialTo(t *testing.T, url string, patience time.Duration) *conn {
	t.Helper()
	c, err := newConn(url, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.close() })
	return c
}

func TestConnSpeaksWithNetHTTP(t *testing.T) {
	var dialled atomic.Int32
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chunks" {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
		}
		if r.URL.Path == "/close" {
			w.Header().Set("Connection", "close")
		}
		status, _ := strconv.Atoi(r.URL.Query().Get("status"))
		length, _ := strconv.Atoi(r.URL.Query().Get("length"))
		if r.URL.Path != "/chunks" && status != http.StatusNoContent && status != http.StatusNotModified {
			w.Header().Set("Content-Length", strconv.Itoa(length))
		}
		if body, err := io.ReadAll(r.Body); err != nil || string(body) != r.URL.Query().Get("body") {
			status = http.StatusTeapot
		}
		if status != 0 {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, strings.Repeat("b", length))
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			dialled.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c := dialTo(t, s.URL, 5*time.Second)
	for _, x := range []struct {
		path    string
		body    string
		status  int
		fails   bool
		dialled int32 // connections made so far
	}{
		{"/?length=0", "", 200, false, 1},
		{"/?length=300", "", 200, false, 1},
		{"/?length=100000", "", 200, false, 1},
		{"/?status=201&length=3&body=hello", "hello", 201, false, 1},
		{"/?status=204", "", 204, false, 1},
		{"/?status=304", "", 304, false, 1},
		{"/?status=404&length=10", "", 404, false, 1},
		{"/close?length=10", "", 200, false, 1},
		{"/?length=10", "", 200, false, 2},
		{"/chunks", "", 200, true, 2},
		{"/?length=10", "", 200, false, 3},
	} {
		request := fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", x.path, len(x.body), x.body)
		status, err := c.exchange(context.Background(), []byte(request))
		if status != x.status || (err != nil) != x.fails {
			t.Errorf("%s: %d, %v", x.path, status, err)
		}
		if got := dialled.Load(); got != x.dialled {
			t.Errorf("%s: %d connections so far, want %d", x.path, got, x.dialled)
		}
	}
}

func TestConnRefusesWhatIsNotAnAnswer(t *testing.T) {
	for _, answer := range []string{
		"", "HTTP/1.1 200", "SSH-2.0-OpenSSH_9.6 Debian\r\n\r\n", "HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
		"HTTP/1.1 200 OK\r\nX: " + strings.Repeat("long", 2000) + "\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			if c, err := l.Accept(); err == nil {
				_, _ = c.Read(make([]byte, len(anyRequest)))
				_, _ = io.WriteString(c, answer)
				_ = c.Close()
			}
		}()
		if _, err := dialTo(t, "http://"+l.Addr().String(), 5*time.Second).exchange(context.Background(), []byte(anyRequest)); err == nil {
			t.Errorf("%.40q passed for an answer", answer)
		}
		_ = l.Close()
	}
}

func TestConnDoesNotWaitForEver(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(5 * time.Second):
		}
	}))
	defer s.Close()
	_, err := dialTo(t, s.URL, 20*time.Millisecond).exchange(context.Background(), []byte(anyRequest))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v, want that of the deadline", err)
	}
}

func TestConnTakesOnlyURLsOfNodes(t *testing.T) {
	for url, host := range map[string]string{
		"http://127.0.0.1:6100": "127.0.0.1:6100", "https://n1.example": "n1.example:443", "http://[::1]": "[::1]:80",
		"127.0.0.1:6100": "", "ftp://x": "", "": "", "http://": "",
	} {
		c, err := newConn(url, time.Second)
		if (err == nil) != (host != "") || err == nil && c.url.Host != host {
			t.Errorf("%q: %v, want %q", url, err, host)
		}
	}
}
