package api

import (
	"iter"
	"strings"

	"confman/api/wire"
	"confman/events"
)

// listEntries answers GET …/config: the entries of exactly this namespace that
// the caller may read, by key. The mark of a page is its last key.
func (x *exchange) listEntries() error {
	resolve, err := x.flag(wire.ParamResolve)
	if err != nil {
		return err
	}
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	h, release, err := x.past()
	if err != nil {
		return err
	}
	defer release()
	after := func(namespace string) iter.Seq2[events.Entry, error] {
		mark := p.after
		if prefix := x.query.Get(wire.ParamPrefix); mark < prefix {
			mark = justBefore(prefix)
		}
		if h != nil {
			return h.EntriesAfter(namespace, mark)
		}
		return infallible(x.state.EntriesAfter(namespace, mark))
	}
	all := after(x.names.namespace)
	if resolve {
		at := presently(x.state)
		if h != nil {
			at = formerly(h)
		}
		line, err := at.line(x.names.namespace)
		if err != nil {
			return err
		}
		all = inherited(line, after)
	}
	return x.sendEntries(all, p, resolve)
}

// justBefore is a text that sorts before everything that begins with the
// prefix and after most that does not. Names are ASCII.
func justBefore(prefix string) string {
	last := len(prefix) - 1
	return prefix[:last] + string([]byte{prefix[last] - 1, 0x7f})
}

// sendEntries sends one page of entries that come in key order.
func (x *exchange) sendEntries(all iter.Seq2[events.Entry, error], p page, resolve bool) error {
	prefix := x.query.Get(wire.ParamPrefix)
	var page rows
	last, secrets := "", 0
	for e, err := range all {
		if err != nil {
			return err
		}
		if !strings.HasPrefix(e.Key, prefix) {
			if e.Key > prefix {
				break
			}
			continue
		}
		if !x.principal.Can(events.Viewer, e.Namespace, e.Key) {
			continue
		}
		if page.full(p.limit) {
			x.next(p, last)
			break
		}
		from := ""
		if resolve {
			from = e.Namespace
		}
		page.body = appendEntry(page.add(), &e, x.names.namespace, from)
		last, secrets = e.Key, secrets+secretRefs(&e)
	}
	x.readSecrets(secrets)
	return x.sendRows(page)
}

// line is a namespace and those above it whose values it inherited then,
// the nearest first.
func (m asOf) line(namespace string) (line []string, err error) {
	for ok := true; ok && err == nil; {
		line = append(line, namespace)
		namespace, ok, err = m.above(namespace)
	}
	return line, err
}

// inherited merges the entries of namespaces by key; the first that has a key
// answers for it.
func inherited(line []string, after func(namespace string) iter.Seq2[events.Entry, error]) iter.Seq2[events.Entry, error] {
	return func(yield func(events.Entry, error) bool) {
		var levels []*level
		for _, namespace := range line {
			next, stop := iter.Pull2(after(namespace))
			defer stop()
			l := &level{next: next}
			l.step()
			levels = append(levels, l)
		}
		for {
			var nearest *level
			for _, l := range levels {
				if l.ok && (nearest == nil || l.err != nil || l.entry.Key < nearest.entry.Key) {
					nearest = l
				}
			}
			if nearest == nil || !yield(nearest.entry, nearest.err) || nearest.err != nil {
				return
			}
			for key, i := nearest.entry.Key, 0; i < len(levels); i++ {
				if l := levels[i]; l.ok && l.entry.Key == key {
					l.step()
				}
			}
		}
	}
}

// level is one namespace of several that are merged.
type level struct {
	next  func() (events.Entry, error, bool)
	entry events.Entry
	err   error
	ok    bool
}

func (l *level) step() { l.entry, l.err, l.ok = l.next() }

func infallible[T any](all iter.Seq[T]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for v := range all {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// listAllEntries answers GET /api/v1/configs: every entry that the caller may
// read, by namespace, then key. The mark of a page is both of its last entry.
func (x *exchange) listAllEntries() error {
	p, err := x.page(maxRows)
	if err != nil {
		return err
	}
	h, release, err := x.past()
	if err != nil {
		return err
	}
	defer release()
	namespace, key, _ := strings.Cut(p.after, "\x00")
	all := infallible(x.state.AllEntries(namespace, key))
	if h != nil {
		all = h.AllEntries(namespace, key)
	}
	var page rows
	last, secrets := "", 0
	for e, err := range all {
		if err != nil {
			return err
		}
		if !x.principal.Can(events.Viewer, e.Namespace, e.Key) {
			continue
		}
		if page.full(p.limit) {
			x.next(p, last)
			break
		}
		page.body = appendBulk(page.add(), &e)
		last, secrets = e.Namespace+"\x00"+e.Key, secrets+secretRefs(&e)
	}
	x.readSecrets(secrets)
	return x.sendRows(page)
}
