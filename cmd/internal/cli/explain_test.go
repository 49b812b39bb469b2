package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"confman/api/wire"
)

func position(index uint64) string { return fmt.Sprint(index) }

func TestExplainTellsWhyAValueIsSo(t *testing.T) {
	_, ana, bo := office(t)
	id, _ := ana.does(0, "request", "submit", "pay", "--set", "pool:number=50", "--set", "name=pay", "--comment", "more traffic", "-q")
	bo.does(0, "request", "approve", id, "--yes", "--comment", "fine")
	page, _ := bo.does(0, "explain", "pay/eu", "pool")
	for _, want := range []string{
		"key            pay/eu/pool\n",
		"value          50 (number, version 2)\n",
		"pay/eu: not there\n",
		"pay: version 2, this is the one\nmade by",
		"made by        bo, ",
		"together with  config.created pay/name, event 15\nrequest",
		"request        " + id + ", published",
		"by ana: more traffic\n",
		"by bo: fine\n",
		"schema         of pay, set ",
		"need approval, says pay\n",
		"confman history pay pool\n",
		"~ pay/pool\n    - 5\n    + 50",
	} {
		if !strings.Contains(strings.Join(strings.Fields(page), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	var e wire.Explanation
	out, _ := bo.does(0, "explain", "pay", "pool", "-o", "json")
	if err := json.Unmarshal([]byte(out), &e); err != nil || e.Request == nil || e.Request.ID != id {
		t.Errorf("%v\n%s", err, out)
	}
	before := position(e.Event.Index - 2) // before the approval
	if page, _ = bo.does(0, "explain", "pay", "pool", "--at", before); !strings.Contains(page, "5 (number, version 1)") || strings.Contains(page, id) {
		t.Errorf("before:\n%s", page)
	}
	bo.does(3, "explain", "pay", "absent")
}

func TestExplainTellsWhoDeletedAKey(t *testing.T) {
	admin, s := solo(t)
	s.Set("shop", "url", "x")
	s.Delete("shop", "url")
	page, _ := admin.does(0, "explain", "shop", "url")
	for _, want := range []string{"none", "deleted with version 2", "deleted by", "apitest", "- shop/url\n    - x"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}
