package events_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"confman/events"
)

func want(key, value string) events.Wanted { return events.Wanted{Key: key, Content: content(value)} }

func gone(key string) events.Wanted { return events.Wanted{Key: key, Delete: true} }

func aStamp() events.Stamp {
	return events.Stamp{Time: time.Unix(1000, 0), ID: ulid.Make(), Actor: "ann"}
}

func fieldLines(fields []events.Field) (lines []string) {
	for _, f := range fields {
		lines = append(lines, f.Pointer+" "+f.Detail)
	}
	return lines
}

// judged is one row: what is said of changes of pay, each line by how it begins.
type judged struct {
	name            string
	in              *world
	changes         []events.Wanted
	refused, broken []string
}

func verdicts() []judged {
	ports := withSchema("pay", `{"properties":{"port":{"type":"number","maximum":9},"old":{"x-confman-deprecated":true},"zone":{"x-confman-immutable":true}}}`)
	both := withSchema("/", `{"dependentRequired":{"a":["b"]}}`)
	quota := withSettings("pay", events.Settings{Quota: &events.Quota{Keys: 3}})
	typed := func(key, value string, typ events.ValueType) events.Wanted {
		w := want(key, value)
		w.Content.Type = typ
		return w
	}
	return []judged{
		{name: "nothing said about changes", in: governed(), changes: []events.Wanted{want("url", `"b"`), gone("zone"), want("new/key", `{"a":[1]}`)}},
		{name: "the values there are", in: governed(ports), changes: []events.Wanted{want("url", `"a"`), want("zone", `"eu"`)}},
		{name: "wrong by themselves", in: governed(ports), changes: []events.Wanted{
			typed("a/b", `"x"`, events.Number), typed("c", `1`, "float"), typed("d", `"http://x"`, events.SecretRef), gone("none"), want("e f", `1`), want("port", `99`),
			want("g", `"`+strings.Repeat("x", 2<<20)+`"`), want("h", ``),
		}, refused: []string{
			`/a~1b is a string that does not parse as number`, `/c type "float" is not one of`, `/d is not a reference`, `/none pay/none does not exist`,
			`/e f "e f" has a character`, `/g has 2097152 bytes, at most 1048576`, `/h is missing`,
		}},
		{name: "against the schema", in: governed(ports), changes: []events.Wanted{want("port", `10`), want("old", `1`), want("zone", `"us"`)},
			broken: []string{"/old is deprecated", "/zone is immutable", "/port "}},
		{name: "the deletion of an immutable key", in: governed(ports), changes: []events.Wanted{gone("zone")}, broken: []string{"/zone is immutable"}},
		{name: "one that needs another", in: governed(both), changes: []events.Wanted{want("a", `1`)}, broken: []string{"/b is missing", "/b is missing"}}, // here and in pay/eu
		{name: "together they are right", in: governed(both), changes: []events.Wanted{want("a", `1`), want("b", `1`)}},
		{name: "where it is inherited", in: governed(withSchema("pay/eu", `{"properties":{"url":{"const":"a"}}}`)), changes: []events.Wanted{want("url", `"b"`)}, broken: []string{"/url "}},
		{name: "over the quota", in: governed(quota, ports), changes: []events.Wanted{want("x", `1`), want("port", `10`)}, refused: []string{" namespace pay and those below it hold 2 keys"}, broken: []string{"/port "}},
		{name: "within the quota", in: governed(quota), changes: []events.Wanted{want("x", `1`), want("y", `1`), gone("url")}},
	}
}

func begin(got, want []string) bool {
	return slices.EqualFunc(got, want, strings.HasPrefix)
}

func TestAVerdictSaysAllThatSpeaksAgainstChanges(t *testing.T) {
	for _, test := range verdicts() {
		t.Run(test.name, func(t *testing.T) {
			v, err := events.Rules{}.Judge(test.in, "pay", test.changes, aStamp())
			if err != nil || !begin(fieldLines(v.Refused), test.refused) || !begin(fieldLines(v.Broken), test.broken) {
				t.Errorf("refused %.200q, broken %.200q, %v", fieldLines(v.Refused), fieldLines(v.Broken), err)
			}
		})
	}
}

