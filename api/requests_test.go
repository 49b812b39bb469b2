package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/api/wire"
	"confman/events"
)

// desk is a bench with the people of a review: sam submits, rita and rolf review.
type desk struct {
	*bench
	sam, rita, rolf string // headers
}

func newDesk(t *testing.T, change ...func(*Config)) *desk {
	b := newGoverned(t, change...)
	d := &desk{b, by(b.key("sam", "pay", "editor", "")), by(b.key("rita", "pay", "publisher", "")), by(b.key("rolf", "pay", "publisher", ""))}
	b.put("pay", "a", `{"host":"x","port":1}`)
	b.put("pay", "b", `"old"`)
	return d
}

// ask submits a request as sam, and returns its ID.
func (d *desk) ask(body string) string {
	d.t.Helper()
	return decodeAs[wire.PublishRequest](d.do("POST", requestsPath, body, d.sam).is(201)).ID
}

// say has somebody have a word on a request.
func (d *desk) say(id, verb, comment, who string, headers ...string) reply {
	d.t.Helper()
	return d.do("POST", requestsPath+"/"+id+"/"+verb, wire.Decide{Comment: comment}, append(headers, who)...)
}

func (d *desk) request(id string, headers ...string) wire.PublishRequest {
	d.t.Helper()
	return decodeAs[wire.PublishRequest](d.do("GET", requestsPath+"/"+id, nil, headers...).is(200))
}

const threeChanges = `{"changes":[{"namespace":"pay","key":"a","value":{"host":"x","port":2},"tags":["t"]},{"namespace":"pay","key":"b","delete":true},` +
	`{"namespace":"pay","key":"c","value":"new"}],"comment":"why"}`

