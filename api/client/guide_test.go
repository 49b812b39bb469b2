package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// demonstrate runs a passage of docs/sdk.md against a member that holds
// db.url and db.pool in pay, as of event 5, and on a watch tells of a change.
func demonstrate(passage func(ctx context.Context, c *client.Client) error) {
	value := json.RawMessage(`"postgres://db1/pay"`)
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/namespaces/pay/config/db.url", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set(wire.HeaderIndex, "5")
		answer(w, 200, wire.ConfigEntry{Namespace: "pay", Key: "db.url", Value: value, Type: wire.TypeString, Version: 3, Index: 5})
	})
	mux.HandleFunc("/api/v1/watch", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", wire.MediaNDJSON)
		opening := resumed(5, 5)
		if r.URL.Query().Get("after") == wire.AfterSnapshot {
			url := wire.ConfigEntry{Namespace: "pay", Key: "db.url", Value: value, Type: wire.TypeString, Version: 3, Index: 5}
			opening = snapshot(5) + frame(wire.Frame{Frame: wire.FrameEntry, Entry: &url}) + entry("db.pool", 20, 4) + snapshotEnd(5, 2)
		}
		io.WriteString(w, opening+change(5, 6, "db.pool", 40))
		http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	endpoints, key := []string{server.URL}, "an API key"

	c, err := client.New(client.Config{Endpoints: endpoints, Key: key})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := passage(ctx, c); err != nil {
		fmt.Println(err)
	}
}

func ExampleNew() {
	connect := func(endpoints []string, key string) error {
		c, err := client.New(client.Config{Endpoints: endpoints, Key: key})
		if err != nil {
			return err
		}
		defer c.Close()
		return nil
	}
	fmt.Println(connect([]string{"http://10.0.0.1:6100", "http://10.0.0.2:6100"}, "an API key"))
	// Output: <nil>
}

func ExampleClient_Get() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		entry, err := c.Get(ctx, "pay", "db.url", client.Read{})
		if err != nil {
			return err
		}
		value, err := client.Bytes(entry.Type, entry.Value)
		if err != nil {
			return err
		}
		fmt.Printf("version %d: %s\n", entry.Version, value)

		entry.Value = json.RawMessage(`"postgres://db2/pay"`)
		_, err = c.Put(ctx, "pay", "db.url", wire.PutConfig{Value: entry.Value}, client.Write{IfVersion: &entry.Version})
		if errors.Is(err, client.ErrConditionFailed) {
			return fmt.Errorf("somebody else was faster: %w", err)
		}
		return err
	})
	// Output: version 3: postgres://db1/pay
}

func ExampleClient_View() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		view, err := c.View(ctx, client.ViewConfig{Namespace: "pay"})
		if err != nil {
			return err
		}
		defer view.Close()

		for next := view.Changed(); view.Int("db.pool", 10) < 40; next = view.Changed() {
			<-next
		}
		fmt.Println(view.String("db.url", ""), view.Int("db.pool", 10), view.Duration("db.timeout", 5*time.Second))
		return nil
	})
	// Output: postgres://db1/pay 40 5s
}

func ExampleView_Decode() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		view, err := c.View(ctx, client.ViewConfig{Namespace: "pay"})
		if err != nil {
			return err
		}
		defer view.Close()

		var settings struct {
			URL     string        `confman:"db.url,required"`
			Replica string        `confman:"db.replica,required"`
			Timeout time.Duration `confman:"db.timeout,default=5s"`
		}
		err = view.Decode(&settings)
		fmt.Println(err)
		return nil
	})
	// Output: decode the view of pay: field Replica: db.replica does not exist
}

func ExampleViewConfig() {
	folder, err := os.MkdirTemp("", "confman")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)
	pooled := make(chan string, 1)
	resizePool := func(size string) { pooled <- size }
	demonstrate(func(ctx context.Context, c *client.Client) error {
		view, err := c.View(ctx, client.ViewConfig{
			Namespace:  "pay",
			Prefix:     "db.",
			File:       filepath.Join(folder, "pay.view"),
			Defaults:   map[string]json.RawMessage{"db.timeout": json.RawMessage(`"5s"`)},
			StaleAfter: time.Minute,
			OnChange: func(change client.Change) {
				if change.Key == "db.pool" && change.New != nil {
					resizePool(string(change.New.Value))
				}
			},
		})
		if err != nil {
			return err
		}
		defer view.Close()

		if s := view.Status(); s.Stale {
			fmt.Printf("running on values of %v ago (%s): %v\n", s.Age, s.Source, s.Err)
		}
		return nil
	})
	// Output:
}

func ExampleClient_Watch() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		position := "5-17156075" // kept from last time; empty: from now on
		for frame, err := range c.Watch(ctx, client.WatchRequest{Namespaces: []string{"pay"}, After: position}) {
			if err != nil {
				return err
			}
			if e := frame.Event; e != nil {
				position = e.Position
				fmt.Printf("%s %s/%s at %s\n", e.Type, e.Namespace, e.Key, position)
				break
			}
		}
		return nil
	})
	// Output: config.updated pay/db.pool at 6-b54cda26
}

func ExampleClient_GetChanged() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		after := uint64(0)
		entry, meta, err := c.GetChanged(ctx, "pay", "db.url", after, 30*time.Second)
		if err != nil && !errors.Is(err, client.ErrNotFound) {
			return err
		}
		after = meta.Index
		fmt.Println(entry.Version, after)
		return nil
	})
	// Output: 3 5
}

// The passages of the guide are passages of the examples above, which run.
func TestSnippetsOfTheGuideAreCompiled(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "sdk.md"))
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("guide_test.go")
	if err != nil {
		t.Fatal(err)
	}
	indent := regexp.MustCompile(`(?m)^[\t ]+`)
	flat := indent.ReplaceAllString(string(code), "")
	snippets := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(snippets) < 7 {
		t.Errorf("%d snippets", len(snippets))
	}
	for _, snippet := range snippets {
		if !strings.Contains(flat, indent.ReplaceAllString(snippet[1], "")) {
			t.Errorf("not in guide_test.go:\n%s", snippet[1])
		}
	}
}
