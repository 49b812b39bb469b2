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
	governed(mux)
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

// governed has the member hold pay/prod, too, where changes need one approval.
func governed(mux *http.ServeMux) {
	const namespace = "/api/v1/namespaces/pay%2Fprod"
	change := wire.ProposedChange{Namespace: "pay/prod", Key: "db.pool", Action: wire.ActionUpdate, Revision: 8, Value: json.RawMessage(`40`), Previous: &wire.PreviousVersion{Value: json.RawMessage(`20`), Version: 2}}
	request := wire.PublishRequest{ID: "R1", State: wire.RequestPending, Changes: []wire.ProposedChange{change}}
	mux.HandleFunc("PUT "+namespace+"/config/db.pool", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, 409, wire.ProblemApprovalRequired, "save a draft")
	})
	mux.HandleFunc("PUT "+namespace+"/drafts/db.pool", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 201, wire.Draft{Namespace: "pay/prod", Key: "db.pool", Value: change.Value, Revision: change.Revision})
	})
	mux.HandleFunc("POST /api/v1/publish-requests", func(w http.ResponseWriter, _ *http.Request) { answer(w, 201, request) })
	mux.HandleFunc("GET /api/v1/publish-requests", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, []wire.PublishRequest{request})
	})
	mux.HandleFunc("POST /api/v1/publish-requests/R1/approve", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, wire.PublishRequest{ID: "R1", State: wire.RequestPublished})
	})
	mux.HandleFunc("POST /api/v1/publish-requests/R1/rollback", func(w http.ResponseWriter, r *http.Request) {
		back := wire.ValueChange{Namespace: "pay/prod", Key: "db.pool", Action: wire.ActionUpdate, Old: change.Value, New: change.Previous.Value}
		answer(w, 200, wire.Changed{DryRun: r.URL.RawQuery != "", Changes: []wire.ValueChange{back}})
	})
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

func ExampleClient_SubmitRequest() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		pool := json.RawMessage(`40`)
		_, err := c.Put(ctx, "pay/prod", "db.pool", wire.PutConfig{Value: pool}, client.Write{})
		if !errors.Is(err, client.ErrApprovalRequired) {
			return err
		}
		draft, err := c.PutDraft(ctx, "pay/prod", "db.pool", wire.PutDraft{Value: pool}, client.Write{})
		if err != nil {
			return err
		}
		request, err := c.SubmitRequest(ctx, wire.NewRequest{
			Changes: []wire.RequestedChange{{Namespace: "pay/prod", Key: "db.pool", Revision: draft.Revision}},
			Comment: "more load since Monday",
		}, client.Write{})
		if err != nil {
			return err
		}
		fmt.Println(request.ID, request.State)
		return nil
	})
	// Output: R1 pending_review
}

func ExampleClient_ApproveRequest() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		for request, err := range c.Requests(ctx, client.RequestQuery{State: "open"}, client.Read{}) {
			if err != nil {
				return err
			}
			for _, change := range request.Changes {
				fmt.Printf("%s %s/%s: %s\n", change.Action, change.Namespace, change.Key, change.Value)
			}
			request, err = c.ApproveRequest(ctx, request.ID, "load test is fine", client.Write{})
			if err != nil {
				return err
			}
			fmt.Println(request.ID, request.State)
		}
		return nil
	})
	// Output:
	// update pay/prod/db.pool: 40
	// R1 published
}

func ExampleClient_RollbackRequest() {
	demonstrate(func(ctx context.Context, c *client.Client) error {
		preview, err := c.RollbackRequest(ctx, "R1", "", true, client.Write{})
		if err != nil {
			return err
		}
		for _, change := range preview.Changes {
			fmt.Printf("%s/%s: %s → %s\n", change.Namespace, change.Key, change.Old, change.New)
		}
		done, err := c.RollbackRequest(ctx, "R1", "errors since 14:02", false, client.Write{})
		if err != nil {
			return err
		}
		if done.Request != "" {
			fmt.Println("waits for review as", done.Request)
		}
		return nil
	})
	// Output: pay/prod/db.pool: 40 → 20
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
	if len(snippets) < 14 {
		t.Errorf("%d snippets", len(snippets))
	}
	for _, snippet := range snippets {
		if !strings.Contains(flat, indent.ReplaceAllString(snippet[1], "")) {
			t.Errorf("not in guide_test.go:\n%s", snippet[1])
		}
	}
}
