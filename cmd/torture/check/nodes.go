package check

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/lab"
	"confman/cmd/torture/streams"
	"confman/events/proof"
)

// Agree is C3: it waits until all nodes that run stand at one index, finds the
// same chain there, and has each of them compare its records with it.
func Agree(ctx context.Context, l *lab.Lab) (found []Finding, position string, err error) {
	position, err = l.AwaitAgreement(ctx)
	if err != nil {
		return nil, "", err
	}
	sdk, err := l.SDK(l.Key())
	if err != nil {
		return nil, "", err
	}
	chains := map[string]string{}
	for _, n := range l.Nodes() {
		if !n.Running() {
			continue
		}
		v, err := sdk.VerifyMember(ctx, n.URL(), "", "", nil)
		if err != nil {
			return nil, "", fmt.Errorf("have %s verify its records: %w", n.ID, err)
		}
		if !v.OK {
			found = append(found, finding("C3", "%s finds in its records, at event %d: %s", n.ID, v.At, v.Problem))
		}
		chains[fmt.Sprint(v.To, " ", v.Chain)] = n.ID
	}
	if len(chains) > 1 {
		found = append(found, finding("C3", "nodes end at different chains: %v", chains))
	}
	return found, position, nil
}

// Chain is the rest of C2: the records of one node, exported, verify by
// themselves and end where the cluster stands.
func Chain(ctx context.Context, l *lab.Lab, n *lab.Node, position string) ([]Finding, error) {
	sdk, err := l.SDK(l.Key(), n)
	if err != nil {
		return nil, err
	}
	var export bytes.Buffer
	if err := sdk.Proof(ctx, "", "", &export); err != nil {
		return nil, fmt.Errorf("export the records of %s: %w", n.ID, err)
	}
	v := proof.NewVerifier(proof.Options{})
	v.Read(&export)
	report := v.End()
	var found []Finding
	for _, f := range report.Findings {
		found = append(found, finding("C2", "the export of %s: %v", n.ID, f))
	}
	if at := report.Position().String(); at != position {
		found = append(found, finding("C2", "the export of %s ends at %s, the cluster stands at %s", n.ID, at, position))
	}
	return found, nil
}

// Audit reads the whole history of a node.
func Audit(ctx context.Context, l *lab.Lab, n *lab.Node) (h History, err error) {
	sdk, err := l.SDK(l.Key(), n)
	if err != nil {
		return nil, err
	}
	for e, err := range sdk.Audit(ctx, client.AuditQuery{Ascending: true}, client.Read{}) {
		if err != nil {
			return nil, fmt.Errorf("audit of %s: %w", n.ID, err)
		}
		h = append(h, e)
	}
	return h, nil
}

// Events are all events up to one, as a watch at a node tells them.
func Events(ctx context.Context, l *lab.Lab, n *lab.Node, head uint64) (log []wire.Event, err error) {
	f, err := streams.Dial(ctx, streams.Call{
		Address: n.Address, Key: l.Key(), Encoding: wire.EncodingNDJSON, After: wire.AfterStart,
		Filter: streams.Filter{Events: wire.EventsAll}, Dial: l.Dial,
	})
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Status != http.StatusOK {
		return nil, fmt.Errorf("watch at %s: %d %s", n.ID, f.Status, f.Problem.Detail)
	}
	f.Patience = lab.Patience
	for uint64(len(log)) < head {
		frame, err := f.Next()
		if err != nil {
			return nil, fmt.Errorf("watch at %s after %d events: %w", n.ID, len(log), err)
		}
		if frame.Event == nil {
			continue
		}
		if log = append(log, *frame.Event); frame.Event.Index != uint64(len(log)) {
			return nil, fmt.Errorf("the watch at %s has event %d where %d should be", n.ID, frame.Event.Index, len(log))
		}
	}
	return log, nil
}

// Reads is C5: what local reads and reads of the past returned, held against the
// history.
func Reads(log *streams.Log, reads []streams.Read) (found []Finding) {
	for _, r := range reads {
		if err := log.CheckRead(r); err != nil {
			found = append(found, finding("C5", "%v", err))
		}
	}
	return found
}

// Streams is C4: each must have proved everything up to an index.
func Streams(log *streams.Log, all []streams.Stream, breaks []streams.Break, reach uint64) (found []Finding) {
	for _, s := range all {
		found = append(found, findings("C4", log.Check(s, breaks, reach))...)
	}
	return found
}

// decode reads a line of a log.
func decode(line []byte, into any) bool { return json.Unmarshal(line, into) == nil }
