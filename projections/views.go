package projections

import (
	"encoding/binary"
	"fmt"

	"github.com/go-json-experiment/json"

	"confman/events"
)

// Keys of the views on disk. The first byte names the view.
//
//	r index          record: the chain (32 bytes), then the stored form of the record
//	c namespace 0 k  entry, JSON; a deleted one too, so that its version lives on
//	n namespace      namespace, JSON
//	k id             API key, JSON
//	s                cluster, JSON: its identity, the feature level, the horizon
//	p namespace      policy, JSON: its roles, schema and settings
//	d namespace 0 k  draft, JSON; ends with the draft
//	q id             open publish request, JSON; ends when it is closed
//	Q id             closed publish request, JSON
//	w id             webhook, JSON; ends with the webhook
//	e index          erasure of something in the record at the index, JSON
//	x id             receipt, JSON; not a fold of records, but kept beside them
//	N namespace 0 i  the records of a Raft entry about this namespace: i is the index of
//	                 the first, the value the steps to the others as unsigned varints
//	S namespace 0 i  the same of those about any namespace below it; the root has none
//	A E R C T        the same by actor, kind, publish request, correlation ID, transaction
//
// Indexes are 8 bytes, big endian.
const (
	recordView    = 'r'
	entryView     = 'c'
	namespaceView = 'n'
	apiKeyView    = 'k'
	clusterView   = 's'
	policyView    = 'p'
	draftView     = 'd'
	requestView   = 'q'
	closedView    = 'Q'
	webhookView   = 'w'
	erasureView   = 'e'
	receiptView   = 'x'
)

// ViewsVersion names the layout of the views. A store with another one is
// rebuilt: from the rows as of the edge, which [Rebuild] must go on reading in
// every layout they were written in, and the records after it. A member of a row
// that is right when it is absent needs no new version.
const ViewsVersion = 2

func viewKey(view byte, name string) []byte { return append([]byte{view}, name...) }

func recordKey(index uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte{recordView}, index)
}

func receiptKey(id events.ReceiptID) []byte { return append([]byte{receiptView}, id[:]...) }

// appendViewRows appends the rows of what the event is about, and of what it
// touched, as they are now.
func (s *State) appendViewRows(rows []Row, e events.Event, index uint64, t touched) []Row {
	for _, d := range t.drafts {
		rows = append(rows, rowIf(s.Draft(d.Namespace, d.Key).Exists(), viewKey(draftView, entryKey(d.Namespace, d.Key)), s.Draft(d.Namespace, d.Key), index))
	}
	switch d := e.Data.(type) {
	case events.HistoryCheckpointed:
		return rows
	case events.HistoryErased:
		return append(appendErasures(rows, d, index), row([]byte{clusterView}, s.cluster, index))
	case events.ClusterFormed, events.ClusterUpgraded, events.ClusterRecovered, events.ClusterRestored,
		events.HistoryTrimmed, events.CheckpointKeyChanged:
		return append(rows, row([]byte{clusterView}, s.cluster, index))
	case events.KeyCreated:
		return append(rows, row(viewKey(apiKeyView, d.ID), s.APIKey(d.ID), index))
	case events.KeyRevoked:
		return append(rows, row(viewKey(apiKeyView, d.ID), s.APIKey(d.ID), index))
	case events.ConfigCreated, events.ConfigUpdated, events.ConfigRolledBack, events.ConfigDeleted:
		entry := s.Entry(e.Namespace, e.Key)
		return append(rows, Row{Key: viewKey(entryView, entryKey(e.Namespace, e.Key)), Value: appendEntry(nil, &entry), Index: index})
	case events.RolesChanged, events.SchemaChanged, events.SettingsChanged:
		return append(rows, row(viewKey(policyView, e.Namespace), s.Policy(e.Namespace), index))
	case events.NamespaceDeleted:
		if p := s.Policy(e.Namespace); p.Revision == index {
			rows = append(rows, row(viewKey(policyView, e.Namespace), p, index))
		}
	case events.DraftSaved, events.DraftDiscarded:
		return rows
	case events.WebhookCreated, events.WebhookUpdated, events.WebhookDeleted, events.WebhookAdvanced, events.WebhookDeadLetter:
		id := webhookOf(d)
		return append(rows, rowIf(s.Webhook(id).Revision > 0, viewKey(webhookView, id), s.Webhook(id), index))
	}
	if t.closed != nil {
		rows = append(rows, row(viewKey(closedView, t.closed.ID), *t.closed, index))
		return append(rows, Row{Key: viewKey(requestView, t.closed.ID), Index: index, Delete: true})
	}
	if request := s.Request(e.Request); request.Revision == index {
		return append(rows, row(viewKey(requestView, request.ID), request, index))
	}
	n := s.Namespace(e.Namespace)
	n.Contents = 0 // follows from the entries
	return append(rows, row(viewKey(namespaceView, e.Namespace), n, index))
}

// rowIf is the row of what may be gone.
func rowIf(exists bool, key []byte, value any, index uint64) Row {
	if !exists {
		return Row{Key: key, Index: index, Delete: true}
	}
	return row(key, value, index)
}

func webhookOf(d events.Data) string {
	switch d := d.(type) {
	case events.WebhookCreated:
		return d.ID
	case events.WebhookUpdated:
		return d.ID
	case events.WebhookDeleted:
		return d.ID
	case events.WebhookAdvanced:
		return d.ID
	case events.WebhookDeadLetter:
		return d.ID
	}
	return ""
}

func row(key []byte, value any, index uint64) Row {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("row %q: %v", key, err)) // plain structs of ours: the program is wrong
	}
	return Row{Key: key, Value: encoded, Index: index}
}

// receiptDoc is a receipt on disk.
type receiptDoc struct {
	Fingerprint []byte `json:"fingerprint"`
	Index       uint64 `json:"index"`
	Count       int    `json:"count"`
	Time        int64  `json:"time"` // Unix nanoseconds
}

func receiptRow(r events.Receipt) Row {
	return row(receiptKey(r.ID), receiptDoc{r.Fingerprint[:], r.Index, r.Count, r.Time.UnixNano()}, r.Index)
}
