package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
	"confman/events"
)

func policyPath(namespace, noun string) string {
	return namespacesPath + strings.ReplaceAll(namespace, "/", "%2F") + "/" + noun
}

// Roles, schema and settings are read, written and guarded in the same way.
func TestPoliciesAreComparedAndSet(t *testing.T) {
	for noun, bodies := range map[string][2]string{
		"roles":    {`{"grants":[{"role":"viewer","principal":"ann"}]}`, `{"inherit":false,"grants":[]}`},
		"schema":   {`{"schema":{"type":"object"},"comment":"why"}`, `{"schema":null,"inherit":false}`},
		"settings": {`{"minApprovers":2,"quota":{"keys":5}}`, `{"requireApproval":true}`},
	} {
		for _, namespace := range []string{"teams/new", "/"} {
			t.Run(noun+" of "+namespace, func(t *testing.T) {
				b := newGoverned(t)
				path := policyPath(namespace, noun)
				never := b.do("GET", path, nil).is(200)
				if tag := never.header.Get("ETag"); tag != `"r0"` {
					t.Errorf("what was never set has the tag %s", tag)
				}
				b.do("PUT", path, bodies[0], `If-Match: "r7"`).problem(412, wire.ProblemConditionFailed)
				b.do("PUT", path, bodies[0], `If-Match: *`).problem(412, wire.ProblemConditionFailed)
				first := b.do("PUT", path, bodies[0], `If-Match: "r0"`).is(200)
				tag := first.header.Get("ETag")
				if want := fmt.Sprintf(`"r%d"`, b.node.State().Index()); tag != want || first.header.Get(wire.HeaderIndex) != strings.Trim(want, `"r`) {
					t.Errorf("set with the tag %s at %s, want %s", tag, first.header.Get(wire.HeaderIndex), want)
				}
				if namespace != events.Root && !b.node.State().Namespace(namespace).Live() {
					t.Error("the namespace did not come into being")
				}
				read := b.do("GET", path, nil).is(200)
				if read.header.Get("ETag") != tag {
					t.Errorf("read with the tag %s, want %s", read.header.Get("ETag"), tag)
				}
				b.do("GET", path, nil, "If-None-Match: "+tag).is(304)
				b.writesNothing(func() { b.do("PUT", path, read.body).is(200) }) // what is read may be put back
				for _, stale := range []string{`If-Match: "r0"`, `If-None-Match: *`, "If-None-Match: " + tag} {
					b.do("PUT", path, bodies[1], stale).problem(412, wire.ProblemConditionFailed)
				}
				b.writesNothing(func() {
					if same := b.do("PUT", path, bodies[0]).is(200); same.header.Get("ETag") != tag || same.body != first.body {
						t.Errorf("the same again: %s %s", same.header.Get("ETag"), same.body)
					}
				})
				b.do("PUT", path, bodies[1], "If-Match: "+tag).is(200)
				if again := b.do("GET", path, nil, "If-None-Match: "+tag).is(200); again.body == read.body {
					t.Errorf("it did not change: %s", again.body)
				}
			})
		}
	}
}

// A policy that is put again with its key is answered as the first time, whatever
// it became since.
func TestARepeatedPolicyHasTheFirstAnswer(t *testing.T) {
	for noun, bodies := range map[string][2]string{
		"roles":    {`{"grants":[{"role":"viewer","principal":"ann"}]}`, `{"grants":[]}`},
		"schema":   {`{"schema":{"type":"object"}}`, `{"schema":null}`},
		"settings": {`{"minApprovers":2}`, `{}`},
		"":         {`{"settings":{"minApprovers":2}}`, `{"settings":{"minApprovers":3}}`},
	} {
		b := newGoverned(t)
		path := strings.TrimSuffix(policyPath("pay", noun), "/")
		first := b.do("PUT", path, bodies[0], "Idempotency-Key: k")
		b.do("PUT", path, bodies[1]).is(200)
		b.writesNothing(func() {
			again := b.do("PUT", path, bodies[0], "Idempotency-Key: k")
			if again.status != first.status || again.body != first.body || again.header.Get("ETag") != first.header.Get("ETag") || again.header.Get(wire.HeaderIdempotentReplayed) != "true" {
				t.Errorf("%s: first %d %s\nagain %d %s", path, first.status, first.body, again.status, again.body)
			}
		})
	}
}

