package events_test

import (
	"strings"
	"testing"
	"time"

	"confman/events"
)

func TestDirectChangesWhereApprovalIsRequired(t *testing.T) {
	required := withSettings("pay", events.Settings{RequireApproval: new(true)})
	below := withEntry("pay/eu", "k", `1`, 30)
	freed := withSettings("pay/eu", events.Settings{RequireApproval: new(false)})
	del := events.DeleteEntry{Namespace: "pay", Key: "url"}
	checkVerdicts(t, []verdict{
		{
			name: "a new value", in: governed(required), command: put("pay", "url", `"b"`), refused: events.ErrApproval,
			says: "save url as a draft (PUT /api/v1/namespaces/pay/drafts/url)",
		},
		{name: "a conflict, too", in: governed(required), command: put("pay", "url", `"b"`), refused: events.ErrConflict},
		{name: "the value it has", in: governed(required), command: put("pay", "url", `"a"`)},
		{name: "a deletion", in: governed(required), command: del, refused: events.ErrApproval},
		{name: "a transaction", in: governed(required), command: events.Transact{Set: []events.PutEntry{put("web", "a", `1`), put("pay", "new", `1`)}}, refused: events.ErrApproval, says: "namespace pay"},
		{name: "a deletion in a transaction", in: governed(required), command: events.Transact{Delete: []events.DeleteEntry{del}}, refused: events.ErrApproval},
		{name: "the end of the namespace", in: governed(required), command: events.DeleteNamespace{Path: "pay"}, refused: events.ErrApproval},
		{name: "the end of an empty namespace", in: governed(required), command: events.DeleteNamespace{Path: "pay/eu"}},
		{name: "elsewhere", in: governed(required), command: put("web", "a", `1`)},
		{name: "below", in: governed(required, below), command: put("pay/eu", "k", `2`), refused: events.ErrApproval, says: "namespace pay/eu"},
		{name: "below, where it is not required", in: governed(required, freed), command: put("pay/eu", "k", `2`)},
		{name: "below, cut off", in: governed(required, withSettings("pay/eu", events.Settings{Inherit: new(false)})), command: put("pay/eu", "k", `2`)},
		{name: "a namespace's properties", in: governed(required), command: events.PutNamespace{Path: "pay", Description: new("x")}},
		{name: "a draft", in: governed(required), command: events.SaveDraft{Namespace: "pay", Key: "url", Content: content(`1`)}},
		{name: "a new namespace in which it is required from above", in: governed(withSettings("/", events.Settings{RequireApproval: new(true)})), command: put("new", "a", `1`), refused: events.ErrApproval},
	})
}

func TestDirectChangesWhileFrozen(t *testing.T) {
	hours := withSettings("pay", events.Settings{Windows: []events.Window{{From: "09:00", To: "17:00"}}})
	const says = "namespace pay is frozen until 1970-01-01T00:33:20Z: sale"
	checkVerdicts(t, []verdict{
		{name: "a value", in: governed(frozen("pay")), command: put("pay", "url", `"b"`), refused: events.ErrFrozen, says: says},
		{name: "after it", in: governed(frozen("pay")), command: put("pay", "url", `"b"`), at: time.Unix(2000, 0)},
		{name: "a deletion, frozen from above", in: governed(frozen("/")), command: events.DeleteEntry{Namespace: "pay", Key: "url"}, refused: events.ErrFrozen, says: says},
		{name: "cut off from above", in: governed(frozen("/"), withSettings("pay", events.Settings{Inherit: new(false)})), command: put("pay", "url", `"b"`), refused: events.ErrFrozen},
		{name: "a draft", in: governed(frozen("pay")), command: events.SaveDraft{Namespace: "pay", Key: "url", Content: content(`1`)}},
		{name: "elsewhere", in: governed(frozen("pay")), command: put("web", "url", `"b"`)},
		{
			name: "outside the windows", in: governed(hours), command: put("pay", "url", `"b"`), refused: events.ErrFrozen,
			says: "outside the change windows, the next opens at 1970-01-01T09:00:00Z",
		},
		{name: "inside the windows", in: governed(hours), command: put("pay", "url", `"b"`), at: time.Unix(10*3600, 0)},
	})
}

