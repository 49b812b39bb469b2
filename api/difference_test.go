package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestDifferencesSayWhatChangedAndWhere(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{`1`, `1`, ``},
		{``, `1`, ` +1`},
		{`1`, ``, ` -1`},
		{`1`, `2`, ` -1 +2`},
		{`1.0`, `1.00`, ` -1.0 +1.00`},
		{`"a"`, `["a"]`, ` -"a" +["a"]`},
		{`{"a":1,"b":2}`, `{"b":2,"a":1}`, ``},
		{`{"a":1,"b":{"c":true,"d":[1]}}`, `{"a":1,"b":{"c":false,"d":[1]}}`, `/b/c -true +false`},
		{`{"a":1,"x":3}`, `{"a":1,"y":3}`, `/x -3, /y +3`},
		{`{"a":1}`, `{"a":null}`, `/a -1 +null`},
		{`{"db/url":{"a~b":1}}`, `{"db/url":{"a~b":2}}`, `/db~1url/a~0b -1 +2`},
		{`[1,2,3]`, `[1,3]`, `/1 -2`},
		{`[1,3]`, `[1,2,3]`, `/1 +2`},
		{`[1,2,3]`, `[0,1,2,3]`, `/0 +0`},
		{`[]`, `[1,2]`, `/0 +1, /1 +2`},
		{`[1,1]`, `[1]`, `/1 -1`},
		{`[{"n":"a","v":1},{"n":"b","v":1}]`, `[{"n":"a","v":1},{"n":"b","v":2}]`, `/1/v -1 +2`},
	} {
		var got []string
		for _, d := range differences(valueOrNone(test.before), valueOrNone(test.after)) {
			line := d.Pointer
			if d.Old != nil {
				line += " -" + string(d.Old)
			}
			if d.New != nil {
				line += " +" + string(d.New)
			}
			got = append(got, line)
		}
		if joined := strings.Join(got, ", "); joined != test.want {
			t.Errorf("%s to %s: %q, want %q", test.before, test.after, joined, test.want)
		}
	}
}

func valueOrNone(text string) jsontext.Value {
	if text == "" {
		return nil
	}
	return jsontext.Value(text)
}

func TestDifferencesAreBounded(t *testing.T) {
	list := func(n int) jsontext.Value {
		return jsontext.Value("{" + strings.TrimSuffix(numbered(n), ",") + "}")
	}
	if got := differences(jsontext.Value(`{}`), list(maxDifferences)); len(got) != maxDifferences {
		t.Errorf("%d differences, want %d", len(got), maxDifferences)
	}
	if got := differences(jsontext.Value(`{}`), list(maxDifferences+1)); len(got) != 1 || got[0].Pointer != "" {
		t.Errorf("%d differences, want one for the whole", len(got))
	}
	deep := func(leaf string) jsontext.Value {
		return jsontext.Value(strings.Repeat("[", 60) + leaf + strings.Repeat("]", 60))
	}
	big := strings.Repeat("x", 500<<10)
	if got := differences(deep(`"a`+big+`"`), deep(`"b`+big+`"`)); len(got) != 1 || got[0].Pointer != "" {
		t.Errorf("a deep, large value: %d differences, at %q", len(got), got[0].Pointer)
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"k%d":0,`, i)
	}
	return b.String()
}

// Whatever two values are: each side of a difference is what its pointer finds on
// that side, and values that differ have a difference.
func TestDifferencesPointAtWhatTheyShow(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 2000 {
		before, after := randomValue(random, 3), randomValue(random, 3)
		found := differences(before, after)
		if same := reflect.DeepEqual(parsed(t, before), parsed(t, after)); same != (len(found) == 0) {
			t.Fatalf("%s to %s: same %v, differences %v", before, after, same, found)
		}
		for _, d := range found {
			for _, side := range []struct{ shown, whole jsontext.Value }{{jsontext.Value(d.Old), before}, {jsontext.Value(d.New), after}} {
				if side.shown == nil {
					continue
				}
				at, ok := find(parsed(t, side.whole), jsontext.Pointer(d.Pointer))
				if !ok || !reflect.DeepEqual(at, parsed(t, side.shown)) {
					t.Fatalf("%s to %s: %s shows %s, there is %v", before, after, d.Pointer, side.shown, at)
				}
			}
		}
	}
}

func randomValue(random *rand.Rand, depth int) jsontext.Value {
	switch n := random.IntN(5); {
	case depth == 0 || n < 2:
		return jsontext.Value(strconv.Itoa(random.IntN(3)))
	case n < 4:
		var list []string
		for range random.IntN(4) {
			list = append(list, string(randomValue(random, depth-1)))
		}
		return jsontext.Value("[" + strings.Join(list, ",") + "]")
	default:
		var list []string
		for _, name := range []string{"a", "b/c", ""} {
			if random.IntN(2) == 0 {
				list = append(list, strconv.Quote(name)+":"+string(randomValue(random, depth-1)))
			}
		}
		return jsontext.Value("{" + strings.Join(list, ",") + "}")
	}
}

func parsed(t *testing.T, raw jsontext.Value) (v any) {
	t.Helper()
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func find(v any, at jsontext.Pointer) (any, bool) {
	for token := range at.Tokens() {
		switch in := v.(type) {
		case map[string]any:
			found, ok := in[token]
			if !ok {
				return nil, false
			}
			v = found
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(in) {
				return nil, false
			}
			v = in[i]
		default:
			return nil, false
		}
	}
	return v, true
}
