package proof

// lineage follows whose history it is: that of the cluster which formed it, then
// of each in which it went on.
type lineage struct {
	report  *Report
	id      string      // of the cluster; empty: not known yet
	by      uint64      // the event that named it, 0: none
	said    []statedFor // before it was known
	claimed string      // what the newest file says of its end
}

// statedFor is an event that names a cluster which it is about.
type statedFor struct {
	index   uint64
	cluster string
}

// begins takes the event that formed a cluster.
func (l *lineage) begins(index uint64, id string) {
	l.follows(index, id)
	l.id, l.by = id, index
}

// goesOn takes the event with which the history goes on in another cluster.
func (l *lineage) goesOn(index uint64, previous, id string) {
	l.follows(index, previous)
	l.id, l.by = id, index
}

// follows compares what an event says of the history before it.
func (l *lineage) follows(index uint64, before string) {
	if l.id == "" {
		l.settle(before)
	} else if l.id != before {
		l.report.add(index, Altered, "it is of cluster %s, the history before it of %s", before, l.id)
	}
}

// says takes what a checkpoint says; false: it is wrong.
func (l *lineage) says(index uint64, cluster string) bool {
	if l.id == "" {
		if len(l.said) < MaxFindings {
			l.said = append(l.said, statedFor{index, cluster})
		}
		return true
	}
	if l.id != cluster {
		l.report.add(index, Altered, "the checkpoint is of cluster %s, the history of %s", cluster, l.id)
	}
	return l.id == cluster
}

// settle takes what the cluster turns out to have been from the beginning.
func (l *lineage) settle(id string) {
	l.id = id
	for _, s := range l.said {
		l.says(s.index, s.cluster)
	}
	l.said = nil
}

// is compares what is known of the history where it ends now; "" is anything.
func (l *lineage) is(id string) {
	switch {
	case id == "":
	case l.id == "":
		l.settle(id)
	case l.id != id:
		l.report.add(l.by, Altered, "it is of cluster %s, the history is said to be of %s", l.id, id)
	}
}

// end compares what the caller says, and reports whose history it is.
func (l *lineage) end(want string) {
	l.is(want)
	if l.id == "" {
		l.is(l.claimed) // by a file that could not be read on
	}
	if l.id != "" {
		l.report.Cluster = l.id
	}
}
