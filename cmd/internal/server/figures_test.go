package server

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// measured is the value of a series at a node; ok is false when there is none.
func (c *started) measured(n *node, series string) (value float64, ok bool) {
	c.t.Helper()
	for line := range strings.Lines(c.do("GET", n.url+"/metrics", "").is(c.t, http.StatusOK).body) {
		if text, found := strings.CutPrefix(line, series+" "); found {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				c.t.Fatal(err)
			}
			return value, true
		}
	}
	return 0, false
}

func TestTheLeaderMeasuresItsMembersAndOthersDoNot(t *testing.T) {
	// Patient, so that the leader stays on a machine that is busy: a new one knows
	// nothing of a member that never answered it.
	c := start(t, 3, func(o *Options) { o.Members.Election = time.Second })
	leader, others := c.leader()
	c.do("PUT", leader.url+"/api/v1/namespaces/pay/config/k", `{"value":"v"}`, "X-Api-Key: "+adminKey).is(t, http.StatusCreated)
	down, up := others[0], others[1]
	is := func(n *node, series string, want float64) {
		t.Helper()
		c.eventually(series+" of "+n.id, func() error {
			if got, ok := c.measured(n, series); !ok || got != want {
				return fmt.Errorf("%v %v, want %v", got, ok, want)
			}
			return nil
		})
	}
	lag := func(n *node) string { return fmt.Sprintf("confman_raft_member_lag_entries{member=%q}", n.id) }
	is(leader, "confman_voters_alive", 3)
	is(leader, lag(up), 0)
	is(up, "confman_voters", 3)
	is(up, "confman_quorum", 1)
	for _, series := range []string{"confman_voters_alive", lag(leader), lag(down)} {
		if v, ok := c.measured(up, series); ok {
			t.Errorf("a follower has %s %v", series, v)
		}
	}

	c.stop(down)
	const writes = 5
	for i := range writes {
		c.do("PUT", leader.url+"/api/v1/namespaces/pay/config/k", fmt.Sprintf(`{"value":"%d"}`, i), "X-Api-Key: "+adminKey).is(t, http.StatusOK)
	}
	is(leader, "confman_voters_alive", 2)
	is(leader, lag(down), writes)
	is(leader, lag(up), 0)
	c.eventually("the silence of the member is measured", func() error {
		if s, _ := c.measured(leader, fmt.Sprintf("confman_raft_member_last_contact_seconds{member=%q}", down.id)); s < 1 {
			return fmt.Errorf("%v s", s)
		}
		return nil
	})
	is(leader, "confman_quorum", 1)

	c.stop(leader)
	is(up, "confman_quorum", 0)
	if n, _ := c.measured(up, "confman_raft_log_entries"); n < writes {
		t.Errorf("%v entries in the log", n)
	}
}
