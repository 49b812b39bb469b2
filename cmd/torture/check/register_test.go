package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
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
