package apitest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"confman/api/apitest"
	"confman/api/client"
	"confman/api/wire"
)

// The past by the SDK, from a true server whose connections break all the time.
func TestThePastIsReadByTheSDK(t *testing.T) {
	server := apitest.NewServer(t)
	for n := range 400 {
		server.Set("shop", "n", n)
	}
	middle := server.Position()
	server.Set("shop", "n", "last")
	c := newClient(t, server, server.Key)
	next, started := uint64(0), 0
	for f, err := range c.Replay(t.Context(), client.ReplayOptions{Namespaces: []string{"shop"}, To: middle}) {
		if err != nil {
			t.Fatal(err)
		}
		switch f.Frame {
		case wire.FrameReplayStart:
			started++
		case wire.FrameReplay:
			if got := fmt.Sprintf(`"value":%d,`, next); !strings.Contains(string(f.Event.Data), got) {
				t.Fatalf("event %d is %s", next, f.Event.Data)
			}
			if next++; next == 100 || next == 200 {
				server.Cut()
			}
		}
	}
	if next != 400 || started == 0 {
		t.Errorf("%d events, %d connections", next, started)
	}
	e, err := c.Explain(t.Context(), "shop", "n", client.Read{At: middle})
	if err != nil || e.Versions != 400 || string(e.Entry.Value) != "399" {
		t.Errorf("%+v, %v", e, err)
	}
	at := client.Read{At: middle}
	if _, err := c.Roles(t.Context(), "shop", true, at); err != nil {
		t.Error(err)
	}
	if _, err := c.Schema(t.Context(), "shop", true, at); err != nil {
		t.Error(err)
	}
	if _, err := c.Settings(t.Context(), "shop", true, at); err != nil {
		t.Error(err)
	}
	if n, err := c.Namespace(t.Context(), "shop", at); err != nil || n.Path != "shop" {
		t.Error(n, err)
	}
	if _, err := c.Request(t.Context(), "01J0000000000000000000NONE", at); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
	if _, err := c.Namespace(t.Context(), "shop", client.Read{At: "1"}); !errors.Is(err, client.ErrNotFound) {
		t.Error(err)
	}
}
