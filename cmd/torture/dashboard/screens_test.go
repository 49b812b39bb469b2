package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/browser"
)

// shots names the directory that screenshots are written to; where it is not set
// there are none.
const shots = "CONFMAN_SCREENSHOTS"

func axe(t *testing.T) string {
	t.Helper()
	source, err := os.ReadFile("../../../api/dashboard/testdata/axe.min.js")
	if err != nil {
		t.Fatal(err)
	}
	return string(source)
}

// show opens a screen and waits until it is what it is to be.
func (p *person) show(s screen) {
	p.world.t.Helper()
	p.open(s.path)
	p.Await(s.name+" is at its address", "location.pathname + location.search === "+quoted(s.path))
	p.Await(s.name+" shows", s.ready)
	p.Await(s.name+" has loaded", `[...document.querySelectorAll('main .loading, main [aria-busy=true]')].every((l) => l.textContent.startsWith('Older'))`)
	if s.then != nil {
		s.then(p)
	}
}

// Every screen is free of what axe-core calls a violation, light and dark, and no
// hostile value in it does anything.
func TestNoScreenHasAViolation(t *testing.T) {
	w := newWorld(t, 1)
	f := w.furnish()
	source := axe(t)
	p := w.signIn("admin", w.first(), "/ui/overview")
	for _, s := range f.screens() {
		p.Prefer("light")
		p.show(s)
		for _, v := range p.Axe(source) {
			t.Errorf("%s, light: %v", s.name, v)
		}
		p.Prefer("dark")
		for _, v := range p.Axe(source, "color-contrast") {
			t.Errorf("%s, dark: %v", s.name, v)
		}
		if browser.Eval[bool](p.Page, "document.querySelector('main .note.bad') !== null") {
			t.Errorf("%s shows a failure: %s", s.name, browser.Eval[string](p.Page, "document.querySelector('main .note.bad').innerText"))
		}
	}
}

// Screenshots of every screen are made on demand (task dashboard:screenshots), of a
// cluster that has been at work for two minutes.
func TestScreenshots(t *testing.T) {
	dir := os.Getenv(shots)
	if dir == "" {
		t.Skip(shots + " names no directory")
	}
	w := newWorld(t, 3)
	f := w.furnish()
	ctx, stop := context.WithCancel(t.Context())
	var working sync.WaitGroup
	defer working.Wait()
	defer stop()
	w.work(ctx, &working)
	p := w.signIn("admin", w.first(), "/ui/overview")
	p.isLive()
	for _, wanted := range []int{4, 8, 12} { // of which each comes after ten seconds
		await(t, "figures of two minutes", func() error {
			figures := decode[wire.Figures](t, w.ask(w.first(), "admin", http.MethodGet, "/api/v1/cluster/figures", nil))
			if n := len(figures.Nodes[0].Samples); n < wanted {
				return fmt.Errorf("%d samples", n)
			}
			return nil
		})
	}
	for _, view := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1360, 900}, {"dark", "dark", 1360, 900}, {"narrow", "light", 400, 860}} {
		p.View(view.width, view.height)
		p.Prefer(view.scheme)
		for _, s := range f.screens() {
			p.show(s)
			p.still()
			p.Shoot(filepath.Join(dir, s.name+"-"+view.name+".webp"))
		}
	}
}

// work has services watch and one of them write, until the context ends.
func (w *world) work(ctx context.Context, working *sync.WaitGroup) {
	w.t.Helper()
	for i, service := range []string{"checkout", "storefront", "search-1", "search-2", "billing", "mailer", "reports"} {
		w.keys[service] = w.key(service, "viewer").Key
		sdk, err := w.lab.SDK(w.keys[service], w.lab.Nodes()[i%len(w.lab.Nodes())])
		w.must(err)
		namespace := []string{"shop", "teams"}[i%2]
		working.Go(func() {
			request := client.WatchRequest{}
			request.Namespaces = []string{namespace}
			for range sdk.Watch(ctx, request) { //nolint:revive // it only receives
			}
		})
	}
	writer := w.sdk("carol")
	working.Go(func() {
		tick := time.NewTicker(70 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				key := fmt.Sprintf("shard/%02d/host", i%30)
				_, _ = writer.Put(ctx, "teams/search", key, wire.PutConfig{Value: json.RawMessage(fmt.Sprintf(`"search-%02d-%d.internal:9200"`, i%30, i))}, client.Write{})
			}
		}
	})
}

// still waits until the page has drawn what it shows.
func (p *person) still() {
	browser.Eval[bool](p.Page, `new Promise((resolve) => {
		let timer = setTimeout(() => resolve(true), 350);
		new MutationObserver(() => { clearTimeout(timer); timer = setTimeout(() => resolve(true), 350); }).observe(document.querySelector('main'), {subtree: true, childList: true});
		setTimeout(() => resolve(true), 4000);
	})`)
}
