package replication

import (
	"errors"
	"strings"
	"testing"
	"time"

	"confman/events"
)

func TestRemovingCountsTheVotersThatWouldBeLeft(t *testing.T) {
	voter := func(id string) MemberStatus { return MemberStatus{Member: Member{ID: id}, Voter: true} }
	down := func(id string) MemberStatus {
		m := voter(id)
		m.Error = "connection refused"
		return m
	}
	learner := MemberStatus{Member: Member{ID: "l"}}
	tests := map[string]struct {
		members []MemberStatus
		remove  string
		refused string // empty: it may go
	}{
		"one of three":                         {[]MemberStatus{voter("a"), voter("b"), voter("c")}, "a", ""},
		"the dead one of three":                {[]MemberStatus{voter("a"), voter("b"), down("c")}, "c", ""},
		"a live one beside a dead one":         {[]MemberStatus{voter("a"), voter("b"), down("c")}, "b", "without b, 1 of 2 voters would be alive, and a majority of 2 is needed to write anything (c: connection refused)"},
		"a live one, learners do not count":    {[]MemberStatus{voter("a"), voter("b"), down("c"), learner, learner}, "b", "1 of 2 voters"},
		"a dead learner is nobody's business":  {[]MemberStatus{voter("a"), voter("b"), voter("c"), {Member: Member{ID: "l"}, Error: "gone"}}, "a", ""},
		"one of five with two dead":            {[]MemberStatus{voter("a"), voter("b"), voter("c"), down("d"), down("e")}, "a", "2 of 4 voters would be alive, and a majority of 3"},
		"a dead one of five with two dead":     {[]MemberStatus{voter("a"), voter("b"), voter("c"), down("d"), down("e")}, "d", ""},
		"the only voter, whatever learners do": {[]MemberStatus{voter("a"), learner}, "a", "a is the only voter; to replace it: confman cluster replace a NEW-ID HOST:PORT"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := quorumWithout(test.members, test.remove)
			switch {
			case test.refused == "" && err != nil:
				t.Error(err)
			case test.refused != "" && (!errors.Is(err, events.ErrConflict) || !strings.Contains(err.Error(), test.refused)):
				t.Errorf("%v, want %q", err, test.refused)
			}
		})
	}
}

func TestLagAndContactsFollowFromAllAnswersTogether(t *testing.T) {
	now := time.Now()
	members := []MemberStatus{
		{Member: Member{ID: "n1"}, Role: "follower", Term: 7, RaftIndex: 90, Report: Report{Commit: 95}},
		{Member: Member{ID: "n2"}, Role: "leader", Term: 6, Report: Report{Contacts: map[string]int64{"n1": 9000}}}, // it was, and does not know
		{Member: Member{ID: "n3"}, Role: "leader", Term: 7, RaftIndex: 100, Report: Report{Commit: 100, Contacts: map[string]int64{"n1": 20, "n4": 12000}}},
		{Member: Member{ID: "n4"}, Role: "unreachable", Error: "no answer in time"},
	}
	relate(members, now)
	for i, want := range []struct {
		lag uint64
		ago time.Duration // negative: not known
	}{{10, 20 * time.Millisecond}, {100, -1}, {0, -1}, {100, 12 * time.Second}} {
		m := members[i]
		if m.Lag != want.lag || m.Contact.IsZero() != (want.ago < 0) || want.ago > 0 && now.Sub(m.Contact) != want.ago {
			t.Errorf("%s: lag %d, contact %v ago; want %+v", m.ID, m.Lag, now.Sub(m.Contact), want)
		}
	}
}

// What answers at a member's address counts only if it is that member.
func TestOnlyTheMemberItselfAnswersForIt(t *testing.T) {
	m := Member{ID: "n2", Address: "10.0.0.2:6100"}
	for name, test := range map[string]struct {
		answer peerAnswer
		want   string
	}{
		"itself":          {peerAnswer{Node: "n2", Cluster: "C"}, ""},
		"another":         {peerAnswer{Node: "n9", Cluster: "C"}, "at 10.0.0.2:6100 there is n9 instead"},
		"wiped":           {peerAnswer{Node: "n2"}, "n2 at 10.0.0.2:6100 is empty: its data is gone"},
		"another cluster": {peerAnswer{Node: "n2", Cluster: "D"}, "n2 at 10.0.0.2:6100 belongs to another cluster, D"},
	} {
		if got := test.answer.foreign(m, "C"); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
