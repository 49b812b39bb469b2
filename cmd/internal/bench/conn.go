package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// conn is one connection that carries requests which are bytes already, one at
// a time (RFC 9112). net/http's client costs more than the servers measured
// here; this one costs its two system calls. After an error it is dialled anew
// at the next request. It is for one goroutine.
type conn struct {
	url      *url.URL
	patience time.Duration // for one exchange
	c        net.Conn
	in       *bufio.Reader
}

func newConn(base string, patience time.Duration) (*conn, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("%q is not the URL of a node", base)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	return &conn{url: u, patience: patience}, nil
}

func (c *conn) dial(ctx context.Context) (err error) {
	dialer := &net.Dialer{Timeout: c.patience}
	if c.url.Scheme == "https" {
		c.c, err = (&tls.Dialer{NetDialer: dialer}).DialContext(ctx, "tcp", c.url.Host)
	} else {
		c.c, err = dialer.DialContext(ctx, "tcp", c.url.Host)
	}
	if err != nil {
		c.c = nil
		return err
	}
	c.in = bufio.NewReaderSize(c.c, 4<<10)
	return nil
}

// exchange sends a request and returns the status of the answer, whose body is
// read and dropped.
func (c *conn) exchange(ctx context.Context, request []byte) (status int, err error) {
	if c.c == nil {
		if err := c.dial(ctx); err != nil {
			return 0, err
		}
	}
	again := false
	if err = c.c.SetDeadline(time.Now().Add(c.patience)); err == nil {
		if _, err = c.c.Write(request); err == nil {
			status, again, err = c.answer()
		}
	}
	if !again {
		err = errors.Join(err, c.close())
	}
	return status, err
}

// answer reads one answer. Again says whether the connection can be used again.
func (c *conn) answer() (status int, again bool, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, false, fmt.Errorf("read an answer: %w", err)
	}
	if len(line) < len("HTTP/1.1 200\r\n") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, false, fmt.Errorf("%.40q is not an answer of HTTP/1.1", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, fmt.Errorf("%.40q is not an answer of HTTP/1.1", line)
	}
	length, again := -1, true
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return status, false, fmt.Errorf("read a header: %w", err)
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case len(name) == len("Content-Length") && bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return status, false, fmt.Errorf("Content-Length %.40q of an answer", value)
			}
		case len(name) == len("Connection") && bytes.EqualFold(name, []byte("Connection")):
			again = !bytes.EqualFold(value, []byte("close"))
		}
	}
	if length < 0 {
		if status == 204 || status == 304 {
			return status, again, nil
		}
		return status, false, errors.New("an answer without Content-Length")
	}
	if _, err = c.in.Discard(length); err != nil {
		return status, false, fmt.Errorf("read a body of %d bytes: %w", length, errors.Join(err, io.ErrUnexpectedEOF))
	}
	return status, again, nil
}

func (c *conn) close() error {
	if c.c == nil {
		return nil
	}
	err := c.c.Close()
	c.c, c.in = nil, nil
	return err
}
