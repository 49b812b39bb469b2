package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/cmd/internal/cli"
)

// floorAnswer is how long the answers of the bare server are, as long as those
// about an entry of 256 bytes without what names it.
const floorAnswer = 300

// httpFloorCommand is the hidden command that serves what net/http alone can do.
func httpFloorCommand(env cli.Env) *cobra.Command {
	cmd := &cobra.Command{Use: "http-floor", Hidden: true, Args: cobra.NoArgs}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return serveFloor(cmd.Context(), env.Stdout) }
	return cmd
}

// serveFloor answers until the context ends. It prints its URL first.
func serveFloor(ctx context.Context, stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bare net/http: %w", err)
	}
	answer := bytes.Repeat([]byte("x"), floorAnswer)
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(answer) // a client that has gone needs none
	})}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	fmt.Fprintf(stdout, "http://%s\n", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("bare net/http: %w", err)
	}
	return nil
}

// httpFloor is a bare server in a process of its own.
type httpFloor struct {
	*process
	cluster cluster
}

func openHTTPFloor(ctx context.Context, stderr io.Writer) (*httpFloor, error) {
	p, err := start(ctx, stderr, "bench", "http-floor")
	if err != nil {
		return nil, err
	}
	url := strings.TrimSpace(p.ready)
	return &httpFloor{p, cluster{nodes: []string{url}, leader: url, key: "a-key-as-long-as-others-are-in-the-headers"}}, nil
}
