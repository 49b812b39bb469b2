package streaming

import (
	"slices"
	"strings"
	"testing"
	"time"

	"confman/events"
)

func TestASnapshotComesBeforeWhatFollowsIt(t *testing.T) {
	for _, encoding := range []string{SSE, NDJSON, WebSocket} {
		w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
		w.h.commit(put("a", "k1", "old"), put("a", "k2", "x"), put("a/b", "k1", "y"), put("b", "k1", "z"))
		w.h.commit(put("a", "k1", "new"))
		w.h.commit(remove("a", "k2"))
		c := follow(t, w, "namespace=a&after=snapshot&encoding="+encoding)
		if f := c.want(frameSnapshot); index(t, f.Position) != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		first, second := c.want(frameEntry), c.want(frameEntry)
		if first.Entry.Namespace != "a" || string(first.Entry.Value) != `"new"` || second.Entry.Namespace != "a/b" {
			t.Errorf("%s: entries %+v, %+v", encoding, first.Entry, second.Entry)
		}
		if f := c.want(frameSnapshotEnd); f.Entries != 2 || index(t, f.Position) != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		w.h.commit(put("b", "k", "not this"))
		w.h.commit(put("a/b", "k9", "live"))
		if f := c.want(frameEvent); f.Event.Index != 8 || f.Prev != 6 {
			t.Errorf("%s: %+v", encoding, f)
		}
		c.stop()
	}
}

func TestPositionsAreJudgedBeforeTheStream(t *testing.T) {
	h := newHistory(t, HubConfig{Records: 4})
	for range 20 {
		h.commit(put("a", "k", "x"))
	}
	h.trim(10)
	good := h.all()[11].Position()
	for _, test := range []struct {
		after string
		want  error
	}{
		{"8", events.ErrCompacted},
		{"0", events.ErrCompacted},
		{"9", nil},
		{h.all()[8].Position().String(), nil},
		{"10", nil},
		{"20", nil},
		{good.String(), nil},
		{"12-00000000", events.ErrForeign},
		{"21", events.ErrBehind},
		{"999999999999", events.ErrBehind},
		{"start", nil},
		{"now", nil},
		{"", nil},
		{"snapshot", nil},
	} {
		s := newStreams(t, h, Limits{})
		c, err := s.Connect(Caller{Principal: "alice", Rights: &caller{}}, NDJSON)
		if err != nil {
			t.Fatal(err)
		}
		from, err := ParseStart(test.after)
		if err != nil {
			t.Fatal(err)
		}
		err = c.Watch(t.Context(), Subscription{Start: from, Wait: time.Millisecond})
		if test.want == nil && err != nil || test.want != nil && !isError(err, test.want) {
			t.Errorf("after %q: %v, want %v", test.after, err, test.want)
		}
		c.Close()
		if !h0(s) {
			t.Errorf("after %q: slots are left", test.after)
		}
	}
	for _, bad := range []string{"-1", "1-", "01", "x", "1-XYZ", "1-9F3C2A1B", "18446744073709551616", " 1", "snapshot "} {
		if from, err := ParseStart(bad); err == nil {
			t.Errorf("%q is read as %+v", bad, from)
		}
	}
}

func TestAFuturePositionIsWaitedFor(t *testing.T) {
	w, _ := newWorld(t, HubConfig{}, Limits{}, &caller{})
	w.h.commit(put("a", "k", "1"))
	c := follow(t, w, "after=3&encoding=sse")
	for range 3 {
		w.h.commit(put("a", "k", "x"))
	}
	c.want(frameResumed)
	if f := c.want(frameEvent); f.Event.Index != 4 || f.Prev != 3 {
		t.Errorf("%+v", f)
	}
}

func TestFiltersAreChecked(t *testing.T) {
	for _, f := range []Filter{
		{},
		{Namespaces: []string{"/"}},
		{Namespaces: []string{"a", "a/b"}, Key: "x/y"},
		{Prefix: "x/"},
		{Events: "all"},
		{Events: "config"},
		{Events: "config.updated,namespace"},
		{Events: "key.revoked"},
	} {
		if err := f.Check(); err != nil {
			t.Errorf("%+v: %v", f, err)
		}
	}
	for _, f := range []Filter{
		{Namespaces: []string{""}},
		{Namespaces: []string{"a//b"}},
		{Namespaces: slices.Repeat([]string{"a"}, MaxNamespaces+1)},
		{Key: "a/../b"},
		{Key: "a", Prefix: "b"},
		{Prefix: strings.Repeat("x", 513)},
		{Events: "conf"},
		{Events: "config,"},
		{Events: "config.exploded"},
		{Events: strings.Repeat("config,", 40) + "config"},
	} {
		if err := f.Check(); !isError(err, events.ErrInvalid) {
			t.Errorf("%+v: %v", f, err)
		}
	}
}
