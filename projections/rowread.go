package projections

import (
	"github.com/go-json-experiment/json"

	"confman/events"
)

// RecordOf is the record that a row holds; ok is false for rows of other views.
// It serves whoever reads rows from elsewhere than a store. Its Body shares
// memory with the row.
func RecordOf(row Row) (r events.Record, ok bool, err error) {
	if len(row.Key) != len(recordKey(0)) || row.Key[0] != recordView {
		return r, false, nil
	}
	r, err = parseRecordRow(indexOf(row.Key), row.Value)
	r.Index = indexOf(row.Key)
	return r, true, err
}

// ClusterOf is what a row says about the cluster; ok is false for other rows.
func ClusterOf(row Row) (c events.Cluster, ok bool, err error) {
	if len(row.Key) != 1 || row.Key[0] != clusterView {
		return c, false, nil
	}
	return c, true, json.Unmarshal(row.Value, &c)
}
