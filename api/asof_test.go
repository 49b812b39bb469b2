package api

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

// What is read as of an event is, to the byte, what was read when that was the
// newest: while others write, and on another node.
func TestThePastIsWhatThePresentWas(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	d := newDesk(t)
	d.do("PUT", policyPath("ops", "roles"), `{"inherit":false,"grants":[{"role":"admin","principal":"ana"}]}`).is(200)
	id := d.ask(threeChanges)
	paths := []string{
		"/api/v1/configs?x=", "/api/v1/configs?limit=2", "/api/v1/namespaces?x=", "/api/v1/namespaces?prefix=pay/", requestsPath + "/" + id + "?x=",
	}
	for _, n := range []string{"pay/eu", "ops", "none"} {
		paths = append(paths, namespacesPath+n+"?x=", namespacesPath+n+"/config?resolve=true", entryPath(n, "a")+"?resolve=true")
		for _, noun := range []string{"roles", "schema", "settings"} {
			paths = append(paths, policyPath(n, noun)+"?x=", policyPath(n, noun)+"?resolve=true")
		}
	}
	usage := regexp.MustCompile(`"usage":\{[^}]*\},|,"usage":\{[^}]*\}`) // of the present only
	body := func(r reply) string {
		text := usage.ReplaceAllString(r.body, "")
		if r.status >= 400 {
			return r.what[:3]
		}
		return text
	}
	seen := map[uint64]map[string]string{}
	look := func() {
		now := map[string]string{}
		for _, path := range paths {
			now[path] = body(d.do("GET", path, nil))
		}
		seen[d.node.State().Index()] = now
	}
	for step := range 20 {
		d.step(random, id, step)
		look()
	}
	check := func(of func(uint64) string) {
		t.Helper()
		for index, was := range seen {
			for path, want := range was {
				if random.IntN(3) > 0 {
					continue
				}
				r := d.do("GET", path+"&at="+of(index), nil)
				if got := body(r); got != want {
					t.Fatalf("%s is %d %s\nwas %s", r.what, r.status, got, want)
				}
				if r.status == 200 && r.header.Get(wire.HeaderIndex) != strconv.FormatUint(index, 10) {
					t.Errorf("%s reflects %s", r.what, r.header.Get(wire.HeaderIndex))
				}
			}
		}
	}
	var writing sync.WaitGroup
	writing.Go(func() {
		for n := range 200 {
			d.node.Submit(t.Context(), events.PutEntry{Namespace: "pay", Key: "a", Value: quoted(strconv.Itoa(n))}, events.Stamp{Time: d.now(), Actor: "ana"})
		}
	})
	check(func(index uint64) string { return strconv.FormatUint(index, 10) })
	writing.Wait()
	d.node.Node = d.node.Node.Fork()
	check(func(index uint64) string {
		p, err := d.server.positionOf(index)
		if err != nil {
			t.Fatal(err)
		}
		return p.String()
	})
}

// step changes something.
func (d *desk) step(random *rand.Rand, request string, step int) {
	namespace := []string{"pay", "pay/eu", "ops"}[random.IntN(3)]
	key := []string{"a", "b", "c", "x/y"}[random.IntN(4)]
	who := []string{"rita", "rolf", "sam"}[random.IntN(3)]
	switch random.IntN(10) {
	case 0:
		d.do("PUT", policyPath(namespace, "roles"), fmt.Sprintf(`{"inherit":%v,"grants":[{"role":"publisher","principal":%q},{"role":"admin","principal":"ana"}]}`, random.IntN(2) == 0, who))
	case 1:
		d.do("PUT", policyPath(namespace, "schema"), fmt.Sprintf(`{"inherit":%v,"schema":{"title":"%d"}}`, random.IntN(2) == 0, step))
	case 2:
		d.do("PUT", policyPath(namespace, "settings"), fmt.Sprintf(`{"inherit":%v,"minApprovers":%d,"quota":{"keys":%d}}`, random.IntN(2) == 0, 3+random.IntN(3), 1000+step))
	case 3:
		d.do("PUT", namespacesPath+namespace, fmt.Sprintf(`{"description":"step %d"}`, step))
	case 4:
		d.do("DELETE", entryPath(namespace, key), nil)
	case 5:
		d.do("DELETE", namespacesPath+"ops", nil)
	case 6:
		d.say(request, "approve", strconv.Itoa(step), map[string]string{"rita": d.rita, "rolf": d.rolf, "sam": d.sam}[who])
	case 7:
		d.do("POST", "/api/v1/transactions", fmt.Sprintf(`{"set":[{"namespace":"pay","key":"a","value":%d},{"namespace":"pay/eu","key":"a","value":1},{"namespace":"ops","key":"z","value":%d}]}`, step, step))
	default:
		d.put(namespace, key, strconv.Itoa(step))
	}
}

