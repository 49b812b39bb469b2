package proxy_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"confman/cmd/torture/proxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo is a server that sends back each line, and tells how a connection ended.
func echo(t *testing.T) (address string, ends <-chan error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ended := make(chan error, 16)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, err := io.Copy(conn, conn)
				ended <- errors.Join(err, conn.Close())
			}()
		}
	}()
	return l.Addr().String(), ended
}

// line is a connection on which lines are sent to the echo and awaited.
type line struct {
	net.Conn
	in *bufio.Reader
}

func through(t *testing.T) (*proxy.Proxy, func() line, <-chan error) {
	t.Helper()
	address, ends := echo(t)
	p, err := proxy.New(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p, func() line {
		conn, err := net.Dial("tcp", p.Address())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return line{conn, bufio.NewReader(conn)}
	}, ends
}

// says sends a line and returns what comes back within a time.
func (l line) says(text string, within time.Duration) (string, error) {
	if _, err := io.WriteString(l, text+"\n"); err != nil {
		return "", err
	}
	return l.hears(within)
}

func (l line) hears(within time.Duration) (string, error) {
	_ = l.SetReadDeadline(time.Now().Add(within))
	back, err := l.in.ReadString('\n')
	return back, err
}

const (
	soon  = 10 * time.Second
	quiet = 100 * time.Millisecond
)

func TestWhatIsHeldComesLater(t *testing.T) {
	p, dial, _ := through(t)
	l := dial()
	if got, err := l.says("one", soon); got != "one\n" {
		t.Fatal(got, err)
	}
	p.Hold()
	if got, err := l.says("two", quiet); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q came through a proxy that holds: %v", got, err)
	}
	p.Pass()
	if got, err := l.hears(soon); got != "two\n" {
		t.Fatal(got, err)
	}
	p.Slow(200)
	began := time.Now()
	if got, err := l.says("a line of thirty characters and", soon); err != nil || time.Since(began) < quiet {
		t.Errorf("%q in %v at 200 bytes a second: %v", got, time.Since(began), err)
	}
}

func TestASwallowedConnectionIsSilentAndNeverWholeAgain(t *testing.T) {
	p, dial, _ := through(t)
	l := dial()
	if _, err := l.says("one", soon); err != nil {
		t.Fatal(err)
	}
	p.Swallow()
	if got, err := l.says("two", quiet); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%q came through a black hole: %v", got, err)
	}
	p.Pass()
	if got, err := l.hears(soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the black hole: %q, %v; want a reset", got, err)
	}
	if got, err := dial().says("three", soon); got != "three\n" {
		t.Error(got, err)
	}
}

func TestConnectionsAreCutAsTold(t *testing.T) {
	for _, test := range []struct {
		name           string
		cut            func(*proxy.Proxy)
		client, server error
	}{
		{"RST", (*proxy.Proxy).Reset, syscall.ECONNRESET, syscall.ECONNRESET},
		{"FIN", (*proxy.Proxy).Finish, io.EOF, nil},
		{"half open", (*proxy.Proxy).Abandon, os.ErrDeadlineExceeded, syscall.ECONNRESET},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, dial, ends := through(t)
			l := dial()
			if _, err := l.says("one", soon); err != nil {
				t.Fatal(err)
			}
			test.cut(p)
			within := soon
			if errors.Is(test.client, os.ErrDeadlineExceeded) {
				within = quiet
			}
			if _, err := l.hears(within); !errors.Is(err, test.client) {
				t.Errorf("the client sees %v, want %v", err, test.client)
			}
			if err := <-ends; !errors.Is(err, test.server) {
				t.Errorf("the server sees %v, want %v", err, test.server)
			}
		})
	}
}

func TestEndsAreToldOn(t *testing.T) {
	_, dial, ends := through(t)
	l := dial()
	if _, err := l.says("one", soon); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ends; err != nil {
		t.Errorf("the server sees %v, want an ordinary end", err)
	}
	p, err := proxy.New("127.0.0.1:1") // where nobody listens
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Address())
	if err != nil {
		return // reset before it was established
	}
	defer conn.Close()
	if got, err := (line{conn, bufio.NewReader(conn)}).hears(soon); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without a target: %q, %v; want a reset", got, err)
	}
}
