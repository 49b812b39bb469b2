package memory

import "confman/projections"

// Reloaded is the state made anew from the rows alone.
func (n *Node) Reloaded() (*projections.State, error) {
	index := n.State().Index()
	return projections.Load(rowsAt{&n.rows, index}, index, projections.Origin{Index: n.raft, Term: Term})
}
