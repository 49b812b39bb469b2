package events_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"confman/events"
)

func TestWebhooks(t *testing.T) {
	good := events.WebhookProperties{URL: "https://h.example.org/x", Namespace: "pay", Events: []string{"config", "publish-request.published"}}
	with := func(change func(*events.WebhookProperties)) events.WebhookProperties {
		p := good
		change(&p)
		return p
	}
	create := func(p events.WebhookProperties) events.CreateWebhook {
		return events.CreateWebhook{ID: "w9", Properties: p, Secret: goldenSecret}
	}
	other := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 64))
	has := governed(func(w *world) {
		hook := events.Webhook{ID: "w1", Secrets: []events.WebhookSecret{{Secret: goldenSecret}}, Cursor: 60, Revision: 33}
		hook.URL, hook.Namespace, hook.Events = good.URL, good.Namespace, good.Events
		w.webhooks["w1"] = hook
	})
	at33 := []events.Guard{theWebhook("w1", 33)}
	everywhere := with(func(p *events.WebhookProperties) { p.Namespace = "/" })
	off := with(func(p *events.WebhookProperties) { p.Disabled = true })
	updated := func(u events.WebhookUpdated) []fact { return []fact{{"pay", "", u}} }
	until := time.Unix(2000, 0).UTC()
	third := "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32))
	rotated := governed(func(w *world) {
		hook := has.webhooks["w1"]
		hook.Secrets = []events.WebhookSecret{{Secret: other}, {Secret: goldenSecret, Until: until}}
		w.webhooks["w1"] = hook
	})
	letter := events.DeadLetter{Index: 61, Event: "01J", Type: "config.updated", Attempts: 9, Error: "no"}
	loud := letter
	loud.Error = strings.Repeat("é", 3000) + "\xff"
	quiet := letter
	quiet.Error = strings.Repeat("é", 2048)
	checkRulings(t, []ruling{
		{name: "a new one", in: has, command: create(good), guards: []events.Guard{theWebhook("w9", 0)}, facts: []fact{{"pay", "", events.WebhookCreated{ID: "w9", WebhookProperties: good, Secret: goldenSecret}}}},
		{name: "of everything", in: has, command: create(everywhere), guards: []events.Guard{theWebhook("w9", 0)}, facts: []fact{{"", "", events.WebhookCreated{ID: "w9", WebhookProperties: everywhere, Secret: goldenSecret}}}},
		{name: "an ID that is taken", in: has, command: events.CreateWebhook{ID: "w1", Properties: good, Secret: goldenSecret}, refused: events.ErrConflict, says: "w1 exists"},
		{name: "no URL", in: has, command: create(with(func(p *events.WebhookProperties) { p.URL = "" })), refused: events.ErrInvalid, says: "url is not an absolute"},
		{name: "another scheme", in: has, command: create(with(func(p *events.WebhookProperties) { p.URL = "file:///etc/passwd" })), refused: events.ErrInvalid, says: "url is not an absolute"},
		{name: "a URL with a password", in: has, command: create(with(func(p *events.WebhookProperties) { p.URL = "https://a:b@h/" })), refused: events.ErrInvalid, says: "url has a user or password"},
		{name: "a long URL", in: has, command: create(with(func(p *events.WebhookProperties) { p.URL = "https://h/" + strings.Repeat("x", 2048) })), refused: events.ErrInvalid, says: "url has 2058 bytes"},
		{name: "a bad namespace", in: has, command: create(with(func(p *events.WebhookProperties) { p.Namespace = "" })), refused: events.ErrInvalid, says: "namespace"},
		{name: "of no kinds", in: has, command: create(with(func(p *events.WebhookProperties) { p.Events = nil })), refused: events.ErrInvalid, says: "events lists 0 kinds"},
		{name: "of too many kinds", in: has, command: create(with(func(p *events.WebhookProperties) { p.Events = make([]string, 33) })), refused: events.ErrInvalid, says: "lists 33 kinds"},
		{name: "of an unknown kind", in: has, command: create(with(func(p *events.WebhookProperties) { p.Events = []string{"config", "conf"} })), refused: events.ErrInvalid, says: `events/1 "conf" is neither`},
		{name: "of webhooks themselves", in: has, command: create(with(func(p *events.WebhookProperties) { p.Events = []string{"webhook.created"} })), refused: events.ErrInvalid, says: "are not sent"},
		{name: "a bad description", in: has, command: create(with(func(p *events.WebhookProperties) { p.Description = "\x00" })), refused: events.ErrInvalid, says: "description"},
		{name: "a bad secret", in: has, command: events.CreateWebhook{ID: "w9", Properties: good, Secret: "whsec_AAAA"}, refused: events.ErrInvalid, says: "secret is not whsec_"},

		{name: "disabled", in: has, command: events.UpdateWebhook{ID: "w1", Properties: off, Reason: "failing"}, facts: updated(events.WebhookUpdated{ID: "w1", WebhookProperties: off, Reason: "failing"}), guards: at33},
		{name: "as it is", in: has, command: events.UpdateWebhook{ID: "w1", Properties: good}, guards: at33},
		{name: "elsewhere", in: has, command: events.UpdateWebhook{ID: "w1", Properties: everywhere}, refused: events.ErrInvalid, says: "namespace stays pay"},
		{name: "badly", in: has, command: events.UpdateWebhook{ID: "w1"}, refused: events.ErrInvalid, says: "url"},
		{name: "one that is not there", in: has, command: events.UpdateWebhook{ID: "w2", Properties: good}, refused: events.ErrNotFound, says: "w2"},

		{
			name: "another secret at once", in: has, command: events.RotateWebhook{ID: "w1", Secret: other, Until: time.Unix(1000, 0)}, guards: at33,
			facts: updated(events.WebhookUpdated{ID: "w1", WebhookProperties: good, Secrets: []events.WebhookSecret{{Secret: other}}}),
		},
		{
			name: "another secret beside the old one", in: has, command: events.RotateWebhook{ID: "w1", Secret: other, Until: until}, guards: at33,
			facts: updated(events.WebhookUpdated{ID: "w1", WebhookProperties: good, Secrets: []events.WebhookSecret{{Secret: other}, {Secret: goldenSecret, Until: until}}}),
		},
		{
			name: "a third secret beside both", in: rotated, command: events.RotateWebhook{ID: "w1", Secret: third, Until: until.Add(time.Hour)}, guards: at33,
			facts: updated(events.WebhookUpdated{ID: "w1", WebhookProperties: good, Secrets: []events.WebhookSecret{
				{Secret: third}, {Secret: other, Until: until.Add(time.Hour)}, {Secret: goldenSecret, Until: until},
			}}),
		},
		{
			name: "a third secret at once", in: rotated, command: events.RotateWebhook{ID: "w1", Secret: third}, guards: at33,
			facts: updated(events.WebhookUpdated{ID: "w1", WebhookProperties: good, Secrets: []events.WebhookSecret{{Secret: third}}}),
		},
		{name: "another secret that is bad", in: has, command: events.RotateWebhook{ID: "w1", Secret: "x"}, refused: events.ErrInvalid, says: "secret"},
		{name: "another secret for none", in: has, command: events.RotateWebhook{ID: "w2", Secret: other}, refused: events.ErrNotFound, says: "w2"},

		{name: "deleted", in: has, command: events.DeleteWebhook{ID: "w1"}, facts: []fact{{"pay", "", events.WebhookDeleted{ID: "w1"}}}, guards: at33},
		{name: "deleted and not there", in: has, command: events.DeleteWebhook{ID: "w2"}, refused: events.ErrNotFound},

		{name: "told further", in: has, command: events.AdvanceWebhook{ID: "w1", To: 99}, facts: []fact{{"pay", "", events.WebhookAdvanced{ID: "w1", Cursor: 99}}}, guards: at33},
		{name: "told as far", in: has, command: events.AdvanceWebhook{ID: "w1", To: 60}, guards: at33},
		{name: "told less", in: has, command: events.AdvanceWebhook{ID: "w1", To: 59}, guards: at33},
		{name: "told what is not there", in: has, command: events.AdvanceWebhook{ID: "w1", To: 100}, refused: events.ErrInvalid, says: "to is 100, and the newest event is 99"},
		{name: "told and not there", in: has, command: events.AdvanceWebhook{ID: "w2", To: 99}, refused: events.ErrNotFound},

		{name: "given up", in: has, command: events.GiveUpDelivery{ID: "w1", Letter: letter}, facts: []fact{{"pay", "", events.WebhookDeadLetter{ID: "w1", DeadLetter: letter}}}, guards: at33},
		{name: "given up with a long tale", in: has, command: events.GiveUpDelivery{ID: "w1", Letter: loud}, facts: []fact{{"pay", "", events.WebhookDeadLetter{ID: "w1", DeadLetter: quiet}}}, guards: at33},
		{name: "given up again", in: has, command: events.GiveUpDelivery{ID: "w1", Letter: events.DeadLetter{Index: 60}}, guards: at33},
		{name: "given up what is not there", in: has, command: events.GiveUpDelivery{ID: "w1", Letter: events.DeadLetter{Index: 100}}, refused: events.ErrInvalid, says: "100"},
	})
}

func TestSecretsOfWebhooks(t *testing.T) {
	encode := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, n)) }
	for secret, bytes := range map[string]int{
		encode(24): 24, encode(64): 64, encode(23): 0, encode(65): 0, "": 0, "whsec_": 0, encode(24)[6:]: 0, encode(24) + "!": 0,
	} {
		if key, err := events.WebhookKey(secret); len(key) != bytes || (err == nil) != (bytes > 0) {
			t.Errorf("%s: %d bytes, %v, want %d", secret, len(key), err, bytes)
		}
	}
}

func TestKindsAreMatchedByTheirFirstPart(t *testing.T) {
	for _, tt := range []struct {
		kind   events.Kind
		wanted string
		want   bool
	}{
		{"config.updated", "config", true},
		{"config.updated", "config.updated", true},
		{"config.updated", "config.", false},
		{"config.updated", "conf", false},
		{"config.updated", "", false},
		{"config.updated", "config.updated.x", false},
		{"key.created", "config", false},
	} {
		if got := tt.kind.Matches(tt.wanted); got != tt.want {
			t.Errorf("%s is wanted by %q: %v", tt.kind, tt.wanted, got)
		}
	}
}
