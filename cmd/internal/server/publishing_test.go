package server

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

// submitted is a request of ed's to set a key of namespace app.
func (c *started) submitted(key, value string, at *time.Time) wire.PublishRequest {
	c.t.Helper()
	r, err := c.sdk(c.key("ed", "app", "editor")).SubmitRequest(c.t.Context(), wire.NewRequest{
		Changes: []wire.RequestedChange{{Namespace: "app", Key: key, Value: []byte(value)}}, PublishAt: at,
	}, client.Write{})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func TestAnApprovedRequestIsPublishedAtItsTimeThoughTheLeaderStops(t *testing.T) {
	c := start(t, 3, nil)
	leader, followers := c.leader()
	at := time.Now().Add(1500 * time.Millisecond).Truncate(time.Millisecond)
	r := c.submitted("k", `"new"`, &at)
	reviewer := c.sdk(c.key("rita", "app", "publisher"), followers...)
	approved, err := reviewer.ApproveRequest(t.Context(), r.ID, "", client.Write{})
	if err != nil || approved.State != wire.RequestScheduled {
		t.Fatalf("approved: %+v, %v", approved, err)
	}
	stream := c.watch(c.http, followers[0].url+"/api/v1/watch?namespace=app", "X-Api-Key: "+adminKey)
	stream.next()
	c.stop(leader)
	created := stream.next()
	if created.Event == nil || created.Event.Type != "config.created" || created.Event.Time.Before(at) {
		t.Errorf("to be published at %s, came %+v", at, created.Event)
	}
	c.reached(created.Event.Index)
	var published wire.PublishRequest
	c.eventually("the request is published", func() (err error) {
		if published, err = reviewer.Request(t.Context(), r.ID, client.Read{}); err == nil && published.State != wire.RequestPublished {
			err = fmt.Errorf("it is %s", published.State)
		}
		return err
	})
	if end := published.Resolution; end == nil || end.By != "system" || end.Bypassed {
		t.Errorf("%+v", published)
	}
	if now, err := reviewer.Get(t.Context(), "app", "k", client.Read{}); err != nil || string(now.Value) != `"new"` || now.Version != 1 {
		t.Errorf("%+v, %v", now, err)
	}
}

func TestImpactCountsTheWatchesOfAllNodesAndNamesThoseThatAreDown(t *testing.T) {
	c := start(t, 3, func(o *Options) { o.HTTP.AllowedHosts = []string{"confman.example"} }) // and members ask by address
	c.do("GET", c.nodes[0].url+"/api/v1/whoami", "", "X-Api-Key: "+adminKey, "Host: evil.example").is(t, 403, "evil.example")
	r := c.submitted("k", "1", nil)
	_, followers := c.leader()
	asked, down := followers[0], followers[1]
	for _, n := range c.nodes {
		key := c.key("app-at-"+n.id, "app", "viewer")
		leader, _ := c.leader()
		c.reached(leader.running.node.State().Index()) // whoever is asked counts the watches of keys that it knows
		c.watch(c.http, n.url+"/api/v1/watch?namespace=app", "X-Api-Key: "+key).next()
	}
	c.watch(c.http, asked.url+"/api/v1/watch?namespace=other", "X-Api-Key: "+adminKey).next()
	impact := func() (i wire.Impact) {
		t.Helper()
		decode(t, c.do(http.MethodGet, asked.url+"/api/v1/publish-requests/"+r.ID+"/impact", "", "X-Api-Key: "+adminKey).is(t, 200).body, &i)
		return i
	}
	i := impact()
	if i.Watches != 3 || len(i.Silent) > 0 || !slices.Equal(i.Nodes, []string{"n1", "n2", "n3"}) ||
		!slices.Equal(i.Principals, []string{"app-at-n1", "app-at-n2", "app-at-n3"}) {
		t.Errorf("%+v", i)
	}
	c.stop(down)
	began := time.Now()
	i = impact()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("with a node down it took %s", took)
	}
	if i.Watches != 2 || !slices.Equal(i.Silent, []string{down.id}) || slices.Contains(i.Nodes, down.id) {
		t.Errorf("without %s: %+v", down.id, i)
	}
}