func TestRolesAreResolvedUpToACut(t *testing.T) {
	b := newGoverned(t)
	for namespace, body := range map[string]string{
		"/":            `{"grants":[{"role":"admin","group":"ops"}]}`,
		"teams":        `{"grants":[{"role":"viewer","principal":"tim"}]}`,
		"teams/pay":    `{"inherit":false,"grants":[{"role":"editor","principal":"pat","keys":"db/*"}]}`,
		"teams/pay/eu": `{"grants":[{"role":"publisher","principal":"eve"}]}`,
	} {
		b.do("PUT", policyPath(namespace, "roles"), body).is(200)
	}
	resolved := func(namespace string) (lines []string) {
		r := b.do("GET", policyPath(namespace, "roles")+"?resolve=true", nil).is(200)
		if r.header.Get("ETag") != "" {
			t.Errorf("what is put together has the tag %s", r.header.Get("ETag"))
		}
		for _, g := range decodeAs[wire.Roles](r).Grants {
			lines = append(lines, strings.TrimSpace(fmt.Sprintln(g.From, g.Role, g.Principal+g.Group, g.Keys)))
		}
		return lines
	}
	for namespace, want := range map[string][]string{
		"/":            {"/ admin ops"},
		"teams/new":    {"teams viewer tim", "/ admin ops"},
		"teams/pay":    {"teams/pay editor pat db/*"},
		"teams/pay/eu": {"teams/pay/eu publisher eve", "teams/pay editor pat db/*"},
	} {
		if got := resolved(namespace); !cmp.Equal(got, want) {
			t.Errorf("%s: %q, want %q", namespace, got, want)
		}
	}
}

func TestSchemasAreResolvedAndGuardLiveValues(t *testing.T) {
	b := newGoverned(t)
	b.put("teams/pay", "port", `"high"`)
	number := `"schema":{"properties":{"port":{"type":"number"}}}`
	p := b.do("PUT", policyPath("teams", "schema"), `{`+number+`}`).problem(422, wire.ProblemInvalid, "teams/pay")
	if len(p.Errors) != 1 || p.Errors[0].Pointer != "/port" {
		t.Errorf("errors %+v", p.Errors)
	}
	forced := decodeAs[wire.Schema](b.do("PUT", policyPath("teams", "schema"), `{`+number+`,"force":true,"comment":"soon"}`).is(200))
	if forced.Namespace != "teams" || forced.UpdatedBy != "ana" || forced.Index == 0 || !strings.Contains(string(forced.Schema), `"port"`) {
		t.Errorf("forced %+v", forced)
	}
	b.do("PUT", policyPath("teams/pay", "schema"), `{"schema":{"properties":{"db/url":{"type":"string"}}}}`).is(200)
	effective := decodeAs[wire.Schema](b.do("GET", policyPath("teams/pay/eu", "schema")+"?resolve=true", nil).is(200))
	var from []string
	for _, e := range effective.Effective {
		from = append(from, e.From)
	}
	if effective.Schema != nil || !cmp.Equal(from, []string{"teams/pay", "teams"}) {
		t.Errorf("resolved %+v", effective)
	}
	b.do("PUT", entryPath("teams/pay/eu", "db/url"), `{"value":1}`).problem(422, wire.ProblemInvalid, `"pointer":"/db~1url"`)
	b.do("PUT", entryPath("teams/pay", "port"), `{"value":8443}`).is(200)
	b.do("PUT", policyPath("teams/pay", "schema"), `{"inherit":false}`).is(200)
	b.do("PUT", entryPath("teams/pay", "port"), `{"value":"high"}`).is(200)
	audit := b.do("GET", "/api/v1/audit?action=namespace.schema-changed&namespace=teams&exact=true", nil).is(200)
	if rows := decodeAs[[]wire.AuditEvent](audit); len(rows) != 1 || rows[0].Comment != "soon" {
		t.Errorf("audit %s", audit.body)
	}
}

