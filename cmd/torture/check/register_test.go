package check

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"confman/api/wire"
)

func TestAKeyWhoseOperationsAreNotLinearizableIsNamedAndDrawn(t *testing.T) {
	op := func(from, to int64, key string, in Asked, out Got) porcupine.Operation {
		in.Key = key
		return porcupine.Operation{Input: in, Output: out, Call: from, Return: to}
	}
	var all []porcupine.Operation
	for _, key := range []string{"time-0/a", "time-0/b"} {
		all = append(all,
			op(0, 10, key, Asked{Kind: Put, Value: "x"}, Got{Done: true, Version: 1}),
			op(20, 30, key, Asked{Kind: Swap, Value: "y", Match: 1}, Got{Done: true, Version: 2}),
			op(40, 50, key, Asked{Kind: Read}, Got{Done: true, Version: 2, Value: "y"}))
	}
	dir := t.TempDir()
	if found := Linearizable(all, time.Minute, dir); len(found) > 0 {
		t.Errorf("linearizable, and found: %v", found)
	}
	all = append(all, op(60, 70, "time-0/b", Asked{Kind: Read}, Got{Done: true, Version: 1, Value: "x"}))
	found := Linearizable(all, time.Minute, dir)
	picture := filepath.Join(dir, "time-0-b.html")
	if len(found) != 1 || !strings.HasPrefix(found[0].Says, "time-0/b: 4 operations are not linearizable") || !strings.HasSuffix(found[0].Says, picture) {
		t.Errorf("found %v", found)
	}
	if _, err := os.Stat(picture); err != nil {
		t.Error(err)
	}
}

// historyOf is a history of one key, of values and, for "", deletions.
func historyOf(key string, values ...string) (h History) {
	for i, v := range values {
		e := wire.AuditEvent{Namespace: "ns", Key: &key, NewValue: &v}
		if v == "" {
			e.NewValue = nil
		}
		e.Index = uint64(i) + 1
		h = append(h, e)
	}
	return h
}

func TestTheHistorySettlesWhatIsInDoubt(t *testing.T) {
	in := func(kind Kind, value string) Asked { return Asked{Kind: kind, Key: "k", Value: value} }
	var all []porcupine.Operation
	say := func(from, to int64, in Asked, out Got) {
		all = append(all, porcupine.Operation{ClientId: len(all), Input: in, Output: out, Call: from, Return: to})
	}
	const never = 1 << 62
	say(0, 1, in(Put, "a"), Got{Done: true, Version: 1})
	for i := range 60 { // which is too many to try
		say(int64(i), never, in(Put, fmt.Sprint("lost-", i)), Got{Unknown: true})
		say(int64(i), never, in(Remove, ""), Got{Doubt: true})
	}
	say(100, never, in(Put, "b"), Got{Unknown: true})
	say(200, 201, in(Read, ""), Got{Done: true, Version: 2, Value: "b"})
	say(300, 301, in(Remove, ""), Got{Done: true, Index: 3})
	say(400, 401, in(Read, ""), Got{})
	h := historyOf("k", "a", "b", "")
	settled := h.Settled("ns", all)
	if out := settled[1].Output; len(settled) != 5 || out != (Got{Done: true, Version: 2, Value: "b"}) {
		t.Fatalf("settled: %+v", settled)
	}
	if out := settled[3].Output; out != (Got{Done: true, Version: 3, Index: 3}) {
		t.Errorf("the deletion is %+v", out)
	}
	if found := Linearizable(settled, time.Minute, t.TempDir()); len(found) > 0 {
		t.Errorf("linearizable, and found: %v", found)
	}
	settled[3].Output = Got{Done: true, Version: 2}
	if found := Linearizable(settled, time.Minute, t.TempDir()); len(found) != 1 {
		t.Errorf("a deletion that is an old version passes: %v", found)
	}
	// A value that somebody read and the history does not have.
	say(500, 501, in(Put, "c"), Got{Done: true, Version: 4})
	say(600, 601, in(Read, ""), Got{Done: true, Version: 5, Value: "lost-7"})
	if found := Linearizable(historyOf("k", "a", "b", "", "c").Settled("ns", all), time.Minute, t.TempDir()); len(found) != 1 {
		t.Errorf("a value from nowhere passes: %v", found)
	}
	// A deletion that nobody confirmed stays in doubt.
	if n := len(historyOf("k", "a", "b", "", "").Settled("ns", all)); n != 7+60 {
		t.Errorf("%d operations are left, want all deletions", n)
	}
}

// The operations on one register while two leaders failed: more than could be
// judged in a minute, when nobody knew which version a deletion was. The versions
// that are in the file are those that no confirmed write had.
func TestDeletionsWithVersionsAreJudgedAtOnce(t *testing.T) {
	if found := Linearizable(recorded(t, "hour.json"), time.Minute, t.TempDir()); len(found) > 0 {
		t.Error(found)
	}
}

// recorded are operations on one key that a run kept.
func recorded(t *testing.T, name string) (all []porcupine.Operation) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Client       int
		Call, Return int64
		Kind         Kind
		Value, Got   string
		Match        uint64
		Version      uint64
		Done         bool
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		all = append(all, porcupine.Operation{
			ClientId: r.Client, Call: r.Call, Return: r.Return,
			Input:  Asked{Kind: r.Kind, Key: "k", Value: r.Value, Match: r.Match},
			Output: Got{Done: r.Done, Version: r.Version, Value: r.Got},
		})
	}
	return all
}
