package projections

import (
	"iter"
	"slices"
)

// list goes through indexes of records in one direction.
type list interface {
	// seek returns the first index from i on, or ok false when there is none. i
	// never goes back.
	seek(i uint64) (index uint64, ok bool, err error)
	close()
}

// walk is what the lists of one selection share.
type walk struct {
	src    Source
	up     bool
	effort *effort
}

// effort counts the rows that may still be read.
type effort struct {
	left    int
	limited bool
	from    uint64 // where the walk began: it never ends there, or nobody would get on
}

// spent reports whether the walk is to end before it looks for i.
func (e *effort) spent(i uint64) bool { return e.limited && e.left <= 0 && i != e.from }

// passed reports whether an index lies before i in the direction of the walk.
func (w walk) passed(index, i uint64) bool { return index != i && (index < i) == w.up }

// common lists what is in all of the lists.
type common struct {
	lists  []list
	effort *effort
}

// seek leaps from list to list until they agree.
func (c *common) seek(i uint64) (uint64, bool, error) {
	for n, agreed := 0, 0; agreed < len(c.lists); n++ {
		if c.effort.spent(i) {
			return 0, false, &Unfinished{i}
		}
		at, ok, err := c.lists[n%len(c.lists)].seek(i)
		if err != nil || !ok {
			return 0, false, err
		}
		if agreed++; at != i {
			i, agreed = at, 1
		}
	}
	return i, true, nil
}

func (c *common) close() { closeAll(c.lists) }

// union lists what is in any of the lists.
type union struct {
	walk
	lists []list
}

func (w walk) union(lists ...list) list { return &union{w, lists} }

func (u *union) seek(i uint64) (nearest uint64, found bool, err error) {
	for _, l := range u.lists {
		at, ok, err := l.seek(i)
		if err != nil {
			return 0, false, err
		}
		if ok && (!found || u.passed(at, nearest)) {
			nearest, found = at, true
		}
	}
	return nearest, found, nil
}

func (u *union) close() { closeAll(u.lists) }

func closeAll(lists []list) {
	for _, l := range lists {
		l.close()
	}
}

// posting lists the records under one name of an index.
type posting struct {
	walk
	prefix []byte
	rows   pull
	row    []uint64 // listed by the row that it stands at, rising
	near   []uint64 // those of them that are not passed
}

// posting opens nothing before it is asked.
func (w walk) posting(view byte, name string) list {
	return &posting{walk: w, prefix: postingPrefix(view, name)}
}

// maxSteps is how many rows are passed before it is cheaper to look the place up.
const maxSteps = 16

func (p *posting) seek(i uint64) (uint64, bool, error) {
	for step := 0; ; step++ {
		if at, ok := p.nearest(i); ok {
			return at, true, nil
		}
		if !p.rows.open() || step == maxSteps {
			if err := p.look(i); err != nil {
				return 0, false, err
			}
		}
		row, ok, err := p.rows.next()
		if err != nil || !ok {
			return 0, false, err
		}
		p.effort.left--
		if len(row.Key) == len(p.prefix)+8 { // else it is another name's, with a zero byte in it
			p.row = appendPosting(p.row[:0], row)
			p.near = p.row
		}
	}
}

// nearest drops what lies before i and returns the first that is left.
func (p *posting) nearest(i uint64) (uint64, bool) {
	for len(p.near) > 0 {
		first, others := p.near[0], p.near[1:]
		if !p.up {
			first, others = p.near[len(p.near)-1], p.near[:len(p.near)-1]
		}
		if !p.passed(first, i) {
			return first, true
		}
		p.near = others
	}
	return 0, false
}

// look goes to the row that i is in or, when it is in none, to the next.
func (p *posting) look(i uint64) error {
	from := postingKey(p.prefix, i)
	if !p.up {
		p.rows.begin(p.src.Reverse(p.prefix, from))
		return nil
	}
	for row, err := range p.src.Reverse(p.prefix, from) { // a row bears its first index
		if err != nil {
			return err
		}
		from = row.Key
		break
	}
	p.rows.begin(p.src.Scan(p.prefix, from))
	return nil
}

func (p *posting) close() { p.rows.end() }

// versions lists the events that made the versions of a row, which are read from
// the newest on.
type versions struct {
	walk
	key           []byte
	after, before uint64
	rows          pull
	rising        []uint64 // upwards: all of them between the bounds that are not passed
	last          uint64   // downwards: where it stands
}

func (w walk) versions(key []byte, q Query) list {
	return &versions{walk: w, key: key, after: q.After, before: q.Before}
}

func (v *versions) seek(i uint64) (uint64, bool, error) {
	if v.up {
		return v.seekUp(i)
	}
	if !v.rows.open() {
		v.rows.begin(v.src.Versions(v.key))
		v.last = v.before
	}
	for v.last > i {
		if v.effort.spent(i) {
			return 0, false, &Unfinished{i}
		}
		row, ok, err := v.rows.next()
		if err != nil || !ok || row.Index <= v.after {
			v.last = 0
			return 0, false, err
		}
		v.effort.left--
		v.last = row.Index
	}
	return v.last, v.last > v.after, nil
}

func (v *versions) seekUp(i uint64) (uint64, bool, error) {
	if !v.rows.open() {
		v.rows.begin(v.src.Versions(v.key))
		for {
			row, ok, err := v.rows.next()
			if err != nil {
				return 0, false, err
			}
			if !ok || row.Index <= v.after {
				break
			}
			if row.Index < v.before {
				v.rising = append(v.rising, row.Index)
			}
		}
		slices.Reverse(v.rising)
	}
	for len(v.rising) > 0 && v.rising[0] < i {
		v.rising = v.rising[1:]
	}
	if len(v.rising) == 0 {
		return 0, false, nil
	}
	return v.rising[0], true, nil
}

func (v *versions) close() { v.rows.end() }

// pull takes rows one at a time.
type pull struct {
	take func() (Row, error, bool)
	stop func()
}

func (p *pull) open() bool { return p.take != nil }

// begin goes on with other rows.
func (p *pull) begin(rows iter.Seq2[Row, error]) {
	p.end()
	p.take, p.stop = iter.Pull2(rows)
}

func (p *pull) next() (row Row, ok bool, err error) {
	row, err, ok = p.take()
	return row, ok && err == nil, err
}

func (p *pull) end() {
	if p.stop != nil {
		p.stop()
	}
}
