package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"confman/replication"
)

// remainsView is what a directory holds.
type remainsView struct {
	Dir         string           `json:"dir"`
	Node        string           `json:"node"`
	Cluster     string           `json:"cluster"`
	RaftTerm    uint64           `json:"raftTerm"` // of the last entry
	RaftIndex   uint64           `json:"raftIndex"`
	LastHeard   time.Time        `json:"lastHeard"`   // when that entry was appended by the leader
	KnownCommit uint64           `json:"knownCommit"` // Raft entry up to which all is known to be committed
	Position    string           `json:"position"`    // of the history that is in the views
	EventsAfter int              `json:"eventsAfter"` // in the Raft log, at most
	NewestEvent time.Time        `json:"newestEvent"` // when that was
	Members     []recoveryMember `json:"members"`     // as far as this one knows
	Unfinished  string           `json:"unfinished,omitempty"`
}

type recoveryMember struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// recoveredCluster is what a recovery made.
type recoveredCluster struct {
	Cluster   string    `json:"cluster"`
	Previous  string    `json:"previous"`
	Node      string    `json:"node"`
	Position  string    `json:"position"` // of the last event
	Time      time.Time `json:"time"`     // of it
	Committed uint64    `json:"committed"`
}

func viewOf(r replication.Remains) remainsView {
	v := remainsView{
		Dir: r.Dir, Node: r.Node, Cluster: r.Cluster, RaftTerm: r.LastTerm, RaftIndex: r.LastIndex, LastHeard: r.LastTime.UTC(),
		KnownCommit: r.Known, Position: r.Position.String(), EventsAfter: r.After, NewestEvent: r.EventTime.UTC(),
		Unfinished: r.Unfinished,
	}
	for _, m := range r.Members {
		v.Members = append(v.Members, recoveryMember{m.ID, m.Address, m.Voter})
	}
	return v
}

func recoveredView(r replication.Recovered) *recoveredCluster {
	return &recoveredCluster{
		Cluster: r.Cluster, Previous: r.Previous, Node: r.ID, Position: r.Position, Time: r.Time.UTC(), Committed: r.Unknown,
	}
}

// write says it to people.
func (f recoveryFindings) write(w io.Writer, accepted bool) error {
	var b strings.Builder
	for _, d := range f.Directories {
		d.write(&b)
	}
	for _, m := range f.Others {
		b.WriteString(m.line())
	}
	if len(f.Directories) > 1 {
		fmt.Fprintf(&b, "the most advanced is %s in %s\n", f.Directories[0].Node, f.Directories[0].Dir)
	}
	switch {
	case f.Recovered != nil:
		f.writeDone(&b)
	case f.Refused == "" && !accepted:
		f.writeOffer(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v remainsView) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s: %s of cluster %s\n", v.Dir, v.Node, v.Cluster)
	if v.Unfinished != "" {
		fmt.Fprintf(b, "  unfinished   %s\n", v.Unfinished)
	}
	fmt.Fprintf(b, "  Raft log     up to term %d, index %d, appended %s\n", v.RaftTerm, v.RaftIndex, instant(v.LastHeard))
	fmt.Fprintf(b, "  history      up to event %s in the views", v.Position)
	if v.EventsAfter > 0 {
		fmt.Fprintf(b, ", then %d events at most in the Raft log", v.EventsAfter)
	}
	fmt.Fprintf(b, "; the newest is of %s\n", instant(v.NewestEvent))
	fmt.Fprintf(b, "  committed    up to Raft index %d as far as is known; %d entries after it may or may not be\n", v.KnownCommit, v.RaftIndex-min(v.KnownCommit, v.RaftIndex))
	members := make([]string, len(v.Members))
	for i, m := range v.Members {
		members[i] = m.ID + " at " + m.Address
		if !m.Voter {
			members[i] += " (learner)"
		}
	}
	fmt.Fprintf(b, "  members      %s\n", strings.Join(members, ", "))
}

func (m otherMember) line() string {
	switch {
	case !m.Answers:
		return fmt.Sprintf("%s at %s does not answer: %s\n", m.ID, m.Address, m.Error)
	case m.LeaderKnown:
		return fmt.Sprintf("%s at %s answers and knows a leader, event %d\n", m.ID, m.Address, m.EventIndex)
	}
	return fmt.Sprintf("%s at %s answers and knows no leader, event %d: if its disk is whole, stop it and compare its directory, too\n", m.ID, m.Address, m.EventIndex)
}

// writeOffer says what recovering would mean.
func (f recoveryFindings) writeOffer(b *strings.Builder) {
	d := f.Directories[0]
	fmt.Fprintf(b, "\nNothing was changed. To go on with %s alone:\n  %s\n", d.Node, f.Next[0])
	fmt.Fprintf(b, "All that its Raft log holds then counts, acknowledged or not. What others wrote without it is lost:\n"+
		"it has heard of nothing since %s.\n", instant(d.LastHeard))
}

func (f recoveryFindings) writeDone(b *strings.Builder) {
	r := f.Recovered
	fmt.Fprintf(b, "\nRecovered: %s is the only member of cluster %s, whose history goes on from event %s of %s.\n", r.Node, r.Cluster, r.Position, instant(r.Time))
	fmt.Fprintf(b, "%d Raft entries that were not known to be committed are now.\n\nNow:\n", r.Committed)
	fmt.Fprintf(b, "  1. start %s with the settings that it had; it needs no other member:\n       %s\n", r.Node, f.Next[0])
	fmt.Fprintf(b, "  2. on every other machine keep a copy of the old data directory, and start with an empty one, under a new ID:\n       %s\n", f.Next[1])
	fmt.Fprintf(b, "  3. see that it is in the audit trail:\n       %s\n", f.Next[2])
}

// instant writes a time for people.
func instant(t time.Time) string {
	if t.IsZero() {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}
