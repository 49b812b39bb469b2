package streaming

import "sync"

// A block of the log is up to blockRecords records that begin at a multiple of
// it. Readers that come by within a short time share it. blockBytes bounds what
// is read at once.
const (
	blockRecords = 64
	blockBytes   = 1 << 20
	blocksBytes  = 8 << 20 // of all blocks that are kept
)

// logBlocks keeps the blocks that were read last. The zero value is ready to use.
type logBlocks struct {
	mu     sync.Mutex // guards the fields below
	blocks map[uint64]*block
	order  []uint64 // oldest first
	size   int
}

// block is read by the first who wants it.
type block struct {
	once  sync.Once
	items []*item
	err   error
}

func (l *logBlocks) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocks, l.order, l.size = nil, nil, 0
}

// after is at least one item that follows an index, in order and without a gap;
// none only when the source has none.
func (l *logBlocks) after(s Source, index uint64) ([]*item, error) {
	start := index - index%blockRecords
	if start < s.Edge().Index || start+blockRecords > s.Position().Index {
		return read(s, index) // not a whole block
	}
	b := l.at(start)
	b.once.Do(func() {
		b.items, b.err = read(s, start)
		l.keep(start, b)
	})
	if skip := int(index - start); b.err == nil && skip < len(b.items) {
		return b.items[skip:], nil
	}
	return read(s, index)
}

func (l *logBlocks) at(start uint64) *block {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.blocks[start]
	if b == nil {
		if l.blocks == nil {
			l.blocks = map[uint64]*block{}
		}
		b = &block{}
		l.blocks[start] = b
	}
	return b
}

// keep makes a block that was just read the newest, and forgets the oldest ones.
func (l *logBlocks) keep(start uint64, b *block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.blocks[start] != b {
		return // forgotten meanwhile
	}
	if b.err != nil {
		delete(l.blocks, start)
		return
	}
	l.order = append(l.order, start)
	l.size += b.size()
	for l.size > blocksBytes && len(l.order) > 1 {
		oldest := l.order[0]
		l.order = l.order[1:]
		l.size -= l.blocks[oldest].size()
		delete(l.blocks, oldest)
	}
}

func (b *block) size() (n int) {
	for _, i := range b.items {
		n += i.size()
	}
	return n
}

// read reads items from the log up to the end of a block or blockBytes.
func read(s Source, index uint64) ([]*item, error) {
	var items []*item
	most := blockRecords - int(index%blockRecords)
	bytes := 0
	for r, err := range s.Records(index) {
		if err != nil {
			return nil, err
		}
		i, err := newItem(r)
		if err != nil {
			return nil, err
		}
		i.detach()
		items = append(items, i)
		if bytes += len(r.Body); len(items) == most || bytes >= blockBytes {
			break
		}
	}
	return items, nil
}

// detach gives the item a copy of what may be valid only while it is read.
func (i *item) detach() {
	i.record.Body = append([]byte(nil), i.record.Body...)
	i.record = i.record.WithEvent(i.event)
}
