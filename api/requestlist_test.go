package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// Open and closed requests come in one order, the newest first, on pages of every
// size and through every filter.
func TestRequestsAreListedNewestFirst(t *testing.T) {
	d := newDesk(t)
	other := by(d.key("olga", "teams", "admin", ""))
	numbers := map[string]string{}
	var states [5][]string // of pay, the newest first
	for i := range 15 {
		id := d.ask(fmt.Sprintf(`{"changes":[{"namespace":"pay","key":"k%d","value":1}]}`, i))
		numbers[id] = fmt.Sprint(i)
		switch i % 5 {
		case 1:
			d.say(id, "approve", "", d.rita).is(200)
		case 2:
			d.say(id, "reject", "no", d.rita).is(200)
		case 3:
			d.say(id, "withdraw", "", d.sam).is(200)
		}
		states[i%5] = slices.Insert(states[i%5], 0, fmt.Sprint(i))
		if i%5 == 4 {
			strange := decodeAs[wire.PublishRequest](d.do("POST", requestsPath, fmt.Sprintf(`{"changes":[{"namespace":"teams/x","key":"k%d","value":1}]}`, i), other).is(201))
			numbers[strange.ID] = "x" + fmt.Sprint(i)
		}
	}
	for _, test := range []struct{ query, who, want string }{
		{"", d.sam, "14 13 12 11 10 9 8 7 6 5 4 3 2 1 0"},
		{"", "X-Api-Key: " + d.root, "x14 14 13 12 11 10 x9 9 8 7 6 5 x4 4 3 2 1 0"},
		{"", other, "x14 x9 x4"},
		{"state=open", d.sam, "14 10 9 5 4 0"},
		{"state=pending_review", d.rita, "14 10 9 5 4 0"},
		{"state=published", d.rita, "11 6 1"},
		{"state=published,withdrawn", d.rita, "13 11 8 6 3 1"},
		{"state=pending_review,rejected", d.rita, "14 12 10 9 7 5 4 2 0"},
		{"state=scheduled", d.rita, ""},
		{"mine=true", d.rita, ""},
		{"mine=true&state=rejected", d.sam, "12 7 2"},
		{"namespace=teams", "X-Api-Key: " + d.root, "x14 x9 x4"},
		{"namespace=teams", d.sam, ""},
		{"namespace=/&state=open", d.sam, "14 10 9 5 4 0"},
	} {
		for _, limit := range []int{1, 2, 4, 100} {
			var got []string
			pages := d.walk(fmt.Sprintf("%s?%s&limit=%d", requestsPath, test.query, limit), test.who)
			for _, id := range keysOf(pages, requestID) {
				got = append(got, numbers[id])
			}
			if strings.Join(got, " ") != test.want {
				t.Errorf("%s, limit %d: %v, want %s", test.query, limit, got, test.want)
			}
		}
	}
}

// A page looks at a bounded number of requests.
func TestPagesOfRequestsAreBoundedInWork(t *testing.T) {
	d := newDesk(t, func(c *Config) { c.Limits.Audit = 3 })
	for i := range 7 {
		d.ask(fmt.Sprintf(`{"changes":[{"namespace":"pay","key":"k%d","value":1}]}`, i))
	}
	stranger := by(d.key("olga", "teams", "admin", ""))
	if pages := d.walk(requestsPath, stranger); len(pages) != 3 || len(keysOf(pages, requestID)) != 0 {
		t.Errorf("%d pages", len(pages))
	}
}

// A request is shown as far as its reader may edit it, and to others not at all.
func TestARequestIsShownInPart(t *testing.T) {
	d := newDesk(t)
	d.put("ops", "x", "1")
	both := by(d.key("bea", "/", "editor", ""))
	id := decodeAs[wire.PublishRequest](d.do("POST", requestsPath, `{"changes":[{"namespace":"pay","key":"a","value":2},{"namespace":"ops","key":"x","value":3}]}`, both).is(201)).ID
	part := d.request(id, d.sam)
	if !part.Partial || len(part.Changes) != 1 || part.Changes[0].Namespace != "pay" || len(part.Missing) != 1 || part.State != wire.RequestPending {
		t.Errorf("%+v", part)
	}
	if whole := d.request(id, both); whole.Partial || len(whole.Changes) != 2 {
		t.Errorf("%+v", whole)
	}
	viewer := by(d.key("vera", "/", "viewer", ""))
	for _, path := range []string{"", "/impact"} {
		d.do("GET", requestsPath+"/"+id+path, nil, viewer).problem(404, wire.ProblemNotFound)
	}
	d.say(id, "approve", "", viewer).problem(404, wire.ProblemNotFound)
	// rita may publish only what is of pay; the request waits for the rest.
	if r := decodeAs[wire.PublishRequest](d.say(id, "approve", "", d.rita).is(200)); r.State != wire.RequestPending || !r.Partial || len(r.Missing) != 0 || !strings.Contains(r.Reviews[0].Why, "not everywhere") {
		t.Errorf("%+v", r)
	}
	d.say(id, "withdraw", "", by(d.key("adam", "pay", "admin", ""))).problem(403, wire.ProblemForbidden)
	olaf := by(d.key("olaf", "ops", "publisher", ""))
	if r := decodeAs[wire.PublishRequest](d.say(id, "approve", "", olaf).is(200)); r.State != wire.RequestPublished || d.value("ops", "x") != "3" || d.value("pay", "a") != "2" {
		t.Errorf("%+v", r)
	}
	for _, who := range []string{d.sam, olaf} {
		if r := d.request(id, who); !r.Partial || len(r.Changes) != 1 {
			t.Errorf("closed: %+v", r)
		}
	}
}

// Whoever lost the rights on what they submitted sees that it is there, and no
// values.
func TestASubmitterWhoLostTheirRightsSeesNoValues(t *testing.T) {
	b := newGoverned(t)
	gone := b.key("gus", "/", "viewer", "none") // takes roles
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"editor","principal":"gus"}]}`).is(200)
	id := b.submitted(gone, `{"changes":[{"namespace":"pay","key":"a","value":"secret"}]}`)
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[]}`).is(200)
	r := b.do("GET", requestsPath+"/"+id, nil, by(gone)).is(200)
	if shown := decodeAs[wire.PublishRequest](r); !shown.Partial || len(shown.Changes) != 0 || strings.Contains(r.body, "secret") {
		t.Errorf("%s", r.body)
	}
	b.do("POST", requestsPath+"/"+id+"/withdraw", nil, by(gone)).is(200)
}
