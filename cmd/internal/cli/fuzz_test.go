package cli

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"testing"
	"time"

	"confman/api/wire"
	"confman/events"
)

// FuzzDelivered reads a webhook's request as somebody saved it, with a secret as
// somebody copied it: good is only what the secret signed.
func FuzzDelivered(f *testing.F) {
	key := []byte("0123456789abcdef0123456789abcdef")
	secret := "whsec_" + base64.StdEncoding.EncodeToString(key)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(`m1.1.{"a":1}`))
	good := "POST /x HTTP/1.1\r\nwebhook-id: m1\r\nwebhook-timestamp: 1\r\nwebhook-signature: v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)) + "\r\n\r\n" + `{"a":1}`
	for _, seed := range []string{
		good, good + "\n", good[:40], "\r\n\r\n", "webhook-id: m1\n\nbody", "webhook-id: a\nwebhook-timestamp: x\nwebhook-signature: v1,\n\n", ": \n", "\xff",
	} {
		f.Add([]byte(seed), secret)
	}
	f.Add([]byte(good), "whsec_")
	f.Fuzz(func(t *testing.T, request []byte, secret string) {
		given, err := webhookKey(secret)
		if err != nil {
			given = key
		}
		d, err := parseDelivered(request)
		if err != nil {
			return
		}
		if !bytes.HasSuffix(request, d.body) {
			t.Errorf("the body %q is not the end of %q", d.body, request)
		}
		mac := hmac.New(sha256.New, given)
		mac.Write([]byte(d.id + "." + d.timestamp + "."))
		mac.Write(d.body)
		if d.verify(given) == nil && !bytes.Contains([]byte(d.signature), []byte(base64.StdEncoding.EncodeToString(mac.Sum(nil)))) {
			t.Errorf("%q is good by %q", request, secret)
		}
	})
}

// FuzzKeyFiles reads files of keys for checkpoints, as people keep them.
func FuzzKeyFiles(f *testing.F) {
	_, private, public, err := newCheckpointKey()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{private, public, append(bytes.Clone(public), private...), []byte("-----BEGIN PRIVATE KEY-----\n\n-----END PRIVATE KEY-----\n"), nil, []byte("ed25519")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		if keys, err := CheckpointKeys(file); err == nil && len(keys) == 0 {
			t.Error("no key and no error")
		}
		if keys, err := trustedKeys(file); err == nil && len(keys) == 0 {
			t.Error("nobody to be trusted and no error")
		}
	})
}

// FuzzCheckpoints reads checkpoints that somebody kept: good is only what the key
// signed, however it is written.
func FuzzCheckpoints(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte("k"), ed25519.SeedSize)) // every worker of a fuzzer has to sign the same
	public, _ := key.Public().(ed25519.PublicKey)
	signed := events.Checkpoint{Cluster: "01JTEST", Index: 7, Chain: events.Chain{1, 2}, Time: time.Unix(1, 5).UTC(), KeyID: events.CheckpointKeyID(public)}
	one, err := json.Marshal(wire.Checkpoint{
		Cluster: signed.Cluster, Index: signed.Index, Chain: signed.Chain.String(), Time: signed.Time, KeyID: signed.KeyID,
		Signature: ed25519.Sign(key, signed.Signed()),
	})
	if err != nil {
		f.Fatal(err)
	}
	if kept, err := parseCheckpoints(one); err != nil || len(kept) != 1 || !kept[0].Verify(public) {
		f.Fatalf("its own: %+v, %v", kept, err)
	}
	for _, seed := range []string{string(one), "[" + string(one) + "," + string(one) + "]", "[]", "{", "[null]", "", string(bytes.Replace(one, []byte(":7,"), []byte(":8,"), 1))} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		kept, _ := parseCheckpoints(file)
		for _, c := range kept {
			if c.Verify(public) && !bytes.Equal(c.Signed(), signed.Signed()) {
				t.Errorf("%+v is good by a key that did not sign it", c)
			}
		}
	})
}
