package dashboard

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"testing"

	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// What the time slider shows is what the API says of that event: keys, values and
// versions, at random places of a history.
func TestTheSliderEqualsTheAPI(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t, 1)
	for i := range 60 {
		key := fmt.Sprintf("key-%d", rng.IntN(12))
		if i > 20 && rng.IntN(5) == 0 {
			status, _ := w.try(w.first(), "ann", http.MethodDelete, "/api/v1/namespaces/past/config/"+key, nil)
			if status != http.StatusNoContent && status != http.StatusNotFound {
				t.Fatalf("delete %s: %d", key, status)
			}
			continue
		}
		w.set("ann", "past", key, fmt.Sprintf("value %d", i))
	}
	events := decode[[]wire.AuditEvent](t, w.do("admin", http.MethodGet, "/api/v1/namespaces/past/audit?limit=1000", nil))
	p := w.signIn("dave", w.first(), "/ui/ns/past/time")
	for range 12 {
		at := events[rng.IntN(len(events)-1)].Index
		p.open(fmt.Sprintf("/ui/ns/past/time?at=%d", at))
		var want []wire.ConfigEntry
		if status, text := w.try(w.first(), "admin", http.MethodGet, fmt.Sprintf("/api/v1/namespaces/past/config?at=%d", at), nil); status == http.StatusOK {
			want = decode[[]wire.ConfigEntry](t, text)
		}
		wanted := ""
		for _, e := range want {
			wanted += fmt.Sprintf("%s=%s v%d\n", e.Key, decode[string](t, string(e.Value)), e.Version)
		}
		p.Await(fmt.Sprintf("shows event %d", at), fmt.Sprintf(`[...document.querySelectorAll('main h2')].some((h) => h.textContent === 'As of event %d') && document.querySelector('main [aria-busy=true]') === null`, at))
		got := browser.Eval[string](p.Page, `[...document.querySelectorAll('main .asof .line')].filter((row) => row.querySelector('.asof-version'))
			.map((row) => row.querySelector('.asof-key').textContent + '=' + row.querySelector('.value').textContent + ' ' + row.querySelector('.asof-version').textContent + '\n').join('')`)
		if got != wanted {
			t.Errorf("at event %d the slider shows\n%s\nthe API says\n%s", at, got, wanted)
		}
	}
}
