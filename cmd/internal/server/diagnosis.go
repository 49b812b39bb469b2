package server

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"confman/api/wire"
	"confman/replication"
)

// From where on a figure is a problem.
const (
	badLag      = 256             // Raft entries; a learner with more gets no vote
	badSkew     = time.Second     // between two clocks
	badUnmarked = 3 * 4096        // Raft entries without a snapshot; one is due after 4096
	badSnapshot = 5 * time.Minute // age of a snapshot, if there are as many entries after it
	renewal     = 14 * 24 * time.Hour
	renewalPart = 5 // a certificate is late when less than this part of its time is left, too
)

// sighting is the cluster as one node saw it.
type sighting struct {
	asked   string // the node that looked
	now     time.Time
	leader  string // its ID; empty: none is known
	quorum  wire.Quorum
	level   uint // the feature level of the history
	members []replication.MemberStatus
}

// diagnose says what is wrong and what to do about it, worst first. It is pure.
func diagnose(s sighting) []wire.ClusterProblem {
	found := s.aboutQuorum()
	for _, rule := range []func(replication.MemberStatus) (severity, what, do string){
		s.unsound, s.full, s.expiring, s.unreachable, s.waiting, s.lagging, s.unmarkable, s.unmarked, s.skewed, s.notArchiving, s.notBackingUp, s.erasing,
	} {
		for _, m := range s.members {
			if severity, what, do := rule(m); severity != "" {
				found = append(found, wire.ClusterProblem{Severity: severity, Member: m.ID, What: what, Do: do})
			}
		}
	}
	if what, do := s.mixed(); what != "" {
		found = append(found, wire.ClusterProblem{Severity: wire.SeverityWarning, What: what, Do: do})
	}
	slices.SortStableFunc(found, func(a, b wire.ClusterProblem) int { // "critical" comes before "warning"
		return cmp.Compare(a.Severity, b.Severity)
	})
	return found
}

// aboutQuorum says how near the cluster is to not being able to write.
func (s sighting) aboutQuorum() (found []wire.ClusterProblem) {
	say := func(severity, what, do string) {
		found = append(found, wire.ClusterProblem{Severity: severity, What: what, Do: do})
	}
	q := s.quorum
	var down []string
	for _, m := range s.members {
		if m.Voter && m.Error != "" {
			down = append(down, m.ID+" ("+m.Address+")")
		}
	}
	count := fmt.Sprintf("%d of %d voters are alive, %d are needed", q.Alive, q.Voters, q.Needed)
	start := "start " + strings.Join(down, ", ")
	switch {
	case q.Alive < q.Needed:
		say(wire.SeverityCritical, "no quorum, nothing can be written: "+count,
			start+"; if they are gone for good, stop the rest and see confman cluster recover --help")
	case !q.Healthy && s.leader == "":
		say(wire.SeverityCritical, "nobody leads, as far as "+s.asked+" knows: an election is under way",
			"wait some seconds; if it stays so: confman doctor --online")
	case !q.Healthy:
		say(wire.SeverityCritical, fmt.Sprintf("%s does not hear from the leader %s", s.asked, s.leader),
			"wait some seconds; if it stays so, mend the network between them: confman doctor --online")
	}
	if q.Alive == q.Needed && q.Alive < q.Voters {
		say(wire.SeverityWarning, "one more failure and nothing can be written: "+count, start)
	}
	if q.Voters > 0 && q.Voters%2 == 0 {
		say(wire.SeverityWarning, fmt.Sprintf("%d voters survive no more failures than %d do", q.Voters, q.Voters-1),
			"confman cluster add NEW-ID HOST:PORT, or confman cluster remove ID")
	}
	return found
}

func (s sighting) unreachable(m replication.MemberStatus) (severity, what, do string) {
	if m.Error == "" {
		return "", "", ""
	}
	what = fmt.Sprintf("does not answer %s: %s", s.asked, m.Error)
	if !m.Contact.IsZero() {
		what += fmt.Sprintf("; the leader heard from it %s ago", roughly(s.now.Sub(m.Contact)))
	}
	return wire.SeverityWarning, what, fmt.Sprintf(
		"start it at %s, its log says why it ended; if it is gone for good: confman cluster replace %s NEW-ID HOST:PORT", m.Address, m.ID)
}

func (s sighting) unsound(m replication.MemberStatus) (severity, what, do string) {
	if m.Unsound == "" {
		return "", "", ""
	}
	return wire.SeverityCritical, m.Unsound, fmt.Sprintf("the others have the data; confman cluster replace %s NEW-ID HOST:PORT", m.ID)
}

func (s sighting) full(m replication.MemberStatus) (severity, what, do string) {
	severity, what = wire.SeverityCritical, "the disk is full to the hard mark: it takes no writes"
	switch m.DiskLevel {
	case "", wire.DiskOK:
		return "", "", ""
	case wire.DiskSoft:
		severity, what = wire.SeverityWarning, "the disk is nearly full: it does not lead if it can help it"
	case wire.DiskCritical:
		what = "the disk is full: it takes no writes, not even deletions"
	}
	return severity, fmt.Sprintf("%s; %d MiB are free", what, m.FreeBytes>>20), "free space on its data disk or enlarge it; it recovers by itself"
}

