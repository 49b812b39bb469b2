package disk

// What Badger needs while much is written are the buffers in which tables are made:
// up to a dozen for each merge, and eight more that it keeps, all of the length of
// the longest table ever made in one. Tables are as long as a memtable on level 0,
// and elsewhere twice as long on each level that the store grows. A lean store has
// small memtables, and tables of one length on all levels. Level 0 is merged when it
// holds as much as elsewhere, for each time much of what is below is written again.

// levelZero is how many tables of level 0 are merged, all at once.
func (c Config) levelZero() int {
	if c.Lean {
		return levelZeroTables * DefaultMemTableBytes / minMemTableBytes
	}
	return levelZeroTables
}
