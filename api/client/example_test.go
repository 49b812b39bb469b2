package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

	"confman/api/client"
	"confman/api/wire"
)

// cluster stands for a running one: it holds pay/db.url at version 3.
func cluster() *httptest.Server {
	entry := wire.ConfigEntry{Namespace: "pay", Key: "db.url", Value: json.RawMessage(`"postgres://db1/pay"`), Type: wire.TypeString, Version: 3}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/namespaces/pay/config/db.url", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, entry) })
	mux.HandleFunc("GET /api/v1/namespaces/pay/config", func(w http.ResponseWriter, r *http.Request) { answer(w, 200, []wire.ConfigEntry{entry}) })
	mux.HandleFunc("PUT /api/v1/namespaces/pay/config/db.url", func(w http.ResponseWriter, r *http.Request) {
		if match := r.Header.Get("If-Match"); match != "" && match != fmt.Sprintf(`"v%d"`, entry.Version) {
			problem(w, 412, wire.ProblemConditionFailed, fmt.Sprintf("pay/db.url is at version %d", entry.Version))
			return
		}
		var put wire.PutConfig
		_ = json.NewDecoder(r.Body).Decode(&put)
		entry.Value, entry.Version = put.Value, entry.Version+1
		answer(w, 200, entry)
	})
	return httptest.NewServer(mux)
}

func Example() {
	server := cluster() // in real life: the URLs of some members
	defer server.Close()
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: "an API key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	entry, err := c.Get(context.Background(), "pay", "db.url", client.Read{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("version %d: %s\n", entry.Version, entry.Value)
	// Output: version 3: "postgres://db1/pay"
}

// A change that must not overwrite somebody else's says which version it is of.
func ExampleClient_Put() {
	server := cluster()
	defer server.Close()
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: "an API key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	ctx := context.Background()
	change := wire.PutConfig{Value: json.RawMessage(`"postgres://db2/pay"`), Comment: "moved"}
	for range 2 {
		entry, err := c.Put(ctx, "pay", "db.url", change, client.Write{IfVersion: new(uint64(3))})
		switch {
		case errors.Is(err, client.ErrConditionFailed):
			fmt.Println("somebody else was faster:", err)
		case errors.Is(err, client.ErrOutcomeUnknown):
			fmt.Println("may have happened; the same write with the same idempotency key settles it:", err)
		case err != nil:
			fmt.Println(err)
		default:
			fmt.Println("now at version", entry.Version)
		}
	}
	// Output:
	// now at version 4
	// somebody else was faster: put pay/db.url: 412 Precondition Failed: pay/db.url is at version 4
}

// A list fetches its pages as the loop gets to them.
func ExampleClient_List() {
	server := cluster()
	defer server.Close()
	c, err := client.New(client.Config{Endpoints: []string{server.URL}, Key: "an API key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()

	for entry, err := range c.List(context.Background(), "pay", "db.", client.Read{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		value, err := client.Bytes(entry.Type, entry.Value)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s = %s\n", entry.Key, value)
	}
	// Output: db.url = postgres://db1/pay
}
