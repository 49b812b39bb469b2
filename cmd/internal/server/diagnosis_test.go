package server

import (
	"strings"
	"testing"
	"time"

	"confman/api/wire"
	"confman/replication"
)

// well is three members of which nothing bad is known.
func well(now time.Time) sighting {
	s := sighting{asked: "n1", now: now, leader: "n1", level: 4}
	for i, id := range []string{"n1", "n2", "n3"} {
		m := replication.MemberStatus{Member: replication.Member{ID: id, Address: "10.0.0." + id[1:] + ":6100"}, Voter: true, Role: "follower"}
		if i == 0 {
			m.Role = "leader"
		} else {
			m.Contact = now.Add(-40 * time.Millisecond)
		}
		m.Report = replication.Report{
			Version: "v1", Level: 4, DiskLevel: wire.DiskOK, Snapshot: now.Add(-time.Hour),
			Certificate: replication.Validity{From: now.Add(-time.Hour), Until: now.Add(90 * 24 * time.Hour)},
		}
		s.members = append(s.members, m)
	}
	return s
}

// gone makes a member one that does not answer, last heard of long ago.
func gone(m *replication.MemberStatus, now time.Time) {
	*m = replication.MemberStatus{Member: m.Member, Voter: m.Voter, Role: "unreachable", Error: "connection refused", Contact: now.Add(-12 * time.Second)}
}