// What breaks a schema is told without the values that the caller may not read.
func TestBreachesDoNotTellValuesOfOthers(t *testing.T) {
	b := newGoverned(t)
	b.put("teams", "secret", `"of-teams"`)
	b.put("teams/pay", "own", `"of-pay"`)
	admin := by(b.key("pat", "teams/pay", "admin", ""))
	bad := `{"schema":{"additionalProperties":{"type":"number","const":1}}}`
	for _, r := range []reply{
		b.do("PUT", policyPath("teams/pay", "schema"), bad, admin).is(422),
		b.do("POST", policyPath("teams/pay", "schema")+"?dry_run=true", bad, admin).is(200),
	} {
		if !strings.Contains(r.body, `"/own"`) || strings.Contains(r.body, "secret") || strings.Contains(r.body, "of-teams") || !strings.Contains(r.body, "1 more") {
			t.Errorf("%s: %s", r.what, r.body)
		}
	}
	if r := b.do("PUT", policyPath("teams/pay", "schema"), bad).is(422); !strings.Contains(r.body, `"/secret"`) || strings.Contains(r.body, "more") {
		t.Errorf("who may read everything is told %s", r.body)
	}
	// Inheriting again brings values in, too.
	b.do("PUT", policyPath("teams/pay", "settings"), `{"inherit":false}`).is(200)
	b.do("PUT", policyPath("teams/pay", "schema"), `{"schema":{"properties":{"secret":{"const":"another"}}}}`).is(200)
	r := b.do("PUT", policyPath("teams/pay", "settings"), `{}`, admin)
	if r.problem(422, wire.ProblemInvalid); strings.Contains(r.body, "of-teams") {
		t.Errorf("%s", r.body)
	}
}

func TestSettingsAreInheritedMemberByMember(t *testing.T) {
	b := newGoverned(t)
	for namespace, body := range map[string]string{
		"/":            `{"minApprovers":3,"allowBypass":true,"freezes":[{"from":"2027-01-01T00:00:00+01:00","until":"2027-01-02T00:00:00Z","reason":"new year"}]}`,
		"teams":        `{"requireApproval":true,"minApprovers":2}`,
		"teams/pay":    `{"requireApproval":false,"windows":[{"days":["MON"],"from":"09:00","to":"17:00","timezone":"Europe/Berlin"}]}`,
		"teams/ops":    `{"inherit":false}`,
		"teams/ops/eu": `{"rollbackRequiresApproval":true}`,
	} {
		b.do("PUT", policyPath(namespace, "settings"), body).is(200)
	}
	get := func(namespace string) wire.Settings {
		return decodeAs[wire.Settings](b.do("GET", policyPath(namespace, "settings")+"?resolve=true", nil).is(200))
	}
	s := get("teams/pay/eu")
	want := map[string]string{"minApprovers": "teams", "requireApproval": "teams/pay", "allowBypass": "/", "windows": "teams/pay", "freezes": "/"}
	if *s.RequireApproval || *s.MinApprovers != 2 || !*s.AllowBypass || *s.RollbackRequiresApproval || !cmp.Equal(s.From, want) ||
		len(s.Windows) != 1 || s.Windows[0].Days[0] != "mon" || len(s.Freezes) != 1 || s.Freezes[0].From.Hour() != 23 {
		t.Errorf("%+v, from %v, want %v", s, s.From, want)
	}
	s = get("teams/ops/eu")
	if *s.RequireApproval || *s.MinApprovers != 1 || *s.AllowBypass || !*s.RollbackRequiresApproval || len(s.Freezes) != 1 {
		t.Errorf("below a cut: %+v", s)
	}
	own := decodeAs[wire.Settings](b.do("GET", policyPath("teams/pay", "settings"), nil).is(200))
	if own.MinApprovers != nil || *own.RequireApproval || own.From != nil || own.Usage == nil {
		t.Errorf("its own: %+v", own)
	}
	// PUT of the namespace changes the members that it is given.
	b.do("PUT", namespacesPath+"teams", `{"settings":{"minApprovers":4}}`).is(200)
	n := decodeAs[wire.Namespace](b.do("GET", namespacesPath+"teams", nil).is(200))
	if n.Settings == nil || *n.Settings.MinApprovers != 4 || !*n.Settings.RequireApproval {
		t.Errorf("settings of the namespace: %+v", n.Settings)
	}
}