// A request from its submission to its publication, as each step shows it.
func TestARequestIsReviewedAndPublished(t *testing.T) {
	d := newDesk(t)
	d.settings("pay", events.Settings{MinApprovers: ptr(2)})
	r := d.do("POST", requestsPath, threeChanges, d.sam).is(201)
	asked := decodeAs[wire.PublishRequest](r)
	if r.header.Get("Location") != requestsPath+"/"+asked.ID || asked.State != wire.RequestPending || asked.SubmittedBy != "sam" || asked.Comment != "why" ||
		asked.Index != d.node.State().Index() || asked.Partial || asked.Basis == "" || len(asked.Reviews) != 0 || asked.Resolution != nil {
		t.Errorf("submitted %s %+v", r.header.Get("Location"), asked)
	}
	if got := changesOf(asked); got != `update a {"host":"x","port":1}>{"host":"x","port":2} /port 0/2, delete b "old"> 0/2, create c >"new" 0/2` || len(asked.Missing) != 3 {
		t.Errorf("changes %s, missing %+v", got, asked.Missing)
	}
	if got := d.do("GET", requestsPath+"/"+asked.ID, nil, d.sam).is(200); got.body != r.body {
		t.Errorf("read %s\nsubmitted %s", got.body, r.body)
	}
	d.say(asked.ID, "approve", "", d.sam).problem(403, wire.ProblemForbidden, "sam submitted it")
	first := decodeAs[wire.PublishRequest](d.say(asked.ID, "approve", "fine", d.rita).is(200))
	if first.State != wire.RequestPending || len(first.Reviews) != 1 || first.Reviews[0].Reviewer != "rita" || !first.Reviews[0].Counts || first.Reviews[0].Comment != "fine" || first.Changes[0].Approvals != 1 {
		t.Errorf("approved once: %+v", first)
	}
	d.writesNothing(func() { d.say(asked.ID, "approve", "again", d.rita).is(200) })
	before := d.node.State().Index()
	last := decodeAs[wire.PublishRequest](d.say(asked.ID, "approve", "", d.rolf).is(200))
	if last.State != wire.RequestPublished || last.Resolution == nil || last.Resolution.By != "rolf" || last.Resolution.Index != d.node.State().Index() || last.Basis != "" || len(last.Missing) != 0 {
		t.Errorf("published: %+v %+v", last, last.Resolution)
	}
	if d.value("pay", "a") != `{"host":"x","port":2}` || d.node.State().Entry("pay", "b").Live() || d.value("pay", "c") != `"new"` || d.node.State().Index() != before+5 {
		t.Errorf("after %d it is %d: %s %s", before, d.node.State().Index(), d.value("pay", "a"), d.value("pay", "c"))
	}
	if e := d.node.State().Entry("pay", "a"); e.Comment != "why" || e.Tags[0] != "t" {
		t.Errorf("published %+v", e)
	}
	d.do("GET", draftPath("pay", "a"), nil).is(404)
	events := decodeAs[[]wire.AuditEvent](d.do("GET", fmt.Sprintf("/api/v1/audit?after=%d&order=asc", before), nil).is(200))
	for _, e := range events {
		if e.Request != asked.ID || e.Transaction != events[0].Transaction {
			t.Errorf("%s is of request %s in transaction %s", e.Action, e.Request, e.Transaction)
		}
	}
	// What it changed is told for as long as the history is kept.
	d.put("pay", "a", `"later"`)
	shown := d.request(asked.ID, d.sam)
	if got := changesOf(shown); got != `update a {"host":"x","port":1}>{"host":"x","port":2} /port 0/0, delete b "old"> 0/0, create c >"new" 0/0` {
		t.Errorf("closed: %s", got)
	}
	versions := decodeAs[[]wire.HistoryVersion](d.do("GET", namespacesPath+"pay/history/a", nil).is(200))
	if v := versions[1]; v.Actor != "rolf" || v.Author != "sam" || strings.Join(v.ApprovedBy, " ") != "rita rolf" || versions[0].Author != "" {
		t.Errorf("versions %+v", versions)
	}
	for _, verb := range []string{"approve", "reject", "withdraw", "bypass"} {
		d.writesNothing(func() { d.say(asked.ID, verb, "late", d.rolf).problem(409, wire.ProblemConflict, "published", "rolf") })
	}
	d.trim(d.node.State().Index())
	if got := changesOf(d.request(asked.ID, d.sam)); got != ` a > 0/0, delete b > 0/0,  c > 0/0` {
		t.Errorf("after a trim: %s", got)
	}
}

func ptr[T any](v T) *T { return &v }

// changesOf is what a request changes in short: action, key, old>new, where they
// differ, approvals.
func changesOf(r wire.PublishRequest) string {
	var lines []string
	for _, c := range r.Changes {
		old, where := "", ""
		if c.Previous != nil {
			old = string(c.Previous.Value)
			for _, d := range c.Diff {
				if d.Pointer != "" {
					where += d.Pointer + " "
				}
			}
		}
		lines = append(lines, fmt.Sprintf("%s %s %s>%s %s%d/%d", c.Action, c.Key, old, c.Value, where, c.Approvals, c.MinApprovers))
	}
	return strings.Join(lines, ", ")
}

func TestRequestsPinWhatTheirSubmitterSaw(t *testing.T) {
	d := newDesk(t)
	saved := decodeAs[wire.Draft](d.do("PUT", draftPath("pay", "a"), `{"value":1}`, d.sam).is(201))
	pinned := fmt.Sprintf(`{"changes":[{"namespace":"pay","key":"a","revision":%d}]}`, saved.Revision)
	d.do("PUT", draftPath("pay", "a"), `{"value":2}`, d.rita).is(200)
	d.writesNothing(func() {
		d.do("POST", requestsPath, pinned, d.sam).problem(409, wire.ProblemConflict, "moved")
		d.do("POST", requestsPath, `{"changes":[{"namespace":"pay","key":"a","value":3}]}`, d.sam).problem(409, wire.ProblemConflict, "rita")
	})
	id := d.ask(`{"namespace":"pay","key":"a"}`)
	if r := d.request(id); r.Changes[0].EditedBy != "rita" || r.Changes[0].Revision == saved.Revision {
		t.Errorf("%+v", r.Changes)
	}
	d.say(id, "approve", "", d.rita).problem(403, wire.ProblemForbidden, "rita wrote the draft")
	stale := d.request(id).Basis
	d.put("pay", "a", `"behind its back"`)
	d.writesNothing(func() {
		d.do("POST", requestsPath+"/"+id+"/approve", wire.Decide{Basis: stale}, d.rolf).problem(409, wire.ProblemConflict)
	})
	d.do("POST", requestsPath+"/"+id+"/approve", wire.Decide{Basis: d.request(id).Basis}, d.rolf).is(200)
	if got := d.value("pay", "a"); got != "2" {
		t.Errorf("published %s", got)
	}
}