func TestEachProblemIsNamedWithWhatToDo(t *testing.T) {
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	tests := []struct {
		name    string
		change  func(*sighting)
		want    []string // severity, member, and parts of what and do; one string a problem, its parts divided by |
		healthy bool     // a leader is heard
	}{
		{"nothing", func(*sighting) {}, nil, true},
		{"one of three is down", func(s *sighting) { gone(&s.members[2], now) }, []string{
			"warning||one more failure and nothing can be written: 2 of 3 voters are alive, 2 are needed|start n3 (10.0.0.3:6100)",
			"warning|n3|does not answer n1: connection refused; the leader heard from it 12 s ago|confman cluster replace n3 NEW-ID HOST:PORT",
		}, true},
		{"two of three are down", func(s *sighting) { gone(&s.members[1], now); gone(&s.members[2], now) }, []string{
			"critical||no quorum, nothing can be written: 1 of 3 voters are alive, 2 are needed|start n2 (10.0.0.2:6100), n3 (10.0.0.3:6100)|cluster recover",
			"warning|n2|does not answer", "warning|n3|does not answer",
		}, false},
		{"the asked one is cut off, the leader hears the third", func(s *sighting) {
			gone(&s.members[2], now)
			s.members[2].Contact = now.Add(-50 * time.Millisecond)
		}, []string{"warning|n3|the leader heard from it 50 ms ago"}, true},
		{"an election", func(s *sighting) { s.leader = "" }, []string{"critical||nobody leads, as far as n1 knows: an election is under way|confman doctor --online"}, false},
		{"a leader that is not heard", func(s *sighting) { s.leader = "n2" }, []string{"critical||n1 does not hear from the leader n2|doctor"}, false},
		{"an even number of voters", func(s *sighting) { s.members = s.members[:2] }, []string{"warning||2 voters survive no more failures than 1 do|confman cluster add"}, true},
		{"a learner makes no even number, and lags", func(s *sighting) {
			s.members = append(s.members, replication.MemberStatus{Member: replication.Member{ID: "n4"}, Lag: 257, Report: s.members[0].Report})
		}, []string{"warning|n4|the learner lags: it lacks 257 committed entries and gets no vote before that is 256|wait"}, true},
		{"lag that is none", func(s *sighting) { s.members[1].Lag = 256 }, nil, true},
		{"lag", func(s *sighting) { s.members[1].Lag = 9000 }, []string{"warning|n2|lags: it lacks 9000 committed entries|confman doctor"}, true},
		{"disks", func(s *sighting) {
			s.members[0].DiskLevel, s.members[0].FreeBytes = wire.DiskSoft, 300<<20
			s.members[1].DiskLevel, s.members[2].DiskLevel = wire.DiskHard, wire.DiskCritical
		}, []string{"critical|n2|to the hard mark|free space", "critical|n3|not even deletions", "warning|n1|nearly full: it does not lead if it can help it; 300 MiB are free"}, true},
		{"a snapshot that is old and not due", func(s *sighting) { s.members[1].Snapshot = now.Add(-99 * time.Hour) }, nil, true},
		{"a snapshot that is due and young", func(s *sighting) {
			s.members[1].Snapshot, s.members[1].SinceSnapshot = now.Add(-time.Minute), 99999
		}, nil, true},
		{"no snapshot since long", func(s *sighting) { s.members[1].SinceSnapshot = 12288 }, []string{
			"warning|n2|its last snapshot is 60 minutes old, 12288 entries have come since|confman cluster snapshot",
		}, true},
		{"snapshots that fail", func(s *sighting) {
			s.members[1].NoSnapshot, s.members[1].SinceSnapshot = "open d/MARKER.tmp: permission denied", 99999
		}, []string{"warning|n2|snapshots fail: open d/MARKER.tmp: permission denied|check that directory|confman cluster snapshot"}, true},
		{"no snapshot ever", func(s *sighting) {
			s.members[1].Snapshot, s.members[1].SinceSnapshot = time.Time{}, 20000
		}, []string{"warning|n2|no snapshot yet, 20000 entries"}, true},
		{"clocks", func(s *sighting) { s.members[1].Skew, s.members[2].Skew = 1500*time.Millisecond, -time.Minute }, []string{
			"warning|n2|its clock is 1.5s ahead of that of n1|chronyc", "warning|n3|1m0s behind that of n1",
		}, true},
		{"certificates", func(s *sighting) {
			s.members[0].Certificate.Until = now.Add(-time.Second)
			s.members[1].Certificate = replication.Validity{From: now.Add(-80 * 24 * time.Hour), Until: now.Add(10 * 24 * time.Hour)}
			s.members[2].Certificate = replication.Validity{From: now.Add(-10 * time.Hour), Until: now.Add(14 * time.Hour)} // one for a day
		}, []string{"critical|n1|its certificate has expired|--tls-cert", "warning|n2|expires in 10 days, at 2026-12-03T09:00:00Z|read again"}, true},
		{"what its verification found", func(s *sighting) { s.members[2].Unsound = "its own verification found: event 7: altered" }, []string{
			"critical|n3|event 7: altered|confman cluster replace n3 NEW-ID HOST:PORT",
		}, true},
		{"upkeep", func(s *sighting) { s.members[0].ArchiveFailing, s.members[1].Erasing = true, 17 }, []string{
			"warning|n1|its archive takes nothing|--archive", "warning|n2|what event 17 erased may still be in its files|long backups",
		}, true},
		{"backups", func(s *sighting) { s.members[2].Backups = "no backup was made since yesterday: not enough free space" }, []string{
			"warning|n3|no backup was made since yesterday: not enough free space|--backup-dir",
		}, true},
		{"a member that waits", func(s *sighting) { s.members[1].Waiting = "rebuilding the views: event 3 of 9" }, []string{"warning|n2|rebuilding the views: event 3 of 9|/health/ready"}, true},
		{"a mixed cluster", func(s *sighting) { s.members[1].Version, s.members[2].Version, s.members[2].Level = "", "v2", 5 }, []string{
			"warning||members run different releases (n1: v1; n2: an older release; n3: v2); the feature level stays at 4 until all know 5|finish the upgrade",
		}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := well(now)
			test.change(&s)
			s.quorum = quorumOf(s.members, now)
			s.quorum.Healthy = test.healthy
			got := diagnose(s)
			if len(got) != len(test.want) {
				t.Errorf("got %d problems, want %d", len(got), len(test.want))
			}
			for i, p := range got {
				t.Logf("%+v", p)
				if p.What == "" || p.Do == "" || i >= len(test.want) {
					t.Errorf("problem %d: %+v", i, p)
					continue
				}
				parts := strings.Split(test.want[i], "|")
				for _, part := range parts[2:] {
					if p.Severity != parts[0] || p.Member != parts[1] || !strings.Contains(p.What+" "+p.Do, part) {
						t.Errorf("problem %d: %+v, want %q", i, p, test.want[i])
					}
				}
			}
		})
	}
}

func TestAMemberCountsAsAliveWhenSomebodyHearsIt(t *testing.T) {
	now := time.Now()
	s := well(now)
	gone(&s.members[1], now)
	gone(&s.members[2], now)
	s.members[2].Contact = now.Add(-time.Second / 2) // the leader hears it, we do not
	s.members = append(s.members, replication.MemberStatus{Member: replication.Member{ID: "n4"}})
	if q := quorumOf(s.members, now); q != (wire.Quorum{Voters: 3, Alive: 2, Needed: 2}) {
		t.Errorf("%+v", q)
	}
}