// pay holds two keys, url ("a") of 6 bytes and zone ("eu") of 8.
func TestQuotas(t *testing.T) {
	quota := func(ns string, keys, bytes int64) func(*world) {
		return withSettings(ns, events.Settings{Quota: &events.Quota{Keys: keys, Bytes: bytes}})
	}
	save := func(ns, key, raw string) events.SaveDraft {
		return events.SaveDraft{Namespace: ns, Key: key, Content: content(raw), Actor: "carol"}
	}
	del := func(key string) events.DeleteEntry { return events.DeleteEntry{Namespace: "pay", Key: key} }
	full, huge := quota("pay", 2, 0), `"`+strings.Repeat("x", 40)+`"`
	checkVerdicts(t, []verdict{
		{
			name: "a key too many", in: governed(full), command: put("pay", "new", `1`), refused: events.ErrQuota,
			says: "namespace pay and those below it hold 2 keys, 1 more are over its quota of 2 keys",
		},
		{name: "a conflict, too", in: governed(full), command: put("pay", "new", `1`), refused: events.ErrConflict},
		{name: "the last key", in: governed(quota("pay", 3, 0)), command: put("pay", "new", `1`)},
		{name: "no more keys", in: governed(full), command: put("pay", "url", huge)},
		{name: "a draft too many", in: governed(full), command: save("pay", "new", `1`), refused: events.ErrQuota},
		{name: "a draft of a key that is there", in: governed(full), command: save("pay", "url", `1`)},
		{name: "a key below", in: governed(full), command: put("pay/eu", "new", `1`), refused: events.ErrQuota, says: "namespace pay "},
		{name: "a key below, cut off", in: governed(full, withSettings("pay/eu", events.Settings{Inherit: new(false)})), command: put("pay/eu", "new", `1`), refused: events.ErrQuota},
		{name: "a key elsewhere", in: governed(full), command: put("web", "new", `1`)},
		{name: "a key elsewhere, where all together are too many", in: governed(quota("/", 2, 0)), command: put("web", "new", `1`), refused: events.ErrQuota, says: "namespace / "},
		{name: "in a new namespace", in: governed(quota("/", 2, 0)), command: put("brand/new", "k", `1`), refused: events.ErrQuota},
		{name: "drafts count", in: governed(quota("pay", 3, 0), withDraft("pay", "d", `1`, "ann", 40)), command: put("pay", "new", `1`), refused: events.ErrQuota, says: "hold 3 keys"},
		{name: "drafts of deletions do not", in: governed(quota("pay", 3, 0), withDraft("pay", "url", "", "ann", 40)), command: put("pay", "new", `1`)},
		{name: "a key of which there is a draft", in: governed(quota("pay", 3, 0), withDraft("pay", "d", `1`, "ann", 40)), command: put("pay", "d", `1`)},
		{name: "a deleted key makes room", in: governed(full), command: events.Transact{Set: []events.PutEntry{put("pay", "new", `1`)}, Delete: []events.DeleteEntry{del("zone")}}},
		{name: "but not for two", in: governed(full), command: events.Transact{
			Set: []events.PutEntry{put("pay", "n1", `1`), put("pay", "n2", `1`)}, Delete: []events.DeleteEntry{del("zone")},
		}, refused: events.ErrQuota, says: "1 more"},
		{name: "one deleted elsewhere makes none here", in: governed(full, withEntry("pay/eu", "k", `1`, 30), quota("pay/eu", 1, 0), quota("pay", 0, 0)), command: events.Transact{
			Set: []events.PutEntry{put("pay/eu", "new", `1`)}, Delete: []events.DeleteEntry{del("zone")},
		}, refused: events.ErrQuota, says: "namespace pay/eu"},
		{name: "a byte too many", in: governed(quota("pay", 0, 14)), command: put("pay", "url", `"bb"`), refused: events.ErrQuota, says: "hold 14 bytes, 1 more are over its quota of 14 bytes"},
		{name: "the last byte", in: governed(quota("pay", 0, 15)), command: put("pay", "url", `"bb"`)},
		{name: "over it, but shrinking", in: governed(quota("pay", 1, 5)), command: put("pay", "zone", `""`)},
		{name: "over it, but deleting", in: governed(quota("pay", 1, 5)), command: del("url")},
		{name: "over it, but discarding", in: governed(quota("pay", 1, 5), withDraft("pay", "d", `1`, "ann", 40)), command: events.DiscardDraft{Namespace: "pay", Key: "d"}},
		{name: "over it, but a draft of a deletion", in: governed(quota("pay", 1, 5)), command: events.SaveDraft{Namespace: "pay", Key: "url", Delete: true}},
		{name: "over it, and a draft more", in: governed(quota("pay", 1, 5)), command: save("pay", "url", `1`), refused: events.ErrQuota},
		{name: "a smaller draft in place of a larger", in: governed(quota("pay", 1, 5), withDraft("pay", "url", huge, "ann", 40)), command: save("pay", "url", `1`)},
		{
			name: "what is submitted counts when it is saved", in: governed(full), refused: events.ErrQuota,
			command: events.SubmitRequest{ID: "r1", Actor: "ann", Changes: []events.Submitted{{Namespace: "pay", Key: "n", Content: &events.Content{Value: []byte(`1`)}}}},
		},
		{
			name: "a draft that is submitted counted before", in: governed(full, withDraft("pay", "d", `1`, "ann", 40)),
			command: events.SubmitRequest{ID: "r1", Actor: "ann", Changes: []events.Submitted{{Namespace: "pay", Key: "d"}}},
		},
	})
}