// The same changes as a transaction, on the same present.
func TestAVerdictIsThatOfTheWrite(t *testing.T) {
	for _, test := range verdicts() {
		t.Run(test.name, func(t *testing.T) {
			v, err := events.Rules{}.Judge(test.in, "pay", test.changes, aStamp())
			if err != nil {
				t.Fatal(err)
			}
			var c events.Transact
			for _, w := range test.changes {
				if w.Delete {
					c.Delete = append(c.Delete, del("pay", w.Key))
				} else {
					c.Set = append(c.Set, events.PutEntry{Namespace: "pay", Key: w.Key, Value: w.Content.Value, Type: w.Content.Type})
				}
			}
			_, err = events.Rules{}.Decide(test.in, c, aStamp())
			if good := len(v.Refused)+len(v.Broken) == 0; good != (err == nil) {
				t.Fatalf("the verdict is %+v, the write ends with %v", v, err)
			}
			var refused *events.Refusal
			if errors.As(err, &refused) && errors.Is(err, events.ErrSchema) && !slices.Equal(refused.Fields, v.Broken) {
				t.Errorf("broken %q, for the write %q", fieldLines(v.Broken), fieldLines(refused.Fields))
			}
		})
	}
}

func TestAVerdictIsNotAboutWhetherAndWhenChangesAreMade(t *testing.T) {
	now := aStamp()
	approval := withSettings("pay", events.Settings{RequireApproval: new(true)})
	ports := withSchema("/", `{"properties":{"port":{"maximum":9}}}`)
	for name, in := range map[string]*world{"approval": governed(approval, ports), "frozen": governed(frozen("pay"), ports)} {
		good, err := events.Rules{}.Judge(in, "pay", []events.Wanted{want("port", `9`)}, now)
		bad, err2 := events.Rules{}.Judge(in, "pay", []events.Wanted{want("port", `10`)}, now)
		if err != nil || err2 != nil || len(good.Refused)+len(good.Broken)+len(bad.Refused) > 0 || len(bad.Broken) != 1 {
			t.Errorf("%s: %+v and %+v, %v, %v", name, good, bad, err, err2)
		}
	}
}

func TestAVerdictKnowsHowMuchOneChangeMayBe(t *testing.T) {
	v, err := events.Rules{MaxProposalBytes: 2000}.Judge(governed(), "pay", []events.Wanted{want("a", `"`+strings.Repeat("x", 1500)+`"`), want("b", `"`+strings.Repeat("x", 1500)+`"`)}, aStamp())
	if err != nil || !begin(fieldLines(v.Refused), []string{" the change and what it depends on need more than 2000 bytes"}) {
		t.Errorf("%+v, %v", v, err)
	}
	low := governed()
	low.cluster.Level = 1
	tagged := want("a", `1`)
	tagged.Content.Tags = &[]string{"t"} // needs a higher level, to which a write raises the cluster
	if v, err := (events.Rules{}).Judge(low, "pay", []events.Wanted{tagged}, aStamp()); err != nil || len(v.Refused) > 0 {
		t.Errorf("at a low level: %+v, %v", v, err)
	}
}

func TestAVerdictIsRefusedWhenTheQuestionIsNone(t *testing.T) {
	var many []events.Wanted
	for i := range events.MaxChanges + 1 {
		many = append(many, want(fmt.Sprint(i), `1`))
	}
	both := want("a", `1`)
	both.Delete = true
	for name, test := range map[string]struct {
		namespace string
		changes   []events.Wanted
		kind      error
	}{
		"a namespace that is none": {"a//b", many[:1], events.ErrInvalid},
		"the root":                 {"/", many[:1], events.ErrInvalid},
		"too many":                 {"pay", many, events.ErrTooLarge},
		"one key twice":            {"pay", append(many[:1:1], gone("0")), events.ErrInvalid},
		"a value and its deletion": {"pay", []events.Wanted{both}, events.ErrInvalid},
	} {
		if _, err := (events.Rules{}).Judge(governed(), test.namespace, test.changes, aStamp()); !errors.Is(err, test.kind) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