// Values are resolved up to where the settings cut them off, now and then.
func TestResolvingEndsWhereInheritanceDoes(t *testing.T) {
	b := newGoverned(t)
	b.put("teams", "a", `"top"`)
	b.put("teams/pay", "b", `"mine"`)
	entry := entryPath("teams/pay", "a") + "?resolve=true"
	b.do("GET", entry, nil).is(200)
	before := b.node.State().Index()
	b.do("PUT", policyPath("teams/pay", "settings"), `{"inherit":false}`).is(200)
	b.do("GET", entry, nil).problem(404, wire.ProblemNotFound)
	b.do("GET", entryPath("teams/pay/eu", "a")+"?resolve=true", nil).is(404)
	b.do("GET", entryPath("teams/pay/eu", "b")+"?resolve=true", nil).is(200)
	b.do("GET", fmt.Sprintf("%s&at=%d", entry, before), nil).is(200)
	list := func(query string) []string {
		return keysOf(b.walk("/api/v1/namespaces/teams/pay/config?resolve=true"+query), entryName)
	}
	if got := list(""); !cmp.Equal(got, []string{"b"}) {
		t.Errorf("resolved to %v", got)
	}
	if got := list(fmt.Sprintf("&at=%d", before)); !cmp.Equal(got, []string{"a", "b"}) {
		t.Errorf("resolved in the past to %v", got)
	}
}

func TestDeprecatedKeysWarnTheirReadersAndTakeNothingNew(t *testing.T) {
	b := newGoverned(t)
	b.put("teams/pay", "old-port", "80")
	b.put("teams/pay", "port", "80")
	b.do("PUT", policyPath("teams", "schema"), `{"schema":{"properties":{"old-port":{"x-confman-deprecated":true}}}}`).is(200)
	set := b.node.State().Policy("teams").SchemaMark.At.Unix()
	r := b.do("GET", entryPath("teams/pay", "old-port"), nil).is(200)
	if r.header.Get("Deprecation") != fmt.Sprintf("@%d", set) || r.header.Get("Warning") != `299 - "teams/pay/old-port is deprecated by the schema of teams"` {
		t.Errorf("headers %v", r.header)
	}
	if r := b.do("GET", entryPath("teams/pay", "port"), nil).is(200); r.header.Get("Deprecation")+r.header.Get("Warning") != "" {
		t.Errorf("another key: %v", r.header)
	}
	b.do("PUT", entryPath("teams/pay", "old-port"), `{"value":81}`).problem(422, wire.ProblemInvalid, "deprecated")
	b.do("PUT", entryPath("teams/pay", "old-port"), `{"value":80}`).is(200)
	b.do("DELETE", entryPath("teams/pay", "old-port"), nil).is(204)
}

// The usage is what the quota counts: live entries and drafts, below as well.
func TestQuotasCountWhatTheUsageSays(t *testing.T) {
	b := newGoverned(t)
	b.put("teams", "a", `"1234"`)     // 1 key, 1+6 bytes
	b.put("teams/pay", "b", `"1234"`) // 7
	draft := "/api/v1/namespaces/teams/pay/drafts/"
	b.do("PUT", draft+"b", `{"value":"12345678"}`).is(201) // of a live key: 1+10 more bytes, no key
	b.do("PUT", draft+"c", `{"value":"12"}`).is(201)       // 1+4
	usage := func(namespace string) wire.Quota {
		return *decodeAs[wire.Settings](b.do("GET", policyPath(namespace, "settings"), nil).is(200)).Usage
	}
	if got, want := usage("teams"), (wire.Quota{Keys: 3, Bytes: 30}); got != want {
		t.Errorf("teams uses %+v, want %+v", got, want)
	}
	if got, want := usage("teams/pay"), (wire.Quota{Keys: 2, Bytes: 23}); got != want || usage("/") != (wire.Quota{Keys: 3, Bytes: 30}) {
		t.Errorf("teams/pay uses %+v, want %+v; the root %+v", got, want, usage("/"))
	}
	b.do("PUT", policyPath("teams", "settings"), `{"quota":{"keys":3}}`).is(200)
	b.writesNothing(func() {
		b.do("PUT", entryPath("teams/pay", "d"), `{"value":1}`).problem(409, wire.ProblemOverQuota, "namespace teams", "3 keys")
		b.do("PUT", draft+"d", `{"value":1}`).problem(409, wire.ProblemOverQuota)
		b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"teams","key":"d","value":1}]}`).problem(409, wire.ProblemOverQuota)
	})
	b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"teams","key":"d","value":1}],"delete":[{"namespace":"teams","key":"a"}]}`).is(200)
	b.do("PUT", entryPath("teams/pay", "c"), `{"value":1}`).is(201) // its draft counts already
	b.do("PUT", policyPath("teams/pay", "settings"), `{"quota":{"bytes":20}}`).is(200)
	b.do("PUT", draft+"b", `{"value":"12345678901"}`).problem(409, wire.ProblemOverQuota, "bytes")
	b.do("PUT", draft+"b", `{"value":"1"}`).is(200) // smaller is always possible
	b.do("DELETE", draft+"b", nil).is(204)
	for namespace, want := range map[string]string{"teams/pay": `{"bytes":20} of teams/pay`, "teams/web": `{"keys":3} of teams`} {
		s := decodeAs[wire.Settings](b.do("GET", policyPath(namespace, "settings")+"?resolve=true", nil).is(200))
		if encoded, err := encode(s.Quota); err != nil || string(encoded)+" of "+s.From["quota"] != want {
			t.Errorf("the quota that holds in %s is %s of %s, want %s", namespace, encoded, s.From["quota"], want)
		}
	}
	b.do("PUT", "/api/v1/namespaces/teams", `{"settings":{"minApprovers":0}}`).problem(400, wire.ProblemMalformed, `"/settings/minApprovers"`)
	narrow := by(b.key("narrow", "teams", "viewer", "db/*"))
	if s := decodeAs[wire.Settings](b.do("GET", policyPath("teams", "settings"), nil, narrow).is(200)); s.Usage != nil {
		t.Errorf("who sees a part is told the usage of the whole: %+v", s.Usage)
	}
}