// An index in the middle of a transaction is that of its end; one that is no longer
// kept, or not there yet, is told.
func TestThePastHasWholeTransactionsAndEdges(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "0")
	before := b.node.State().Index()
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"pay","key":"a","value":1},{"namespace":"pay","key":"b","value":1},{"namespace":"ops","key":"c","value":1}]}`).is(200)
	for index := before + 1; index <= b.node.State().Index(); index++ {
		if got := decodeAs[[]wire.BulkEntry](b.do("GET", fmt.Sprintf("/api/v1/configs?at=%d", index), nil).is(200)); len(got) != 3 {
			t.Errorf("as of event %d there are %+v", index, got)
		}
	}
	for range 5 {
		b.put("pay", "n", `"`+b.now().String()+`"`)
	}
	b.do("PUT", policyPath("pay", "schema"), `{"schema":{"title":"t"}}`).is(200)
	b.trim(b.node.State().Index() - 1)
	id := "01J0000000000000000000NONE"
	for _, path := range []string{
		"/api/v1/configs", "/api/v1/namespaces", namespacesPath + "pay", policyPath("pay", "roles"), policyPath("pay", "schema"), policyPath("pay", "settings"),
		requestsPath + "/" + id, namespacesPath + "pay/explain/a", namespacesPath + "pay/config", entryPath("pay", "a"),
	} {
		b.do("GET", path+"?at=3", nil).problem(410, wire.ProblemCompacted)
		b.do("GET", path+"?at=2020-01-01T00:00:00Z", nil).problem(410, wire.ProblemCompacted)
		b.do("GET", path+"?at=999&wait=1ms", nil).problem(504, wire.ProblemNotCaughtUp)
		b.do("GET", path+"?at=someday", nil).problem(400, wire.ProblemMalformed, "at")
		b.do("GET", path+fmt.Sprintf("?at=%d-00000000", b.node.State().Index()), nil).problem(409, wire.ProblemOtherHistory)
	}
	b.do("GET", requestsPath+"/"+id+fmt.Sprintf("?at=%d", b.node.State().Index()), nil).problem(404, wire.ProblemNotFound)
	if got := b.do("GET", namespacesPath+"later?at="+strconv.FormatUint(b.node.State().Index(), 10), nil).problem(404, wire.ProblemNotFound); !strings.Contains(got.Detail, "did not exist as of") {
		t.Error(got.Detail)
	}
}

// Who may look at the past is who may look now: a right of then does not help,
// one of today does.
func TestRightsAreThoseOfToday(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	was := b.node.State().Index()
	late, gone := by(b.key("late", "pay", "viewer", "")), b.key("gone", "ops", "viewer", "")
	at := fmt.Sprintf("?at=%d", was)
	for _, path := range []string{namespacesPath + "pay", policyPath("pay", "roles"), policyPath("pay", "settings"), entryPath("pay", "a"), namespacesPath + "pay/explain/a"} {
		b.do("GET", path+at, nil, late).is(200)
		b.do("GET", path+at, nil, by(gone)).problem(403, wire.ProblemForbidden)
	}
	if got := decodeAs[[]wire.BulkEntry](b.do("GET", "/api/v1/configs"+at, nil, by(gone)).is(200)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if _, frames, _ := b.replayed("?events=all&to="+strconv.FormatUint(was, 10), late); len(frames) != 2 {
		t.Errorf("%d events, want the namespace and the entry", len(frames))
	}
}
