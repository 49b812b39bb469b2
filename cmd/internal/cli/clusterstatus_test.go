package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

func TestClusterStatusFitsAScreenAndEndsWithWhatToDo(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	s := &connection{env: Env{Stdout: &out}}
	err := s.clusterTable(wire.Cluster{
		ID: "01KAQ3V1QW2M8T7X6Y5Z4A3B2C", NodeID: "n1", LeaderID: "n1", Term: 5, EventIndex: 1234567, Position: "1234567-9f3c2a1b", FeatureLevel: 4,
		Quorum: wire.Quorum{Voters: 3, Alive: 2, Needed: 2, Healthy: true},
		Members: []wire.Member{
			{
				ID: "n1", Address: "10.20.30.41:6100", Role: wire.MemberLeader, Voter: true, AppliedIndex: 1234567, Term: 5, RaftIndex: 2345678, Version: "v0.6.0-12-gabcdef0",
				Disk: &wire.Disk{Total: 400 << 30, Free: 199 << 30, Level: wire.DiskOK}, SnapshotAgeMs: new(int64(3_600_000)), StartedAt: now.Add(-72 * time.Hour),
				ClockSkewMs: new(int64(0)), CertificateExpires: now.Add(80 * 24 * time.Hour),
			},
			{
				ID: "n2", Address: "10.20.30.42:6100", Role: wire.MemberFollower, AppliedIndex: 1234560, Lag: 7, LastContactMs: new(int64(41)), Term: 5, RaftIndex: 2345600,
				Disk: &wire.Disk{Free: 300 << 20, Level: wire.DiskSoft}, ClockSkewMs: new(int64(-1500)), StartedAt: now.Add(-90 * time.Second),
			},
			{ID: "n3", Address: "10.20.30.43:6100", Voter: true, LastContactMs: new(int64(12_000))},
		},
		Problems: []wire.ClusterProblem{
			{Severity: wire.SeverityCritical, What: "something\nis wrong", Do: "confman cluster add NEW-ID HOST:PORT"},
			{Severity: wire.SeverityWarning, Member: "n3", What: "does not answer n1", Do: "start it"},
		},
	}, now)
	if err != nil {
		t.Fatal(err)
	}
	want := `cluster 01KAQ3V1QW2M8T7X6Y5Z4A3B2C, asked n1
leader n1, term 5, event 1234567-9f3c2a1b, feature level 4
quorum yes: 2 of 3 voters alive, 2 needed

ID   ADDRESS            ROLE          VOTER   TERM   EVENT     LAG   RAFT      CONTACT
n1   10.20.30.41:6100   leader        yes     5      1234567   0     2345678   -
n2   10.20.30.42:6100   learner       no      5      1234560   7     2345600   41 ms
n3   10.20.30.43:6100   unreachable   yes     -      -         -     -         12 s

ID   DISK FREE              SNAPSHOT   UP     CLOCK      CERTIFICATE   VERSION
n1   203776 of 409600 MiB   60 min     3 d    0 ms       80 d          v0.6.0-12-gabcdef0
n2   300 MiB, soft          -          90 s   -1500 ms   -             -
n3   -                      -          -      -          -             -

critical  something\nis wrong
          confman cluster add NEW-ID HOST:PORT

warning   n3: does not answer n1
          start it
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	for line := range strings.Lines(out.String()) {
		if len(line) > 101 {
			t.Errorf("%d characters: %s", len(line)-1, line)
		}
	}
}
