package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/streams"
)

// changeSet is the changes of one line of the replayed history, which become live
// together or not at all.
type changeSet struct {
	seq       int
	author    string
	files     []*fileChange
	after     []*changeSet  // earlier ones that change a file of this one
	published chan struct{} // closed when it is
	request   string        // the publish request that did it
	rng       *rand.Rand
}

// changeSets groups changes by their lines.
func changeSets(t *testing.T, all []*fileChange, rng *rand.Rand) (sets []*changeSet) {
	t.Helper()
	last := map[string]*changeSet{} // by file
	for _, f := range all {
		var seq, i int
		if _, err := fmt.Sscanf(f.request, "petclinic-%d-%d", &seq, &i); err != nil {
			t.Fatal(err)
		}
		if len(sets) == 0 || sets[len(sets)-1].seq != seq {
			sets = append(sets, &changeSet{seq: seq, author: f.author, published: make(chan struct{}), rng: rand.New(rand.NewPCG(rng.Uint64(), 0))})
		}
		s := sets[len(sets)-1]
		s.files = append(s.files, f)
		if before := last[f.path]; before != nil && !slices.Contains(s.after, before) {
			s.after = append(s.after, before)
		}
		last[f.path] = s
	}
	return sets
}

// office is those who bring change sets through review.
type office struct {
	c         *cluster
	authors   map[string]*client.Client
	reviewers map[string]*client.Client
	editor    *client.Client // who is nothing more, as the authors are publishers, too
	admin     *client.Client

	mu      sync.Mutex // guards the fields below
	done    []step
	endings map[string]int
	refused int
}

// step is a write that was acknowledged.
type step struct {
	key   string
	write func(client.Write) error
}

// govern says who may do what with the files.
func (c *cluster) govern(all []*fileChange, approvers int) *office {
	c.t.Helper()
	o := &office{c: c, authors: c.authors(all), reviewers: map[string]*client.Client{}, admin: c.client(c.key), endings: map[string]int{}}
	for _, name := range []string{"reviewer-1", "reviewer-2", "reviewer-3"} {
		o.reviewers[name] = c.client(c.mint(name, wire.Grant{Namespace: petclinic, Role: wire.RolePublisher}).Key)
	}
	o.editor = c.client(c.mint("editor", wire.Grant{Namespace: petclinic, Role: wire.RoleEditor}).Key)
	publishers := []wire.RoleGrant{}
	for name := range o.authors {
		publishers = append(publishers, wire.RoleGrant{Role: wire.RolePublisher, Principal: name})
	}
	c.roles(petclinic, publishers...)
	c.settings(petclinic, wire.Settings{RequireApproval: new(true), MinApprovers: new(approvers)})
	return o
}

// settings puts the settings of a namespace.
func (c *cluster) settings(namespace string, s wire.Settings) {
	c.t.Helper()
	err := settle(c.t.Context(), fmt.Sprint("settings-", time.Now().UnixNano()), func(w client.Write) error {
		_, err := c.client(c.key).PutSettings(c.t.Context(), namespace, s, w)
		return err
	})
	if err != nil {
		c.t.Fatalf("settings of %s: %v", namespace, err)
	}
}

// refusal notes that something was refused as it must be.
func (o *office) refusal() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refused++
}

func (o *office) note(ending string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.endings[ending]++
}