func TestChangesAreHeldUpByApprovalFreezesAndWindows(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	write := func(kind string, words ...string) {
		t.Helper()
		b.writesNothing(func() {
			b.do("PUT", entryPath("pay", "a"), `{"value":2}`).problem(409, kind, words...)
			b.do("DELETE", entryPath("pay", "a"), nil).problem(409, kind, words...)
			b.do("POST", "/api/v1/transactions", `{"set":[{"namespace":"other","key":"x","value":1},{"namespace":"pay","key":"a","value":2}]}`).problem(409, kind, words...)
			b.do("DELETE", namespacesPath+"pay", nil).problem(409, kind)
		})
		b.do("PUT", entryPath("pay", "a"), `{"value":1}`).is(200) // it is so already
	}
	b.do("PUT", policyPath("pay", "settings"), `{"requireApproval":true}`).is(200)
	write(wire.ProblemApprovalRequired, "/api/v1/namespaces/pay/drafts/a")
	b.do("PUT", policyPath("pay", "settings"), `{"freezes":[{"from":"2026-01-01T00:00:00Z","until":"2026-02-01T00:00:00Z","reason":"the audit"}]}`).is(200)
	write(wire.ProblemFrozen, "the audit", "2026-02-01T00:00:00Z")
	b.do("PUT", policyPath("pay", "settings"), `{"windows":[{"days":["sat"],"from":"09:00","to":"10:00"}]}`).is(200) // it is a Friday
	write(wire.ProblemFrozen, "2026-01-24T09:00:00Z")
	b.do("PUT", namespacesPath+"pay/drafts/a", `{"value":2}`).is(201)
}

// A PUT of a policy replaces all of it: what is misspelled must not switch
// something off.
func TestAMisspelledPolicyIsRefused(t *testing.T) {
	b := newGoverned(t)
	b.do("PUT", policyPath("pay", "settings"), `{"requireApproval":true}`).is(200)
	for noun, bodies := range map[string][]string{
		"settings": {`{"requireAproval":true}`, `{"quota":{"key":3}}`, `{"freezes":[{"from":"2027-01-01T00:00:00Z","til":"2027-01-02T00:00:00Z","reason":"r"}]}`},
		"schema":   {`{}`, `{"properties":{"a":{"type":"string"}}}`, `{"schema":{},"inherits":false}`},
		"roles":    {`{}`, `{"grant":[]}`, `{"grants":[{"role":"viewer","user":"ann"}]}`},
	} {
		for _, body := range bodies {
			b.writesNothing(func() { b.do("PUT", policyPath("pay", noun), body).problem(400, wire.ProblemMalformed, "/") })
		}
	}
}
