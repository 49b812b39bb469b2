package api

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"confman/api/wire"
)

func TestADiffSaysWhatMakesOneSideTheOther(t *testing.T) {
	b := newGoverned(t)
	b.put("stage", "a", `{"x":1,"y":2}`)
	b.put("stage", "only", `1`)
	b.put("stage", "same", `1`)
	b.put("prod", "a", `{"y":3,"x":1}`)
	b.put("prod", "new", `1`)
	b.put("prod", "same", `1`)
	d := decodeAs[wire.Diff](b.do("GET", "/api/v1/diff?from=stage&to=prod", nil).is(200))
	if got := summary(d.Changes); !slices.Equal(got, []string{`update prod/a {"x":1,"y":2}>{"y":3,"x":1}`, "create prod/new >1", "delete prod/only 1>"}) || d.Equal != 1 {
		t.Errorf("%q, %d equal", got, d.Equal)
	}
	if diff := d.Changes[0].Diff; len(diff) != 1 || diff[0].Pointer != "/y" || string(diff[0].Old) != "2" || string(diff[0].New) != "3" {
		t.Errorf("differences of a: %+v", diff)
	}
	if now := b.node.State().Position(); d.To != (wire.DiffSide{Namespace: "prod", Index: now.Index, Position: now.String()}) {
		t.Errorf("to is %+v", d.To)
	}
	if d := decodeAs[wire.Diff](b.do("GET", "/api/v1/diff?from=stage&to=prod&prefix=n", nil).is(200)); len(d.Changes) != 1 || d.Changes[0].Key != "new" {
		t.Errorf("with a prefix: %+v", d)
	}
}

func TestADiffComparesMoments(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", `1`)
	first, at := b.node.State().Position(), b.node.State().Time()
	b.put("pay", "a", `2`)
	b.put("pay", "b", `1`)
	for _, when := range []string{fmt.Sprint(first.Index), first.String(), at.Format(time.RFC3339Nano)} {
		d := decodeAs[wire.Diff](b.do("GET", "/api/v1/diff?from=pay@"+when+"&to=pay", nil).is(200))
		if got := summary(d.Changes); !slices.Equal(got, []string{"update pay/a 1>2", "create pay/b >1"}) || d.From.Index != first.Index || d.From.Position != first.String() {
			t.Errorf("%s: %q, from %+v", when, got, d.From)
		}
		if c := d.Changes[0]; c.OldVersion != 1 || c.NewVersion != 2 {
			t.Errorf("versions %d and %d", c.OldVersion, c.NewVersion)
		}
	}
	d := decodeAs[wire.Diff](b.do("GET", "/api/v1/diff?from=pay@1&to=pay", nil).is(200)) // before it existed
	if len(d.Changes) != 2 || d.Changes[0].Action != wire.ActionCreate {
		t.Errorf("since before the namespace: %+v", d)
	}
	h, release := b.node.History(b.node.State().Index())
	defer release()
	edge, err := h.Record(first.Index)
	if err != nil {
		t.Fatal(err)
	}
	b.trim(first.Index + 1)
	begins := edge.Time.UTC().Format(time.RFC3339Nano)
	b.do("GET", "/api/v1/diff?from=pay@"+begins+"&to=pay", nil).is(200)
	for _, when := range []string{"2020-01-01T00:00:00Z", edge.Time.Add(-time.Nanosecond).UTC().Format(time.RFC3339Nano)} {
		b.do("GET", "/api/v1/diff?from=pay@"+when+"&to=pay", nil).problem(410, wire.ProblemCompacted, when+" is before the history that is kept, which begins at "+begins)
	}
}

func TestADiffShowsOnlyWhatTheCallerMayReadOnBothSides(t *testing.T) {
	b := newGoverned(t)
	for _, key := range []string{"db/a", "x/b"} {
		b.put("stage", key, `1`)
		b.put("prod", key, `2`)
	}
	key := by(decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", wire.NewKey{Name: "d", Grants: []wire.Grant{
		{Namespace: "stage", Role: "viewer"}, {Namespace: "prod", Role: "viewer", Keys: "db/*"},
	}})).Key)
	for _, query := range []string{"from=stage&to=prod", "from=prod&to=stage"} {
		d := decodeAs[wire.Diff](b.do("GET", "/api/v1/diff?"+query, nil, key).is(200))
		if len(d.Changes) != 1 || d.Changes[0].Key != "db/a" {
			t.Errorf("%s: %+v", query, d.Changes)
		}
	}
	b.put("other", "a", `1`)
	b.do("GET", "/api/v1/diff?from=stage&to=other", nil, key).problem(403, wire.ProblemForbidden)
	for query, status := range map[string]int{"from=stage": 400, "from=stage&to=typo": 404, "from=stage&to=prod@": 400, "from=stage@yesterday&to=prod": 400} {
		if got := b.do("GET", "/api/v1/diff?"+query, nil); got.status != status {
			t.Errorf("%s: %d %s, want %d", query, got.status, got.body, status)
		}
	}
}
