package cli_test

import (
	"strings"
	"testing"

	"confman/api/wire"
)

// showed is what request show says of request 01REQ.
const showed = `request     01REQ, pending_review
submitted   2026-01-31T12:00:00Z by ana
comment     more traffic
review      approved 2026-01-31T12:00:00Z by bo: fine
review      approved 2026-01-31T12:00:00Z by dan (does not count: dan last edited pay/limits)
needs       1 more approval for pay/limits, pay/url
            by publishers of these keys other than ana and dan

~ pay/limits (json, version 3)
    ~ /max: 5 → 9
    - /min: 1
+ pay/url (string)
    + http://b
    comment of ana: new host
    description: where it is
    tags: edge
`

func TestRequestsAreSubmittedAndReviewed(t *testing.T) {
	newDesk(t).expect(t, nil, []told{
		{args: "request submit pay pool --comment why", stdout: "01REQ\n", stderr: `~ pay/pool (number, version 2)
    - 5
    + 70000
publish request 01REQ submitted, needs 1 more approval for pay/limits, pay/url
`, change: `POST publish-requests {"changes":[{"namespace":"pay","key":"pool","revision":41}],"comment":"why"}`},
		{args: "request submit pay --all --dry-run", stderr: `left out: pay/url is under review already, as publish request 01REQ
- pay/gone (version 1)
    - "x"
~ pay/pool (number, version 2)
    - 5
    + 70000
would submit a publish request of 2 changes
`},
		{args: "request submit pay --set pool:number=9 --set a=b --delete pool2", stderr: `~ pay/pool (number, version 2)
    - 5
    + 9
    in place of the draft at revision 41: confman draft show pay pool
+ pay/a (string)
    + b
confman: get pay/pool2: 404 Not Found: no such entry (correlation corr-1)
`, code: 3},
		{args: "request submit pay --set pool:number=9 --set a=b --draft pay:gone", stdout: "01REQ\n", stderr: `- pay/gone (version 1)
    - "x"
~ pay/pool (number, version 2)
    - 5
    + 9
    in place of the draft at revision 41: confman draft show pay pool
+ pay/a (string)
    + b
publish request 01REQ submitted, needs 1 more approval for pay/limits, pay/url
`, change: `POST publish-requests {"changes":[{"namespace":"pay","key":"gone","revision":43},{"namespace":"pay","key":"pool","revision":41,"value":"9","type":"number"},{"namespace":"pay","key":"a","value":"b","type":"string"}]}`},
		{args: "request submit pay", stderr: `confman: say which keys, or --all
hint: confman request submit --help
`, code: 2},
		{args: "request submit pay pool --set pool=4", stderr: `confman: pay/pool is given twice
hint: confman request submit --help
`, code: 2},
		{args: "request list", stdout: `ID      STATE            CHANGES                      BY    SUBMITTED              APPROVALS   COMMENT
01REQ   pending_review   pay/limits and 1 more        ana   2026-01-31T12:00:00Z   1 of 2      more traffic
01OLD   rejected         pay/limits and hidden ones   ana   2026-01-31T12:00:00Z   -           more traffic
`, change: "state=open"},
		{args: "request list --state all --mine -n pay", stdout: `ID      STATE            CHANGES                      BY    SUBMITTED              APPROVALS   COMMENT
01REQ   pending_review   pay/limits and 1 more        ana   2026-01-31T12:00:00Z   1 of 2      more traffic
01OLD   rejected         pay/limits and hidden ones   ana   2026-01-31T12:00:00Z   -           more traffic
`, change: "mine=true&namespace=pay"},
		{args: "request show 01REQ", stdout: showed},
		{args: "request show 01NO", stderr: "confman: read publish request 01NO: 404 Not Found: no publish request 01NO (correlation corr-1)\n", code: 3},
		{args: "request impact 01REQ", stdout: `request     01REQ
changes     2 values
reaches     1 watch of web
unwatched   pay/url
unknown     the watches of n3, which did not answer
refused     it breaks the schema: /limits is too small
waits       frozen until 2027-01-02: holidays
needs       1 more approval for pay/limits, pay/url

~ pay/eu/url (version 1)
    - "http://a"
    + "http://b"
    watches: 1, inherited from above
- pay/gone (version 4)
    - 1
    watches: 0
`},
		{args: "request approve 01REQ", stderr: showed + `confman: to approve publish request 01REQ without a terminal to ask on, add --yes
hint: confman request approve --help
`, code: 2},
		{args: "request approve 01REQ --yes", stderr: showed + "publish request 01REQ: published 2026-01-31T12:00:00Z by cy, event 57\n", change: "POST publish-requests/01REQ/approve {}"},
		{args: "request reject 01REQ", stderr: `confman: to reject a publish request takes a reason: --comment
hint: confman request reject --help
`, code: 2},
		{args: "request reject 01REQ --comment no", stderr: "publish request 01REQ: rejected 2026-01-31T12:00:00Z by cy, event 57: no\n", change: `POST publish-requests/01REQ/reject {"comment":"no"}`},
		{args: "request withdraw 01REQ", stderr: "publish request 01REQ: withdrawn 2026-01-31T12:00:00Z by cy, event 57\n", change: "POST publish-requests/01REQ/withdraw {}"},
		{args: "request bypass 01REQ --yes --comment fire", stderr: showed + "publish request 01REQ: published 2026-01-31T12:00:00Z by cy, event 57, without the approvals: fire\n", change: `POST publish-requests/01REQ/bypass {"comment":"fire"}`},
		{args: "request bypass 01REQ --dry-run --comment fire", stderr: showed + "would bypass publish request 01REQ\n"},
	})
}

