package replication

import (
	"testing"
	"time"

	"confman/events"
)

// schedule makes a publish request that is approved and due at a time.
func (c *testCluster) schedule(key string, at time.Time) (id string) {
	c.t.Helper()
	ctx, leader := testContext(c.t), c.leader()
	id = newULID().String()
	submit := events.SubmitRequest{
		ID: id, PublishAt: at, Actor: "ann",
		Changes: []events.Submitted{{Namespace: "pay", Key: key, Content: &events.Content{Value: []byte(`"new"`)}}},
	}
	roles := events.Roles{Grants: []events.RoleGrant{{Role: events.Publisher, Principal: "bob"}}}
	for _, step := range []struct {
		actor   string
		command func() events.Command
	}{
		{"ann", func() events.Command { return events.PutRoles{Namespace: "pay", Roles: roles, Actor: "ann"} }},
		{"ann", func() events.Command { return submit }},
		{"bob", func() events.Command {
			return events.ApproveRequest{ID: id, By: events.Principal{Name: "bob", Book: leader.State()}}
		}},
	} {
		stamp := events.Stamp{Time: time.Now(), ID: newULID(), Actor: step.actor}
		if _, err := leader.Submit(ctx, step.command(), stamp); err != nil {
			c.t.Fatal(err)
		}
	}
	if r := leader.State().Request(id); r.State != events.Scheduled || !r.DueAt.Equal(at) {
		c.t.Fatalf("the request is %s, due at %v, want scheduled at %v", r.State, r.DueAt, at)
	}
	return id
}

// published counts the events of a kind that belong to a request.
func published(t *testing.T, n *Node, id string, kind events.Kind) (count int, at time.Time) {
	t.Helper()
	h, release := n.History(n.State().Index())
	defer release()
	for r, err := range h.Records(0) {
		if err != nil {
			t.Fatal(err)
		}
		if e, err := r.Event(); err != nil {
			t.Fatal(err)
		} else if e.Request == id && e.Data.Kind() == kind {
			count++
			at = r.Time
		}
	}
	return count, at
}

func TestAScheduledRequestIsPublishedOnceByWhoeverLeadsThen(t *testing.T) {
	c := newCluster(t, 3)
	due := time.Now().Add(1500 * time.Millisecond)
	id := c.schedule("url", due)
	later := c.schedule("later", time.Now().Add(time.Hour))
	c.stop(c.leader().config.ID)
	eventually(t, "another leader publishes it", func() bool {
		return c.leader().State().Entry("pay", "url").Live()
	})
	leader := c.leader()
	if r := leader.State().Request(id); r.Revision != 0 {
		t.Errorf("it is still open: %+v", r)
	}
	if n, at := published(t, leader.Node, id, events.RequestPublished{}.Kind()); n != 1 || at.Before(due) {
		t.Errorf("it was published %d times, at %v, due at %v", n, at, due)
	}
	if r := leader.State().Request(later); r.State != events.Scheduled {
		t.Errorf("the one that is not due is %s", r.State)
	}
}

func TestWhatMustNotBePublishedAnyMoreIsRejectedWhenItIsDue(t *testing.T) {
	c := newCluster(t, 1)
	id := c.schedule("url", time.Now().Add(500*time.Millisecond))
	two := 2
	_, err := c.leader().Submit(testContext(t), events.PutSettings{Namespace: "pay", Settings: events.Settings{MinApprovers: &two}, Actor: "ann"},
		events.Stamp{Time: time.Now(), ID: newULID(), Actor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is closed", func() bool { return c.leader().State().Request(id).Revision == 0 })
	s := c.leader().State()
	if s.Entry("pay", "url").Live() {
		t.Error("it was published")
	}
	if d := s.Draft("pay", "url"); !d.Exists() || d.Request != "" {
		t.Errorf("its draft is %+v, want one that is free again", d)
	}
	h, release := c.leader().History(s.Index())
	defer release()
	r, err := h.Request(id)
	if err != nil || r.State != events.Rejected || r.Resolution.By != events.System {
		t.Errorf("it ended %s by %+v, %v", r.State, r.Resolution, err)
	}
}
