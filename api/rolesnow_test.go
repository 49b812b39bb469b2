package api

import (
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

// Roles that are taken away, narrowed or given take effect on running watches
// within a second.
func TestRolesTakeEffectOnRunningWatches(t *testing.T) {
	b := newWatchBench(t)
	who := by(b.key("vera", "lobby", "viewer", "")) // takes roles
	roles := func(grants string) {
		t.Helper()
		b.do("PUT", policyPath("pay", "roles"), `{"grants":[`+grants+`]}`).is(200)
	}
	roles(`{"role":"viewer","principal":"vera"}`)
	sse, socket := b.watch("?namespace=pay", who), b.connect("?namespace=pay&id=w", who)
	all := b.watch("", who)
	sse.next(wire.FrameResumed)
	socket.next(wire.FrameResumed)
	all.next(wire.FrameResumed)
	b.put("pay", "db/a", "1")
	for _, f := range []sent{sse.next(wire.FrameEvent), socket.next(wire.FrameEvent), all.next(wire.FrameEvent)} {
		if f.Event.Key != "db/a" {
			t.Errorf("%s", f.raw)
		}
	}

	roles(`{"role":"viewer","principal":"vera","keys":"db/*"}`)
	b.put("pay", "web/a", "1")
	b.put("pay", "db/b", "1")
	for _, f := range []sent{sse.next(wire.FrameEvent), socket.next(wire.FrameEvent), all.next(wire.FrameEvent)} {
		if f.Event.Key != "db/b" {
			t.Errorf("narrowed to db/*, it shows %s", f.raw)
		}
	}

	roles(`{"role":"editor","principal":"vera"}`)
	b.put("pay", "web/b", "1")
	for _, f := range []sent{sse.next(wire.FrameEvent), socket.next(wire.FrameEvent), all.next(wire.FrameEvent)} {
		if f.Event.Key != "web/b" {
			t.Errorf("widened, it shows %s", f.raw)
		}
	}
	drafts := b.watch("?namespace=pay&events=draft", who)
	drafts.next(wire.FrameResumed)
	b.do("PUT", draftPath("pay", "d"), `{"value":1}`, who).is(201)
	drafts.next(wire.FrameEvent)

	began := time.Now()
	roles("")
	for _, f := range []sent{sse.next(wire.FrameReset), socket.next(wire.FrameReset), drafts.next(wire.FrameReset)} {
		if f.Reason != wire.ReasonForbidden || time.Since(began) > time.Second {
			t.Errorf("after %s %s", time.Since(began), f.raw)
		}
	}
	b.put("pay", "db/c", "1")
	b.put("lobby", "hall", "1")
	if f := all.next(wire.FrameEvent); f.Event.Namespace != "lobby" {
		t.Errorf("what is left of it shows %s", f.raw)
	}
	b.do("GET", watchPath+"?namespace=pay", nil, who).problem(403, wire.ProblemForbidden)
}

// A role at the root, and a cut on the way, take effect as well.
func TestRolesOfTheRootTakeEffectOnRunningWatches(t *testing.T) {
	b := newWatchBench(t)
	who := by(b.key("vera", "lobby", "viewer", ""))
	b.put("pay", "a", "1")
	b.do("PUT", policyPath("/", "roles"), `{"grants":[{"role":"viewer","principal":"vera"}]}`).is(200)
	for _, take := range []func(){
		func() { b.do("PUT", policyPath("pay", "roles"), `{"inherit":false,"grants":[]}`).is(200) },
		func() { b.do("PUT", policyPath("/", "roles"), `{"grants":[]}`).is(200) },
	} {
		s := b.watch("?namespace=pay", who)
		s.next(wire.FrameResumed)
		began := time.Now()
		take()
		if f := s.next(wire.FrameReset); f.Reason != wire.ReasonForbidden || time.Since(began) > time.Second {
			t.Errorf("after %s %s", time.Since(began), f.raw)
		}
		b.do("PUT", policyPath("pay", "roles"), `{"grants":[]}`).is(200)
	}
}

// A role counts from the next request on, for reads and for writes.
func TestAGrownRoleIsSeenAtOnce(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	who := by(b.key("vera", "lobby", "viewer", ""))
	b.do("GET", entryPath("pay", "a"), nil, who).problem(403, wire.ProblemForbidden, "vera needs the role viewer")
	for i, role := range []string{"viewer", "editor", "publisher", "admin"} {
		b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"`+role+`","principal":"vera"}]}`).is(200)
		for j, ask := range []func() reply{
			func() reply { return b.do("GET", entryPath("pay", "a"), nil, who) },
			func() reply { return b.do("PUT", draftPath("pay", "a"), `{"value":1}`, who) },
			func() reply {
				return b.do("POST", namespacesPath+"pay/rollback/a?dry_run=true", `{"toVersion":1}`, who)
			},
			func() reply { return b.do("PUT", policyPath("pay", "settings"), `{}`, who) },
		} {
			if r := ask(); (r.status == 403) != (j > i) {
				t.Errorf("as %s: %s is %d %s", role, r.what, r.status, r.body)
			}
		}
		me := decodeAs[wire.Principal](b.do("GET", "/api/v1/whoami", nil, who).is(200))
		if last := me.Grants[len(me.Grants)-1]; len(me.Grants) != 2 || last != (wire.Grant{Namespace: "pay", Role: role}) || me.Principal != "vera" {
			t.Errorf("as %s: %+v", role, me)
		}
	}
}

// Roles that namespaces give count for the keys that an admin of everything, or the
// principal itself, made, and for no others.
func TestKeysTakeRolesByWhoMadeThem(t *testing.T) {
	b := newGoverned(t)
	b.put("pay", "a", "1")
	b.do("PUT", policyPath("pay", "roles"), `{"grants":[{"role":"viewer","principal":"vera"}]}`).is(200)
	key := func(body string, who ...string) wire.APIKey {
		t.Helper()
		return decodeAs[wire.APIKey](b.do("POST", "/api/v1/keys", body, who...).is(201))
	}
	bare := key(`{"name":"vera's","principal":"vera"}`) // no grants are needed
	if !bare.Roles || len(bare.Grants) != 0 {
		t.Errorf("%+v", bare)
	}
	b.do("GET", entryPath("pay", "a"), nil, by(bare.Key)).is(200)
	own := key(`{"name":"another","principal":"vera"}`, by(bare.Key))
	if b.do("GET", entryPath("pay", "a"), nil, by(own.Key)).is(200); !own.Roles {
		t.Errorf("%+v", own)
	}
	admin := by(b.key("adam", "pay", "admin", ""))
	b.do("POST", "/api/v1/keys", `{"name":"x","principal":"vera","grants":[{"namespace":"pay","role":"viewer"}]}`, admin).problem(403, wire.ProblemForbidden, "vera")
	b.do("POST", "/api/v1/keys", `{"name":"x"}`, admin).problem(400, wire.ProblemMalformed, "/grants")
	robot := key(`{"name":"robot","grants":[{"namespace":"pay","role":"viewer"}]}`, admin)
	if robot.Roles {
		t.Errorf("%+v", robot)
	}
	b.do("PUT", policyPath("ops", "roles"), `{"grants":[{"role":"viewer","principal":"robot"}]}`).is(200)
	b.do("GET", "/api/v1/namespaces/ops/config", nil, by(robot.Key)).is(403)

	// One's own keys can be listed and revoked, also by who is admin of nothing.
	names := func(who string) (list []string) {
		for _, k := range decodeAs[[]wire.APIKey](b.do("GET", "/api/v1/keys", nil, who).is(200)) {
			list = append(list, k.Name)
		}
		return list
	}
	if got := names(by(own.Key)); len(got) != 2 {
		t.Errorf("vera lists %v", got)
	}
	if got := names(admin); len(got) != 2 { // its own and the robot's
		t.Errorf("adam lists %v", got)
	}
	b.do("DELETE", "/api/v1/keys/"+own.ID, nil, admin).problem(403, wire.ProblemForbidden)
	b.do("DELETE", "/api/v1/keys/"+robot.ID, nil, by(own.Key)).problem(403, wire.ProblemForbidden)
	b.do("DELETE", "/api/v1/keys/"+bare.ID, nil, by(own.Key)).is(204)
	b.do("GET", "/api/v1/whoami", nil, by(bare.Key)).is(401)
	b.do("DELETE", "/api/v1/keys/"+robot.ID, nil, admin).is(204)
	b.submit(events.RevokeKey{ID: own.ID})
	b.do("GET", "/api/v1/whoami", nil, by(own.Key)).is(401)
}