// What is approved is what a person saw and said yes to.
func TestApprovingAsksThePerson(t *testing.T) {
	for reply, goes := range map[string]bool{"y\n": true, "n\n": false, "": false} {
		d := newDesk(t)
		sh := d.shell(t)
		sh.interactive, sh.stdin = true, reply
		_, stderr, code := sh.run("request", "approve", "01REQ")
		if (len(d.changes) == 1) != goes || (code == 0) != goes || !strings.HasPrefix(stderr, showed+"Approve publish request 01REQ? [y/N] ") {
			t.Errorf("reply %q: exit %d, changes %v\n%s", reply, code, d.changes, stderr)
		}
	}
}

func TestClosedRequestsAreNotApproved(t *testing.T) {
	d := newDesk(t)
	d.states = []string{wire.RequestWithdrawn}
	_, stderr, code := d.shell(t).run("request", "approve", "01REQ", "--yes")
	if code != 4 || len(d.changes) > 0 || !strings.Contains(stderr, "is closed: withdrawn 2026-01-31T12:00:00Z by cy") {
		t.Errorf("exit %d, changes %v, %s", code, d.changes, stderr)
	}
}

func TestReviewsAreColouredUnlessNoColourIsWanted(t *testing.T) {
	sh := newDesk(t).shell(t)
	sh.setenv("CLICOLOR_FORCE=1")
	if stdout, _, _ := sh.run("request", "show", "01REQ"); !strings.Contains(stdout, "\x1b[31m- /min: 1\x1b[0m") || !strings.Contains(stdout, "\x1b[32m") {
		t.Errorf("no colours:\n%q", stdout)
	}
	sh.setenv("NO_COLOR=1")
	if stdout, _, _ := sh.run("request", "show", "01REQ"); stdout != showed {
		t.Errorf("colours in spite of NO_COLOR:\n%q", stdout)
	}
}

func TestWaitEndsWithTheRequest(t *testing.T) {
	for _, test := range []struct {
		args   string
		states []string
		code   int
		stderr string
	}{
		{"", []string{wire.RequestPending, wire.RequestScheduled, wire.RequestPublished}, 0, "publish request 01REQ: published 2026-01-31T12:00:00Z by cy, event 57\n"},
		{"--state scheduled", []string{wire.RequestScheduled}, 0, "publish request 01REQ: approved; it is published when changes are allowed again\n"},
		{"", []string{wire.RequestRejected}, 4, "confman: conflict: publish request 01REQ is closed: rejected"},
		{"--timeout 100ms", []string{wire.RequestPending}, 6, "confman: publish request 01REQ is pending_review, needs 1 more approval for pay/limits, pay/url, not published: context deadline exceeded\n"},
		{"--state publishd", nil, 2, `confman: --state "publishd": want one of scheduled, published`},
	} {
		d := newDesk(t)
		d.states = test.states
		_, stderr, code := d.shell(t).run(append([]string{"request", "wait", "01REQ"}, strings.Fields(test.args)...)...)
		if code != test.code || !strings.HasPrefix(stderr, test.stderr) {
			t.Errorf("%s %v: exit %d, %s", test.args, test.states, code, stderr)
		}
	}
}
