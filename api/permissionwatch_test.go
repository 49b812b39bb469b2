package api

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"confman/api/wire"
)

// Watches tell each person in the matrix exactly what is for them: from the start
// all that happened, and as a snapshot all that is.
func TestWatchesTellNobodyMoreOrLess(t *testing.T) {
	w := newWorld(t)
	listening := httptest.NewServer(w.server)
	t.Cleanup(listening.Close)
	// What a value was is told by the event that replaced it, too; who made a
	// webhook or an API key may see more of it than events tell.
	happened := func(s secret, p person) bool { return s.told(p) }
	is := of("", "value", "comment", "value comment")
	for _, p := range w.people {
		for _, q := range []struct {
			query, last string
			shows       func(secret, person) bool
			only        []string
		}{
			{"?after=start&events=all", `"namespace":"lobby","key":"end"`, happened, nil},
			{"?after=start&events=all&namespace=" + here + "&namespace=lobby", `"namespace":"lobby","key":"end"`, func(s secret, p person) bool {
				return s.kind != "key" && beneath(s.namespace, here) && s.told(p)
			}, nil},
			{"?after=snapshot", `"frame":"snapshot-end"`, is, []string{"value", "old", "draft", "proposed"}},
		} {
			if strings.Contains(q.query, here) && !visitorsWithin(here)(p) {
				continue
			}
			text := w.watched(listening.URL+watchPath+q.query, p, q.last)
			for i, wrong := range w.marks(probe{may: everybody, shows: q.shows, only: q.only}, p, text) {
				if i < 3 {
					t.Errorf("%s as %s: %s", q.query, p.name, wrong)
				}
			}
		}
	}
}

// watched is what a watch tells somebody up to a frame that has a text.
func (w *world) watched(url string, p person, last string) string {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	name, value, _ := strings.Cut(p.header, ": ")
	request.Header.Set(name, value)
	request.Header.Set("Accept", wire.MediaNDJSON)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	for lines := bufio.NewReader(answer.Body); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			w.t.Fatalf("%s as %s: %d %v after %s", url, p.name, answer.StatusCode, err, text.String())
		}
		text.WriteString(line)
		if strings.Contains(line, last) {
			return text.String()
		}
	}
}

// A refusal does not tell whether what it is about exists.
func TestRefusalsDoNotTellWhatExists(t *testing.T) {
	w := newWorld(t)
	at := slices.IndexFunc(w.people, func(p person) bool { return p.name == "key.admin@teams_ops" })
	key := w.people[at].header
	for _, test := range []struct{ method, there, nowhere, body string }{
		{"GET", under(here, "/config/db/live"), under(here, "/config/db/none"), ""},
		{"GET", under(here, "/history/db/live"), under(here, "/history/db/none"), ""},
		{"GET", under(here, "/drafts/db/idea"), under(here, "/drafts/db/none"), ""},
		{"GET", under(here, ""), under("teams/none", ""), ""},
		{"GET", requestsPath + "/" + w.ids["open "+here], requestsPath + "/01JNONE", ""},
		{"POST", requestsPath + "/" + w.ids["open "+here] + "/approve", requestsPath + "/01JNONE/approve", `{}`},
		{"GET", webhooksPath + "/" + w.ids["hook "+here], webhooksPath + "/01JNONE", ""},
		{"PUT", under(here, "/config/db/live"), under(here, "/config/db/none"), `{"value":1}`},
	} {
		var body any
		if test.body != "" {
			body = test.body
		}
		there, nowhere := w.do(test.method, test.there, body, key), w.do(test.method, test.nowhere, body, key)
		same := func(r reply, path string) string {
			p := decodeAs[wire.Problem](r)
			for _, name := range []string{path, strings.TrimPrefix(path, namespacesPath), path[strings.LastIndexByte(path, '/')+1:], w.ids["open "+here], "01JNONE", "teams/pay", "teams/none", "live", "idea", "none"} {
				p.Detail = strings.ReplaceAll(p.Detail, name, "NAME")
			}
			return p.Type + p.Detail
		}
		if there.status != nowhere.status || same(there, test.there) != same(nowhere, test.nowhere) {
			t.Errorf("%s tells %d %s, %s tells %d %s", there.what, there.status, there.body, nowhere.what, nowhere.status, nowhere.body)
		}
	}
}
