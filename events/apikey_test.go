package events_test

import (
	"reflect"
	"testing"
	"time"

	"confman/events"
)

func TestCreateAndRevokeKeys(t *testing.T) {
	grants := []events.Grant{{Namespace: "pay", Role: events.Editor}}
	key := events.CreateKey{ID: "k9", Name: "deploys", Principal: "ci", Grants: grants, Digest: "d", ExpiresAt: time.Unix(9, 0).UTC()}
	created := func(k events.CreateKey) []fact {
		return []fact{{"", "", events.KeyCreated{
			ID: k.ID, Name: k.Name, Principal: k.Principal, Grants: k.Grants, Digest: k.Digest, ExpiresAt: k.ExpiresAt,
		}}}
	}
	with := func(change func(*events.CreateKey)) events.CreateKey {
		k := key
		change(&k)
		return k
	}
	checkRulings(t, []ruling{
		{
			name: "a new key", command: key, guards: []events.Guard{theKey("k9", 0)},
			facts: created(key),
		},
		{
			name: "without a principal it acts by its name", command: with(func(k *events.CreateKey) { k.Principal = "" }),
			guards: []events.Guard{theKey("k9", 0)},
			facts:  created(with(func(k *events.CreateKey) { k.Principal = "deploys" })),
		},
		{name: "an ID that is taken", command: with(func(k *events.CreateKey) { k.ID = "k1" }), refused: events.ErrConflict, says: "k1"},
		{name: "an ID of a revoked key", command: with(func(k *events.CreateKey) { k.ID = "k2" }), refused: events.ErrConflict, says: "k2"},
		{name: "no name", command: with(func(k *events.CreateKey) { k.Name = "" }), refused: events.ErrInvalid, says: "name is empty"},
		{name: "a bad principal", command: with(func(k *events.CreateKey) { k.Principal = "a\nb" }), refused: events.ErrInvalid, says: "principal"},
		{name: "the principal of the cluster itself", command: with(func(k *events.CreateKey) { k.Principal = "system" }), refused: events.ErrInvalid, says: "principal system"},
		{name: "its name instead", command: with(func(k *events.CreateKey) { k.Name, k.Principal = "system", "" }), refused: events.ErrInvalid, says: "principal system"},
		{name: "no grants", command: with(func(k *events.CreateKey) { k.Grants = nil }), refused: events.ErrInvalid, says: "grants is empty"},
		{
			name: "revoked", command: events.RevokeKey{ID: "k1"}, guards: []events.Guard{theKey("k1", 2)},
			facts: []fact{{"", "", events.KeyRevoked{ID: "k1"}}},
		},
		{name: "revoked again changes nothing", command: events.RevokeKey{ID: "k2"}, guards: []events.Guard{theKey("k2", 11)}},
		{name: "an unknown key", command: events.RevokeKey{ID: "k3"}, refused: events.ErrNotFound, says: `"k3"`},
	})
}

func TestAKeyIsUsableUntilItExpiresOrIsRevoked(t *testing.T) {
	now := time.Unix(100, 0)
	for _, tt := range []struct {
		name string
		key  events.APIKey
		want bool
	}{
		{"it never was", events.APIKey{}, false},
		{"for ever", events.APIKey{Revision: 1}, true},
		{"expires later", events.APIKey{Revision: 1, ExpiresAt: now.Add(1)}, true},
		{"expires now", events.APIKey{Revision: 1, ExpiresAt: now}, false},
		{"revoked", events.APIKey{Revision: 1, RevokedAt: now.Add(time.Hour)}, false},
	} {
		if got := tt.key.Usable(now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestAClusterIsFormedOnce(t *testing.T) {
	first := events.CreateKey{ID: "k1", Name: "root", Grants: []events.Grant{{Namespace: "/", Role: events.Admin}}, Digest: "d"}
	members := []events.FoundingPeer{{ID: "n1", Address: "h:1"}}
	form := events.FormCluster{ID: "c2", Members: members, FirstKey: first}
	checkRulings(t, []ruling{{name: "again", command: form, refused: events.ErrConflict, says: "already formed as c1"}})

	stamp := testStamp()
	p, err := events.Rules{}.Decide(world{}, form, stamp)
	if err != nil {
		t.Fatal(err)
	}
	want := []fact{{"", "", events.ClusterFormed{ID: "c2", Members: members}}, {"", "", events.KeyCreated{
		ID: "k1", Name: "root", Principal: "root", Grants: first.Grants, Digest: "d",
	}}}
	if got := factsOf(t, p, stamp); !reflect.DeepEqual(got, want) {
		t.Errorf("facts %+v, want %+v", got, want)
	}
	guards := []events.Guard{{Subject: events.Subject{Noun: events.TheCluster}}, theKey("k1", 0)}
	if !reflect.DeepEqual(p.Guards, guards) {
		t.Errorf("guards %+v, want %+v", p.Guards, guards)
	}
	form.FirstKey.Grants = nil
	checkRefusal(t, "a first key without grants", decideIn(world{}, form), "grants is empty")
}
