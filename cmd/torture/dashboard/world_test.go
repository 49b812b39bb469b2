package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/browser"
	"confman/cmd/torture/lab"
)

// patience is how long something may take on a busy machine.
const patience = 60 * time.Second

// world is a cluster and the people who look at it.
type world struct {
	t        *testing.T
	lab      *lab.Lab
	chromium *browser.Browser
	keys     map[string]string // API keys by principal
}

// newWorld forms a cluster of so many nodes and makes keys for ann (editor), bob
// and carol (publishers) and dave (viewer).
func newWorld(t *testing.T, nodes int, args ...string) *world {
	t.Helper()
	w := lay(t, browser.Open(t), nodes, args...)
	w.form()
	return w
}

// lay makes the places of a cluster's nodes; none runs yet.
func lay(t *testing.T, chromium *browser.Browser, nodes int, args ...string) *world {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l, err := lab.New(t.Context(), lab.Config{
		Dir: t.TempDir(), Binary: binary, Nodes: nodes, Env: []string{asNode + "=1"},
		Args: append([]string{"--election-timeout", "500ms"}, args...),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{t: t, lab: l, chromium: chromium, keys: map[string]string{"admin": l.Key()}}
}

// form starts the nodes and makes the keys of the people.
func (w *world) form() {
	w.t.Helper()
	w.must(w.lab.Form(w.patient()))
	for name, role := range map[string]string{"ann": "editor", "bob": "publisher", "carol": "publisher", "dave": "viewer"} {
		w.keys[name] = w.key(name, role).Key
	}
}

// patient is a context for one step of a test.
func (w *world) patient() context.Context {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	w.t.Cleanup(cancel)
	return ctx
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// key makes an API key with a role on everything.
func (w *world) key(name, role string) wire.APIKey {
	w.t.Helper()
	made, err := w.sdk("admin").CreateKey(w.patient(), wire.NewKey{Name: name + "-laptop", Principal: name, Grants: []wire.Grant{{Namespace: "/", Role: role}}}, client.Write{})
	w.must(err)
	return made
}

// sdk is a client in somebody's name.
func (w *world) sdk(who string) *client.Client {
	w.t.Helper()
	c, err := w.lab.SDK(w.keys[who])
	w.must(err)
	return c
}

// set writes a value in somebody's name and returns what came of it.
func (w *world) set(who, namespace, key string, value any) {
	w.t.Helper()
	w.do(who, http.MethodPut, "/api/v1/namespaces/"+namespace+"/config/"+key, map[string]any{"value": value})
}

// do sends a request to the leader in somebody's name; it must succeed.
func (w *world) do(who, method, path string, body any) string {
	w.t.Helper()
	leader, err := w.lab.Leader(w.patient())
	w.must(err)
	return w.ask(leader, who, method, path, body)
}

// ask sends a request to a node in somebody's name; it must succeed.
func (w *world) ask(n *lab.Node, who, method, path string, body any) string {
	w.t.Helper()
	status, text := w.try(n, who, method, path, body)
	if status >= http.StatusMultipleChoices {
		w.t.Fatalf("%s %s as %s: %d: %.400s", method, path, who, status, text)
	}
	return text
}

// try sends a request to a node in somebody's name.
func (w *world) try(n *lab.Node, who, method, path string, body any) (int, string) {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.patient(), method, "http://"+n.Address+path, strings.NewReader(encode(w.t, body)))
	w.must(err)
	request.Header.Set("X-Api-Key", w.keys[who])
	request.Header.Set("Content-Type", "application/json")
	answer, err := w.lab.HTTP().Do(request)
	w.must(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	w.must(err)
	return answer.StatusCode, string(text)
}

// url is an address of the dashboard at a node.
func url(n *lab.Node, path string) string { return "http://" + n.Address + path }

// first is the first node.
func (w *world) first() *lab.Node { return w.lab.Nodes()[0] }

// person is somebody at a browser, signed in.
type person struct {
	*browser.Page
	world *world
	name  string
	node  *lab.Node
}

// noise is what a browser itself says on the console when a node is down or
// refuses: not errors of the page.
func noise() []string {
	return []string{"net::ERR_", "WebSocket connection to", "status of 503", "status of 504"}
}

// overtaken is what a browser says when a page has read that a request is open, and
// somebody has ended it before the page asks for its impact.
const overtaken = `status of 409 .*/publish-requests/\w+/impact$`

// signIn opens a browser of somebody's own at a page of a node, and signs in
// there. What a browser says of tolerated failures does not fail the test.
func (w *world) signIn(who string, n *lab.Node, path string, tolerated ...string) *person {
	w.t.Helper()
	p := &person{w.chromium.Person().Strict(url(n, path), append(tolerated, overtaken)...), w, who, n}
	p.Fill("API key", w.keys[who])
	p.Click("button", "Sign in")
	p.Await("is signed in", `document.querySelector('.frame') !== null`)
	return p
}

// open goes to another page as a link would.
func (p *person) open(path string) {
	p.world.t.Helper()
	browser.Eval[bool](p.Page, fmt.Sprintf(`(() => {
		const a = Object.assign(document.createElement('a'), {href: %q});
		document.body.append(a); a.click(); a.remove(); return true;
	})()`, path))
}

// isLive waits until the page's stream is open.
func (p *person) isLive() {
	p.world.t.Helper()
	p.Await("is live", `document.getElementById('stream-state')?.textContent === 'live'`)
}

// await returns when the condition holds; the last error says why it did not.
func await(t *testing.T, what string, condition func() error) {
	t.Helper()
	err := lab.Await(t.Context(), what, condition)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