// work brings a change set through review, as often as it takes, after those that
// it follows.
func (o *office) work(ctx context.Context, s *changeSet) error {
	for _, earlier := range s.after {
		select {
		case <-earlier.published:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	for attempt := 0; ; attempt++ {
		p := &passage{office: o, changeSet: s, attempt: attempt, fate: approved}
		if attempt < 3 {
			p.fate = pick(s.rng, []fate{approved, approved, approved, rejected, withdrawn, contested})
		}
		ended, err := p.run()
		if err != nil {
			return fmt.Errorf("change set %d by %s, attempt %d, to be %s: %w", s.seq, s.author, attempt, p.fate, err)
		}
		o.note(fmt.Sprintf("%s: %s", p.fate, ended))
		if ended == wire.RequestPublished {
			s.request = p.id
			close(s.published)
			return nil
		}
	}
}

// more waits for some more steps, or until the work is over.
func (o *office) more(steps int, over <-chan struct{}) {
	o.c.t.Helper()
	done := func() int {
		o.mu.Lock()
		defer o.mu.Unlock()
		return len(o.done)
	}
	target := done() + steps
	await(o.c.t, "more steps of review", func() error {
		select {
		case <-over:
			return nil
		default:
		}
		if have := done(); have < target {
			return fmt.Errorf("%d to go", target-have)
		}
		return nil
	})
}

// workUnderFaults brings all change sets through review at once, as far as they
// do not wait for each other, while leaders are killed and paused.
func (o *office) workUnderFaults(sets []*changeSet, rng *rand.Rand) {
	ctx, fail := context.WithCancelCause(o.c.t.Context())
	defer fail(nil)
	var working sync.WaitGroup
	for _, s := range sets {
		working.Go(func() {
			if err := o.work(ctx, s); err != nil {
				fail(err)
			}
		})
	}
	over := make(chan struct{})
	go func() { working.Wait(); close(over) }()
	faults := 0
	for ended := false; !ended; faults++ {
		o.more(30, over)
		o.c.disturb(rng, 2)
		select {
		case <-over:
			ended = true
		default:
		}
	}
	if err := context.Cause(ctx); err != nil {
		o.c.t.Fatal(err)
	}
	o.c.t.Logf("%d leaders were killed and as many paused; requests ended as they were meant to: %v; %d temptations were refused", faults, o.endings, o.refused)
}

func TestNoChangeOfARealRepositoryGoesLiveWithoutTheApprovalOfTwoOthers(t *testing.T) {
	for range rounds(1, 8) {
		rng := random(t)
		c := form(t, plan{})
		c.namespace(petclinic)
		all := petclinicHistory(t)
		sets := changeSets(t, all, rng)
		o := c.govern(all, 2)
		o.workUnderFaults(sets, rng)
		c.awaitReady(c.nodes...)
		h := c.oneHistory()
		log := c.eventLog(pick(rng, c.nodes), uint64(len(h)))
		for _, wrong := range check.FourEyes(log, petclinic, 2) {
			t.Error(wrong)
		}
		checkTold(t, h, log)
		for _, n := range c.nodes {
			c.checkFiles(n, all)
			c.checkReviewed(n, h, sets)
		}
		o.askAgain()
		if again := c.oneHistory(); len(again) != len(h) {
			t.Errorf("asking for each of %d steps again wrote %d events", len(o.done), len(again)-len(h))
		}
		t.Logf("%d change sets of %d files, %d steps, %d events", len(sets), len(all), len(o.done), len(h))
		c.end()
	}
}

// eventLog is all events up to one, as a watch at a node tells them.
func (c *cluster) eventLog(n *node, head uint64) (log []wire.Event) {
	c.t.Helper()
	w := c.open(n, streams.Call{Encoding: wire.EncodingNDJSON, After: wire.AfterStart, Filter: streams.Filter{Events: wire.EventsAll}})
	defer w.close()
	for uint64(len(log)) < head {
		f := w.until(wire.FrameEvent)
		if log = append(log, *f.Event); f.Event.Index != uint64(len(log)) {
			c.t.Fatalf("the watch at %s has event %d where %d should be", n.id, f.Event.Index, len(log))
		}
	}
	return log
}

// checkTold compares the audit with what a watch told.
func checkTold(t *testing.T, h history, log []wire.Event) {
	t.Helper()
	for i, e := range log {
		a := h[i]
		key := ""
		if a.Key != nil {
			key = *a.Key
		}
		if a.Position != e.Position || a.ID != e.ID || a.Action != e.Type || a.Actor != e.Actor || a.Namespace != e.Namespace || key != e.Key ||
			a.Request != e.Request || a.Transaction != e.Transaction || !a.Timestamp.Equal(e.Time) {
			t.Errorf("event %d: the audit has %+v, the watch %+v", e.Index, a, e)
		}
	}
}

// checkReviewed finds each change set as one version of each of its files, and
// from the version's request who wrote it and who approved it.
func (c *cluster) checkReviewed(n *node, h history, sets []*changeSet) {
	c.t.Helper()
	want := map[string][]*changeSet{} // by file, oldest first
	for _, s := range sets {
		c.checkExplained(n, h, s)
		for _, f := range s.files {
			want[f.path] = append(want[f.path], s)
		}
	}
	for path, versions := range want {
		got := []wire.HistoryVersion{} // newest first
		for v, err := range c.client(c.key, n).History(c.t.Context(), petclinic, path, client.Read{}) {
			if err != nil {
				c.t.Fatalf("history of %s at %s: %v", path, n.id, err)
			}
			got = append(got, v)
		}
		slices.Reverse(got)
		if len(got) != len(versions) {
			c.t.Errorf("%s on %s has %d versions, want %d", path, n.id, len(got), len(versions))
			continue
		}
		for i, s := range versions {
			if v := got[i]; v.Version != uint64(i)+1 || v.Request != s.request || h[v.Index-1].Request != s.request {
				c.t.Errorf("%s on %s, version %d: %+v, want that of change set %d, request %s", path, n.id, i+1, v, s.seq, s.request)
			}
		}
	}
}

// checkExplained follows the request of a change set through the audit.
func (c *cluster) checkExplained(n *node, h history, s *changeSet) {
	c.t.Helper()
	events, approvers, files := map[string]uint64{}, map[string]bool{}, 0
	for _, e := range h {
		if e.Request != s.request {
			continue
		}
		if e.Action == "publish-request.submitted" && e.Actor != s.author {
			c.t.Errorf("request %s of %s was submitted by %s", s.request, s.author, e.Actor)
		}
		if e.Action == "publish-request.approved" && events["publish-request.published"] == 0 {
			approvers[e.Actor] = true
		}
		if e.Namespace == petclinic && e.Key != nil && e.Action != "draft.saved" {
			files++
		}
		events[e.Action] = e.Index
	}
	if events["publish-request.submitted"] == 0 || events["publish-request.published"] == 0 || len(approvers) < 2 || files != len(s.files) {
		c.t.Errorf("change set %d, request %s: the audit has %v, approvals by %v, %d changes of %d", s.seq, s.request, events, approvers, files, len(s.files))
	}
	shown, err := c.client(c.key, n).Request(c.t.Context(), s.request, client.Read{})
	if err != nil || shown.State != wire.RequestPublished || shown.SubmittedBy != s.author || shown.Resolution == nil ||
		shown.Resolution.Index != events["publish-request.published"] || len(shown.Changes) != len(s.files) {
		c.t.Errorf("change set %d at %s: %+v, %v", s.seq, n.id, shown, err)
	}
	for _, r := range shown.Reviews {
		if !approvers[r.Reviewer] {
			c.t.Errorf("request %s at %s is reviewed by %s, in the audit by %v", s.request, n.id, r.Reviewer, approvers)
		}
	}
}

// askAgain repeats all that was done, long after.
func (o *office) askAgain() {
	for _, s := range o.done {
		var meta client.Meta
		err := settle(o.c.t.Context(), s.key, func(w client.Write) error {
			w.Meta = &meta
			return s.write(w)
		})
		if err != nil || !meta.Replayed {
			o.c.t.Errorf("%s asked again: %v, %+v", s.key, err, meta)
		}
	}
}