// late says that a certificate should have been made anew. It goes by the share of
// its time that is left, too: there are some that are made anew every day.
func late(v replication.Validity, now time.Time) bool {
	left := v.Until.Sub(now)
	return left < renewal && left < v.Until.Sub(v.From)/renewalPart
}

func (s sighting) expiring(m replication.MemberStatus) (severity, what, do string) {
	const files = "replace the files of --tls-cert, --tls-key or --peer-tls-cert, --peer-tls-key; they are read again without a restart"
	until := m.Certificate.Until
	left := until.Sub(s.now)
	switch {
	case until.IsZero():
		return "", "", ""
	case left <= 0:
		return wire.SeverityCritical, "its certificate has expired at " + until.UTC().Format(time.RFC3339), files
	case late(m.Certificate, s.now):
		return wire.SeverityWarning, fmt.Sprintf("its certificate expires in %s, at %s", roughly(left), until.UTC().Format(time.RFC3339)), files
	}
	return "", "", ""
}

func (s sighting) waiting(m replication.MemberStatus) (severity, what, do string) {
	if m.Waiting == "" {
		return "", "", ""
	}
	return wire.SeverityWarning, m.Waiting, "wait; its log and " + m.Address + "/health/ready say how it goes on"
}

func (s sighting) lagging(m replication.MemberStatus) (severity, what, do string) {
	if m.Lag <= badLag {
		return "", "", ""
	}
	what = fmt.Sprintf("lags: it lacks %d committed entries", m.Lag)
	if !m.Voter {
		what = fmt.Sprintf("the learner lags: it lacks %d committed entries and gets no vote before that is %d", m.Lag, badLag)
	}
	return wire.SeverityWarning, what, "wait; if it grows, its disk or its network is too slow: confman doctor there"
}

func (s sighting) unmarkable(m replication.MemberStatus) (severity, what, do string) {
	if m.NoSnapshot == "" {
		return "", "", ""
	}
	return wire.SeverityWarning, "snapshots fail: " + m.NoSnapshot,
		"check that directory and its disk; then confman cluster snapshot, with --addr of that member"
}

func (s sighting) unmarked(m replication.MemberStatus) (severity, what, do string) {
	age := s.now.Sub(m.Snapshot)
	if m.NoSnapshot != "" || m.SinceSnapshot < badUnmarked || age < badSnapshot {
		return "", "", ""
	}
	last := "no snapshot yet"
	if !m.Snapshot.IsZero() {
		last = "its last snapshot is " + roughly(age) + " old"
	}
	return wire.SeverityWarning, fmt.Sprintf("%s, %d entries have come since: its log only grows", last, m.SinceSnapshot),
		"its log says what fails; then confman cluster snapshot, with --addr of that member"
}

func (s sighting) skewed(m replication.MemberStatus) (severity, what, do string) {
	if m.Skew.Abs() <= badSkew {
		return "", "", ""
	}
	order := "ahead of"
	if m.Skew < 0 {
		order = "behind"
	}
	return wire.SeverityWarning, fmt.Sprintf("its clock is %s %s that of %s", m.Skew.Abs().Round(100*time.Millisecond), order, s.asked),
		"synchronize both: chronyc tracking, or timedatectl"
}

func (s sighting) notArchiving(m replication.MemberStatus) (severity, what, do string) {
	if !m.ArchiveFailing {
		return "", "", ""
	}
	return wire.SeverityWarning, "its archive takes nothing, so nothing is trimmed", "mend the directory of --archive; it goes on by itself"
}

func (s sighting) notBackingUp(m replication.MemberStatus) (severity, what, do string) {
	if m.Backups == "" {
		return "", "", ""
	}
	return wire.SeverityWarning, m.Backups, "mend the directory of --backup-dir; it goes on by itself. Until then: confman backup FILE"
}

func (s sighting) erasing(m replication.MemberStatus) (severity, what, do string) {
	if m.Erasing == 0 {
		return "", "", ""
	}
	return wire.SeverityWarning, fmt.Sprintf("what event %d erased may still be in its files", m.Erasing),
		"wait some seconds; if it stays so, free space or end long backups there: its log says which"
}

// mixed is about members that run different releases.
func (s sighting) mixed() (what, do string) {
	versions, newest := map[string][]string{}, uint(0)
	for _, m := range s.members {
		if m.Error == "" {
			v := cmp.Or(m.Version, "an older release")
			versions[v], newest = append(versions[v], m.ID), max(newest, uint(m.Level))
		}
	}
	if len(versions) < 2 {
		return "", ""
	}
	var each []string
	for v, ids := range versions {
		each = append(each, strings.Join(ids, ", ")+": "+v)
	}
	slices.Sort(each)
	what = "members run different releases (" + strings.Join(each, "; ") + ")"
	if newest > s.level {
		what += fmt.Sprintf("; the feature level stays at %d until all know %d", s.level, newest)
	}
	return what, "finish the upgrade: SIGTERM, the new binary, wait for /health/ready, then the next member"
}

// roughly is a duration for people.
func roughly(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	case d >= time.Second:
		return fmt.Sprintf("%d s", d/time.Second)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}