func TestARequestEndsUnpublished(t *testing.T) {
	d := newDesk(t)
	one := `{"changes":[{"namespace":"pay","key":"a","value":9}]}`
	rejected := d.ask(one)
	d.say(rejected, "reject", "", d.rita).problem(400, wire.ProblemMalformed, "/comment")
	d.say(rejected, "reject", "no", d.sam).problem(403, wire.ProblemForbidden)
	if r := decodeAs[wire.PublishRequest](d.say(rejected, "reject", "no", d.rita).is(200)); r.State != wire.RequestRejected || r.Resolution.Comment != "no" ||
		r.Reviews[0].Decision != wire.DecisionRejected || changesOf(r) != `update a {"host":"x","port":1}>9 0/0` {
		t.Errorf("%+v %s", r, changesOf(r))
	}
	d.do("GET", draftPath("pay", "a"), nil, d.sam).is(200)
	withdrawn := d.ask(one)
	d.say(withdrawn, "withdraw", "", d.rita).problem(403, wire.ProblemForbidden, "sam")
	if r := decodeAs[wire.PublishRequest](d.say(withdrawn, "withdraw", "not yet", d.sam).is(200)); r.State != wire.RequestWithdrawn || r.Resolution.By != "sam" {
		t.Errorf("%+v", r)
	}
	bypassed := d.ask(one)
	admin := by(d.key("adam", "pay", "admin", ""))
	d.say(bypassed, "bypass", "fire", admin).problem(403, wire.ProblemForbidden, "allowBypass")
	d.settings("pay", events.Settings{AllowBypass: ptr(true)})
	d.say(bypassed, "bypass", "", admin).problem(400, wire.ProblemMalformed, "/comment")
	d.say(bypassed, "bypass", "fire", d.rita).problem(403, wire.ProblemForbidden, "admin")
	if r := decodeAs[wire.PublishRequest](d.say(bypassed, "bypass", "fire", admin).is(200)); r.State != wire.RequestPublished || !r.Resolution.Bypassed || r.Resolution.Comment != "fire" {
		t.Errorf("%+v", r.Resolution)
	}
	if d.value("pay", "a") != "9" {
		t.Errorf("it is %s", d.value("pay", "a"))
	}
}

