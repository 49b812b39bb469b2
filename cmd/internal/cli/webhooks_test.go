package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"confman/api/wire"
)

func webhookRoutes(t *testing.T) *server {
	made := wire.Webhook{ID: "01HOOK", URL: "https://ci.example.com/in", Namespace: "pay", Events: []string{"config", "publish-request"}, Secret: "whsec_shownOnce", CreatedAt: noon, UpdatedAt: noon, CreatedBy: "ana", Lag: 2}
	listed := made
	listed.Secret = ""
	disabled := listed
	disabled.Disabled, disabled.Reason = true, "the endpoint answered 410"
	deliveries := []wire.Delivery{
		{ID: "01B", Index: 12, Type: "config.updated", State: wire.DeliveryRetried, Attempts: 3, Error: "connection refused", LastAt: noon, NextAt: noon, Millis: 4},
		{ID: "01A", Index: 11, Type: "config.created", State: wire.DeliveryDead, Attempts: 40, Status: 500, LastAt: noon, Millis: 12},
	}
	return newRoutes(t, map[string]any{
		"POST /api/v1/webhooks":                 made,
		"GET /api/v1/webhooks":                  []wire.Webhook{listed, disabled},
		"GET /api/v1/webhooks/{id}":             listed,
		"PUT /api/v1/webhooks/{id}":             listed,
		"DELETE /api/v1/webhooks/{id}":          nil,
		"POST /api/v1/webhooks/{id}/rotate":     made,
		"GET /api/v1/webhooks/{id}/deliveries":  deliveries,
		"POST /api/v1/webhooks/01HOOK/resend":   wire.Delivery{ID: "01A", Index: 11, Type: "config.created", State: wire.DeliveryDone, Attempts: 41, Status: 204, LastAt: noon, Millis: 9},
		"POST /api/v1/webhooks/01BROKEN/resend": deliveries[1],
	})
}

