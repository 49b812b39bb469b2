package disk

import "testing"

// A lean store merges as much at once as another, in shorter tables of one length.
func TestALeanStoreHasSmallTablesAndMergesNoLess(t *testing.T) {
	usual, lean := Config{Dir: "d"}, Config{Dir: "d", Lean: true}
	for _, c := range []*Config{&usual, &lean} {
		if err := c.validate(); err != nil {
			t.Fatal(err)
		}
	}
	u, l := badgerOptions("d", usual), badgerOptions("d", lean)
	if l.MemTableSize*2 != u.MemTableSize || l.TableSizeMultiplier != 1 {
		t.Errorf("memtables of %d bytes, usually %d; tables grow by %d a level", l.MemTableSize, u.MemTableSize, l.TableSizeMultiplier)
	}
	for what, n := range map[string][2]int{
		"merged at":  {l.NumLevelZeroTables, u.NumLevelZeroTables},
		"stopped at": {l.NumLevelZeroTablesStall, u.NumLevelZeroTablesStall},
	} {
		if int64(n[0])*l.MemTableSize != int64(n[1])*u.MemTableSize {
			t.Errorf("%s %d tables, usually %d", what, n[0], n[1])
		}
	}
}
