package cli

import (
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// members are voters n1, n2 …, of which n1 leads and the named ones are dead.
func members(voters int, dead ...string) wire.Cluster {
	c := wire.Cluster{LeaderID: "n1", RaftIndex: 1000}
	for i := range voters {
		id := "n" + string(rune('1'+i))
		m := wire.Member{ID: id, Address: id + ":1", Voter: true, Role: wire.MemberFollower, RaftIndex: 1000, CommitIndex: 1000}
		if slices.Contains(dead, id) {
			m.Role, m.RaftIndex, m.CommitIndex = "", 0, 0
		}
		c.Members = append(c.Members, m)
	}
	return c
}

func with(c wire.Cluster, more ...wire.Member) wire.Cluster {
	c.Members = append(c.Members, more...)
	return c
}

func without(c wire.Cluster, id string) wire.Cluster {
	c.Members = slices.DeleteFunc(c.Members, func(m wire.Member) bool { return m.ID == id })
	return c
}

func TestAReplacementKeepsQuorumAndGoesOnWhereItStopped(t *testing.T) {
	r := replacement{old: "n2", new: "n9", address: "n9:1"}
	learner := wire.Member{ID: "n9", Address: "n9:1", Role: wire.MemberLearner, RaftIndex: 1000}
	behind, silent, voter := learner, learner, learner
	behind.RaftIndex, silent.Role, voter.Voter = 743, "", true
	dead := members(3, "n2")
	tests := []struct {
		name    string
		replace replacement
		cluster wire.Cluster
		want    []step
		refused string
	}{
		{"alive", r, members(3), []step{addLearner, giveVote, removeOld}, ""},
		{"the leader", replacement{"n1", "n9", "n9:1"}, members(3), []step{addLearner, giveVote, handOver, removeOld}, ""},
		{"the only one", replacement{"n1", "n9", "n9:1"}, members(1), []step{addLearner, giveVote, handOver, removeOld}, ""},
		{"dead", r, dead, []step{removeDead, addLearner, giveVote}, ""},
		{"dead, at its address", replacement{"n2", "n9", "n2:1"}, dead, []step{removeDead, addLearner, giveVote}, ""},
		{"dead, of five with another dead", r, members(5, "n2", "n3"), []step{removeDead, addLearner, giveVote}, ""},
		{"dead beside a dead one", r, members(3, "n2", "n3"), nil, "1 of 2 voters are alive where 2 are needed"},
		{"dead beside a dead one, the learner is there", r, with(members(3, "n2", "n3"), learner), []step{giveVote, removeDead}, ""},
		{"interrupted when the dead one was removed", r, without(members(3), "n2"), []step{addLearner, giveVote}, ""},
		{"interrupted when the learner was added", r, with(members(3), learner), []step{giveVote, removeOld}, ""},
		{"the learner lags", r, with(members(3), behind), []step{catchUp, giveVote, removeOld}, ""},
		{"the learner does not answer", r, with(members(3), silent), []step{catchUp, giveVote, removeOld}, ""},
		{"interrupted when it had its vote", r, with(members(3), voter), []step{removeOld}, ""},
		{"it died when the other had its vote", r, with(members(3, "n2"), voter), []step{removeDead}, ""},
		{"done before", r, with(without(members(3), "n2"), voter), nil, ""},
		{"not a member", replacement{"n7", "n9", "n9:1"}, members(3), nil, "n7 is not a member; to add one more: confman cluster add n9 n9:1"},
		{"a learner", replacement{"n4", "n9", "n9:1"}, with(members(3), wire.Member{ID: "n4", Role: wire.MemberLearner}), nil, "n4 is a learner"},
		{"elsewhere", replacement{"n2", "n9", "n8:1"}, with(members(3), voter), nil, "at n9:1 and not at n8:1"},
		{"at the address of a live one", replacement{"n2", "n9", "n2:1"}, members(3), nil, "n2:1 is the address of n2"},
		{"at the address of another", replacement{"n2", "n9", "n3:1"}, dead, nil, "n3:1 is the address of n3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.replace.steps(test.cluster)
			if (err != nil) != (test.refused != "") || err != nil && !strings.Contains(err.Error(), test.refused) {
				t.Errorf("%v, want %q", err, test.refused)
			}
			if err == nil && !slices.Equal(got, test.want) {
				t.Errorf("steps %v, want %v", got, test.want)
			}
		})
	}
}

func TestEveryStepOfAReplacementIsSaidWithItsCommand(t *testing.T) {
	r := replacement{old: "n2", new: "n9", address: "n9:1"}
	for s := removeDead; s <= removeOld; s++ {
		if !strings.Contains(r.says(s), ": confman cluster ") {
			t.Errorf("step %d: %q", s, r.says(s))
		}
	}
}