// Approved is not published: before its time, and in a freeze.
func TestAnApprovedRequestWaitsForItsTime(t *testing.T) {
	d := newDesk(t)
	at := moment.Add(48 * time.Hour).UTC().Truncate(time.Second)
	due := func(id string) {
		if _, err := d.node.Submit(t.Context(), events.PublishDue{ID: id}, events.Stamp{Time: d.now(), ID: ulid.Make(), Actor: events.System}); err != nil {
			t.Fatal(err)
		}
	}
	later := d.ask(`{"changes":[{"namespace":"pay","key":"a","value":1}],"publishAt":"` + at.Format(time.RFC3339) + `"}`)
	if r := decodeAs[wire.PublishRequest](d.say(later, "approve", "", d.rita).is(200)); r.State != wire.RequestScheduled || r.DueAt == nil || !r.DueAt.Equal(at) || !r.PublishAt.Equal(at) || r.Resolution != nil {
		t.Errorf("%+v", r)
	}
	d.settings("pay", events.Settings{Freezes: []events.Freeze{{From: moment, Until: at, Reason: "the audit"}}})
	frozen := d.ask(`{"changes":[{"namespace":"pay","key":"b","value":2}]}`)
	if r := decodeAs[wire.PublishRequest](d.say(frozen, "approve", "", d.rita).is(200)); r.State != wire.RequestScheduled || r.PublishAt != nil || r.DueAt == nil || !r.DueAt.Equal(at) {
		t.Errorf("%+v", r)
	}
	if got := keysOf(d.walk(requestsPath+"?state=scheduled"), requestID); len(got) != 2 {
		t.Errorf("scheduled %v", got)
	}
	d.writesNothing(func() { due(later) })
	d.clock.Add(49 * 3600)
	due(later)
	d.settings("pay", events.Settings{MinApprovers: ptr(2)})
	due(frozen) // one approval is not enough any more
	if r := d.request(later); r.State != wire.RequestPublished || r.Resolution.By != events.System || d.value("pay", "a") != "1" {
		t.Errorf("%+v", r.Resolution)
	}
	if r := d.request(frozen); r.State != wire.RequestRejected || r.Resolution.By != events.System || !strings.Contains(r.Resolution.Comment, "1 of 2") || d.value("pay", "b") != `"old"` {
		t.Errorf("%+v", r.Resolution)
	}
}

func requestID(r wire.PublishRequest) string { return r.ID }

// Who asks again with the same key hears the first answer, and nothing is written
// twice.
func TestRepeatedWordsOnARequestHaveTheFirstAnswer(t *testing.T) {
	const key = "Idempotency-Key: k"
	d := newDesk(t)
	d.settings("pay", events.Settings{MinApprovers: ptr(2)})
	submitted := d.do("POST", requestsPath, threeChanges, d.sam, key).is(201)
	id := decodeAs[wire.PublishRequest](submitted).ID
	approved := d.say(id, "approve", "", d.rita, key).is(200)
	repeat := func() {
		t.Helper()
		d.writesNothing(func() {
			again := d.do("POST", requestsPath, threeChanges, d.sam, key).is(201)
			if again.body != submitted.body || again.header.Get("Location") != submitted.header.Get("Location") || again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
				t.Errorf("submitted %s\nagain     %s", submitted.body, again.body)
			}
			if again := d.say(id, "approve", "", d.rita, key).is(200); again.body != approved.body || again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
				t.Errorf("approved %s\nagain    %s", approved.body, again.body)
			}
		})
	}
	repeat()
	published := d.say(id, "approve", "", d.rolf, key).is(200)
	repeat()
	d.put("pay", "a", `"later"`)
	d.settings("pay", events.Settings{MinApprovers: ptr(3)})
	repeat()
	d.writesNothing(func() {
		if again := d.say(id, "approve", "", d.rolf, key).is(200); again.body != published.body {
			t.Errorf("published %s\nagain     %s", published.body, again.body)
		}
		d.say(id, "approve", "another", d.rolf, key).problem(422, wire.ProblemIdempotencyMismatch)
		d.say(id, "reject", "x", d.rolf, key).problem(422, wire.ProblemIdempotencyMismatch)
	})
}

// An outcome that is unknown is never told as that of somebody else.
func TestAnUnknownApprovalIsNotAConflict(t *testing.T) {
	d := newDesk(t)
	id := d.ask(`{"changes":[{"namespace":"pay","key":"a","value":9}]}`)
	d.node.loses = true
	d.say(id, "approve", "", d.rita, "Idempotency-Key: k").problem(504, wire.ProblemOutcomeUnknown)
	d.node.loses = false
	if r := decodeAs[wire.PublishRequest](d.say(id, "approve", "", d.rita, "Idempotency-Key: k").is(200)); r.State != wire.RequestPublished {
		t.Errorf("%+v", r)
	}
}