func TestWebhooksAreAdministered(t *testing.T) {
	const (
		kept       = "keep it in a file; to check a request by hand: confman webhook verify --secret-file FILE < REQUEST\n"
		header     = "EVENT   TYPE             STATE      ATTEMPTS   STATUS   LAST                   NEXT                   MS   ERROR\n"
		deadHeader = "EVENT   TYPE             STATE   ATTEMPTS   STATUS   LAST                   NEXT   MS   ERROR\n"
		deadRow    = "11      config.created   dead    40         500      2026-01-31T12:00:00Z   -      12   -\n"
	)
	tests := []struct {
		args   string
		code   int
		stdout string
		stderr string
		change string
	}{
		{
			args: "webhook create https://ci.example.com/in -n pay --events config,publish-request --values", stdout: "whsec_shownOnce\n",
			stderr: "webhook 01HOOK created for pay; its secret is shown only now\n" + kept,
			change: `POST /api/v1/webhooks {"url":"https://ci.example.com/in","namespace":"pay","events":["config","publish-request"],"values":true}`,
		},
		{args: "webhook create https://x/ -n pay --dry-run", stderr: "would have https://x/ told of events of pay\n"},
		{args: "webhook list", stdout: `ID       NAMESPACE   URL                         EVENTS                   VALUES   STATE                                 BEHIND   DESCRIPTION
01HOOK   pay         https://ci.example.com/in   config,publish-request   false    enabled                               2        -
01HOOK   pay         https://ci.example.com/in   config,publish-request   false    disabled: the endpoint answered 410   2        -
`},
		{args: "webhook show 01HOOK", stdout: `ID       NAMESPACE   URL                         EVENTS                   VALUES   STATE     BEHIND   DESCRIPTION
01HOOK   pay         https://ci.example.com/in   config,publish-request   false    enabled   2        -
`},
		{args: "webhook disable 01HOOK", stderr: "webhook 01HOOK disabled, 2 events behind\n", change: `PUT /api/v1/webhooks/01HOOK {"url":"https://ci.example.com/in","namespace":"pay","disabled":true}`},
		{args: "webhook enable 01HOOK", stderr: "webhook 01HOOK enabled, 2 events behind\n", change: `PUT /api/v1/webhooks/01HOOK {"url":"https://ci.example.com/in","namespace":"pay","disabled":false}`},
		{args: "webhook delete 01HOOK --yes", stderr: "webhook 01HOOK deleted\n", change: "DELETE /api/v1/webhooks/01HOOK"},
		{
			args: "webhook rotate 01HOOK --overlap 1h", stdout: "whsec_shownOnce\n", change: `POST /api/v1/webhooks/01HOOK/rotate {"overlap":"1h0m0s"}`,
			stderr: "webhook 01HOOK has another secret, the old one signs for 1h0m0s more; its secret is shown only now\n" + kept,
		},
		{args: "webhook deliveries 01HOOK", stdout: header +
			"12      config.updated   retrying   3          -        2026-01-31T12:00:00Z   2026-01-31T12:00:00Z   4    connection refused\n" +
			"11      config.created   dead       40         500      2026-01-31T12:00:00Z   -                      12   -\n"},
		{args: "webhook deliveries 01HOOK --state dead", stdout: deadHeader + deadRow},
		{args: "webhook resend 01HOOK 11 -q", change: `POST /api/v1/webhooks/01HOOK/resend {"index":11}`, stdout: "EVENT   TYPE             STATE       ATTEMPTS   STATUS   LAST                   NEXT   MS   ERROR\n" +
			"11      config.created   delivered   41         204      2026-01-31T12:00:00Z   -      9    -\n"},
		{args: "webhook resend 01BROKEN 11", code: 1, change: `POST /api/v1/webhooks/01BROKEN/resend {"index":11}`, stdout: deadHeader + deadRow, stderr: "confman: the endpoint did not take event 11\n"},

		{args: "webhook create https://x/", code: 2, stderr: "confman: no namespace: confman webhook create URL [flags] -n NS, or set CONFMAN_NAMESPACE\nhint: confman webhook create --help\n"},
		{args: "webhook delete 01HOOK", code: 2, stderr: "confman: to delete webhook 01HOOK without a terminal to ask on, add --yes\nhint: confman webhook delete --help\n"},
		{args: "webhook deliveries 01HOOK --state done", code: 2, stderr: "confman: --state \"done\": want one of delivered, retrying, dead\nhint: confman webhook deliveries --help\n"},
		{args: "webhook resend 01HOOK last", code: 2, stderr: "confman: \"last\" is no event index: confman webhook deliveries 01HOOK lists them\nhint: confman webhook resend --help\n"},
	}
	s := webhookRoutes(t)
	for _, test := range tests {
		t.Run(test.args, func(t *testing.T) {
			s.changes = nil
			stdout, stderr, code := newShell(t, s).run(strings.Fields(test.args)...)
			if code != test.code {
				t.Errorf("exit %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.stdout, stdout); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.stderr, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.change, strings.Join(s.changes, "\n")); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// The secret, the identifier, the time, the body and the signature are those of
// the vector that Standard Webhooks publishes.
func TestWebhookRequestsAreVerified(t *testing.T) {
	const (
		secret    = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
		id        = "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek\n"
		timestamp = "webhook-timestamp: 1614265330\n"
		signature = "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\n"
		body      = `{"test": 2432232314}`
		good      = id + timestamp + signature + "\n" + body
		goodSaid  = "the signature of msg_p5jXN8AQM9LWM0D4loKWxJek is good\nits timestamp is 2021-02-25T15:02:10Z, "
		noOne     = "confman: no signature is that of this secret over msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330 and a body of "
	)
	tests := []struct {
		name, secret, request string
		code                  int
		stderr                string // its beginning
	}{
		{"as published", secret, good, 0, goodSaid},
		{"as it came", secret + "\n", "POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n" + strings.ReplaceAll(id+timestamp+signature+"\n", "\n", "\r\n") + body, 0, goodSaid},
		{"names in capitals", secret, strings.ReplaceAll(good, "webhook-", "Webhook-"), 0, goodSaid},
		{"one of several", secret, strings.Replace(good, "v1,", "v1a,xxx v1,AAAA v1,", 1), 0, goodSaid},
		{"another body", secret, good + " ", 7, noOne + "21 bytes: another secret, or a body"},
		{"another time", secret, strings.Replace(good, "1614265330", "1614265331", 1), 7, "confman: no signature is that"},
		{"another identifier", secret, strings.Replace(good, "msg_p", "msg_q", 1), 7, "confman: no signature is that"},
		{"another secret", "whsec_AAAA", good, 7, noOne + "20 bytes: another secret, or a body"},
		{"a line break at its end", secret, good + "\n", 7, "confman: the signature is good without the line break at the end of the body"},
		{"another version", secret, strings.Replace(good, "v1,", "v2,", 1), 7, "confman: webhook-signature \"v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=\" has no v1 signature\n"},
		{"no signature", secret, id + timestamp + "\n" + body, 7, "confman: the request has no header webhook-signature\n"},
		{"no identifier", secret, timestamp + signature + "\n" + body, 7, "confman: the request has no header webhook-id\n"},
		{"a time that is none", secret, strings.Replace(good, "1614265330", "noon", 1), 7, "confman: webhook-timestamp \"noon\" is not a number of seconds\n"},
		{"a body only", secret, body, 7, "confman: no request: want headers, an empty line and the body"},
		{"nothing", secret, "", 7, "confman: no request: want headers, an empty line and the body"},
		{"an API key", "cf_abc", good, 7, "confman: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(file, []byte(test.secret), 0o600); err != nil {
				t.Fatal(err)
			}
			sh := &shell{t: t, stdin: test.request}
			stdout, stderr, code := sh.run("webhook", "verify", "--secret-file", file)
			if code != test.code || stdout != "" || !strings.HasPrefix(stderr, test.stderr) {
				t.Errorf("exit %d, want %d; stdout %q, stderr\n%s", code, test.code, stdout, stderr)
			}
			if strings.Contains(stderr, test.secret) {
				t.Errorf("it tells the secret: %s", stderr)
			}
		})
	}
}
