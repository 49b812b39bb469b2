package apitest_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"confman/api"
	"confman/api/apitest"
	"confman/api/client"
	"confman/api/denials"
	"confman/api/wire"
)

// A test of a program that looks for who was refused.
func TestDenialsAreListedOfOneNode(t *testing.T) {
	log, err := denials.Open(denials.Config{Dir: filepath.Join(t.TempDir(), "denied"), Node: "n1", Log: zerolog.Nop(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	server := apitest.NewServer(t, func(c *api.Config) { c.Denials.Log = log })
	admin := newClient(t, server, server.Key)
	for n := range 5 {
		nosy := asSomebody(t, server, admin, fmt.Sprint("nosy-", n), wire.RoleEditor)
		if _, err := nosy.Get(t.Context(), "vault", "x", client.Read{}); !errors.Is(err, client.ErrForbidden) {
			t.Fatal(err)
		}
	}
	if _, err := newClient(t, server, "guess").WhoAmI(t.Context()); !errors.Is(err, client.ErrUnauthenticated) {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q    client.DeniedQuery
		want string
	}{
		{client.DeniedQuery{}, "[ nosy-4 nosy-3 nosy-2 nosy-1 nosy-0]"},
		{client.DeniedQuery{Page: 2, Endpoint: server.URL}, "[ nosy-4 nosy-3 nosy-2 nosy-1 nosy-0]"},
		{client.DeniedQuery{Page: 1, Reason: wire.DeniedForbidden}, "[nosy-4 nosy-3 nosy-2 nosy-1 nosy-0]"},
		{client.DeniedQuery{Principal: "nosy-2", Since: time.Now().Add(-time.Hour)}, "[nosy-2]"},
		{client.DeniedQuery{Until: time.Now().Add(-time.Hour)}, "[]"},
	} {
		who := []string{}
		for d, err := range admin.Denied(t.Context(), tt.q) {
			if err != nil {
				t.Fatalf("%+v: %v", tt.q, err)
			}
			who = append(who, d.Principal)
		}
		if got := fmt.Sprint(who); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	for _, err := range admin.Denied(t.Context(), client.DeniedQuery{Endpoint: "http://elsewhere:6100"}) {
		if !errors.Is(err, client.ErrInvalid) {
			t.Errorf("of a node that is no member: %v", err)
		}
	}
}
