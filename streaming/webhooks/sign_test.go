package webhooks

import (
	"strings"
	"testing"
	"time"

	"confman/events"
)

// The vector that the Standard Webhooks libraries share.
func TestSignaturesAreThoseOfTheSpecification(t *testing.T) {
	got, err := sign([]events.WebhookSecret{{Secret: secret}}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want || err != nil {
		t.Errorf("signed %q, %v, want %q", got, err, want)
	}
}

func TestEveryLiveSecretSigns(t *testing.T) {
	now := time.Unix(1614265330, 0)
	one := func(secret string) string {
		s, err := signature(secret, "id", now, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := []struct {
		name    string
		secrets []events.WebhookSecret
		want    string // empty: an error
	}{
		{"one", []events.WebhookSecret{{Secret: secret}}, one(secret)},
		{"while one takes over", []events.WebhookSecret{{Secret: secret}, {Secret: otherSecret, Until: now.Add(time.Second)}}, one(secret) + " " + one(otherSecret)},
		{"when it has", []events.WebhookSecret{{Secret: secret}, {Secret: otherSecret, Until: now}}, one(secret)},
		{"none", nil, ""},
		{"none is live", []events.WebhookSecret{{Secret: secret, Until: now.Add(-time.Hour)}}, ""},
		{"no prefix", []events.WebhookSecret{{Secret: strings.TrimPrefix(secret, "whsec_")}}, ""},
		{"not base64", []events.WebhookSecret{{Secret: "whsec_*SECRET*"}}, ""},
		{"no key", []events.WebhookSecret{{Secret: "whsec_"}}, ""},
	}
	for _, tt := range tests {
		got, err := sign(tt.secrets, "id", now, []byte("{}"))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: signed %q, %v, want %q", tt.name, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v tells the secret", tt.name, err)
		}
	}
}
