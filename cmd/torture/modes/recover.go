package modes

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"confman/cmd/torture/check"
	"confman/cmd/torture/fault"
	"confman/cmd/torture/lab"
)

// byHand does to the cluster what no [fault.Fault] is, notes it as one that
// touches every node, and waits until all are ready.
func (t *Trial) byHand(ctx context.Context, name, mode string, do func() error) error {
	return t.handled(ctx, fault.Entry{Fault: name, Mode: mode}, do)
}

// handled is byHand for an entry that says more.
func (t *Trial) handled(ctx context.Context, e fault.Entry, do func() error) error {
	e.From = time.Now()
	before := t.Nodes()
	err := do()
	e.Healed = time.Now()
	if err == nil {
		err = t.AwaitReady(ctx, t.Nodes()...)
	}
	e.To = time.Now()
	for _, n := range append(before, t.Nodes()...) {
		if !slices.Contains(e.Nodes, n.ID) {
			e.Nodes = append(e.Nodes, n.ID)
		}
	}
	t.Journal.Note(e)
	if err != nil {
		return fmt.Errorf("%s: %w", e.Fault, err)
	}
	gap := t.Load.Record.Gap(e.From, e.To)
	t.bench.Logf("%s: %.1f s, longest write gap %v", e.Fault, e.To.Sub(e.From).Seconds(), gap.Round(time.Millisecond))
	t.bench.Report.fault(e, gap)
	return nil
}

// recovery is what confman cluster recover -o json says.
type recovery struct {
	Refused   string `json:"refused"`
	Recovered *struct {
		Cluster string `json:"cluster"`
		Node    string `json:"node"`
	} `json:"recovered"`
	Next []string `json:"next"`
}

// loseForGood loses a majority with all that it had, under load, goes on with the
// rest by confman cluster recover, and has new nodes join. Every acknowledged
// write had reached whoever is left, so that none may be missing.
func (t *Trial) loseForGood(ctx context.Context, round int) error {
	return t.byHand(ctx, "majority lost for good", fault.QuorumLoss, func() error {
		lost, err := t.loseMajority(ctx)
		if err != nil {
			return err
		}
		kept, cluster, err := t.recover(ctx, t.Others(lost...))
		if err != nil {
			return err
		}
		if err := t.returnInVain(ctx, cluster, lost); err != nil {
			return err
		}
		for i, n := range t.Others(kept) {
			if err := t.joinAnew(ctx, n, fmt.Sprintf("new-%d-%d", round, i), kept); err != nil {
				return err
			}
		}
		return t.saysRecovered(ctx, kept, cluster)
	})
}

// joinAnew puts an empty node with a new ID in the place of one that is down.
func (t *Trial) joinAnew(ctx context.Context, n *lab.Node, id string, join *lab.Node) error {
	n.Kill9()
	fresh, err := t.Renew(n, id, join)
	if err != nil {
		return err
	}
	if err := fresh.Start(); err != nil {
		return err
	}
	return t.AwaitReady(ctx, fresh)
}

// loseMajority kills a majority such that the rest has everything that was ever
// acknowledged: the leader stays, or all but the majority's last voters were gone
// before it.
func (t *Trial) loseMajority(ctx context.Context) (lost []*lab.Node, err error) {
	leader, err := t.Leader(ctx)
	if err != nil {
		return nil, err
	}
	others, rng := t.Others(leader), t.bench.RNG
	rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
	size := len(t.Nodes())/2 + 1
	if rng.IntN(2) == 0 {
		lost = others[:size]
	} else {
		early := others[:size-1]
		for _, n := range early {
			n.Kill9()
		}
		t.Calm(ctx, time.Second)
		if leader, err = t.Leader(ctx); err != nil {
			return nil, err
		}
		lost = append(slices.Clone(early), leader)
	}
	for _, n := range lost {
		n.Signal(syscall.SIGKILL)
	}
	for _, n := range lost {
		n.Kill9()
	}
	return lost, nil
}

// recover does what an operator does with the members that are left, and returns
// the one that was recovered and the new cluster's identity. Nothing may happen
// before it is said that data may be lost.
func (t *Trial) recover(ctx context.Context, left []*lab.Node) (kept *lab.Node, cluster string, err error) {
	args := []string{"cluster", "recover", "-o", "json"}
	for _, n := range left {
		args = append(args, "--data", n.Data)
	}
	running, err := left[0].Confman(ctx, append(slices.Clone(args), "--accept-data-loss")...)
	if err != nil {
		return nil, "", err
	}
	if running.Code == 0 {
		t.bench.Report.Violate(check.Finding{Check: fault.QuorumLoss, Says: "a running node was recovered: " + running.String()})
	}
	for _, n := range left {
		n.Kill9()
	}
	offer, err := t.recovery(ctx, left[0], args...)
	if err != nil {
		return nil, "", err
	}
	if offer.Recovered != nil || len(offer.Next) == 0 || !strings.Contains(offer.Next[0], "--accept-data-loss") {
		t.bench.Report.Violate(check.Finding{Check: fault.QuorumLoss, Says: fmt.Sprintf("nobody accepted a loss, and recover did or said %+v", offer)})
		return nil, "", errors.New("no command to go on with")
	}
	command := strings.Fields(strings.Replace(offer.Next[0], "'WHY'", "drill", 1))
	done, err := t.recovery(ctx, left[0], append(command[1:], "-o", "json")...)
	if err != nil {
		return nil, "", err
	}
	i := -1
	if done.Recovered != nil {
		i = slices.IndexFunc(left, func(n *lab.Node) bool { return n.ID == done.Recovered.Node })
	}
	if i < 0 {
		return nil, "", fmt.Errorf("%v: it said %+v", command, done)
	}
	kept = left[i]
	kept.SetArgs(t.Serve(kept)...)
	if err := kept.Start(); err != nil {
		return nil, "", err
	}
	return kept, done.Recovered.Cluster, t.AwaitReady(ctx, kept)
}

func (t *Trial) recovery(ctx context.Context, at *lab.Node, args ...string) (r recovery, err error) {
	said, err := at.Confman(ctx, args...)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(said.Stdout), &r); err != nil || said.Code != 0 {
		return r, fmt.Errorf("%v: %v", args, said)
	}
	return r, nil
}

// returnInVain starts those that were lost, a quorum of the old cluster, on what
// they had. Each must end, and say why.
func (t *Trial) returnInVain(ctx context.Context, cluster string, lost []*lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, lab.Patience)
	defer cancel()
	var found []check.Finding
	places := map[*lab.Node]int64{}
	for _, n := range lost {
		places[n] = n.LogSize()
		if err := n.Start(); err != nil {
			return err
		}
	}
	for _, n := range lost {
		code, err := n.Exit(ctx)
		if err != nil {
			found = append(found, check.Finding{Check: fault.QuorumLoss, Says: n.ID + " runs with the data of a cluster that has gone on without it"})
			n.Kill9()
			continue
		}
		said, err := n.LogSince(places[n])
		if err != nil {
			return err
		}
		if code == 0 || !strings.Contains(said, "has gone on as cluster "+cluster) {
			found = append(found, check.Finding{Check: fault.QuorumLoss, Says: fmt.Sprintf("%s was lost, came back, ended with code %d and does not say why: %.500s", n.ID, code, said)})
		}
	}
	t.bench.Report.Judge(fault.QuorumLoss, "lost members that came back", len(lost), found)
	return nil
}

// saysRecovered holds the history to it that it tells of the recovery.
func (t *Trial) saysRecovered(ctx context.Context, n *lab.Node, cluster string) error {
	h, err := check.Audit(ctx, t.Lab, n)
	if err != nil {
		return err
	}
	told := 0
	for _, e := range h {
		if e.Action == "cluster.recovered" && e.NewValue != nil && strings.Contains(*e.NewValue, cluster) && e.Comment == "drill" {
			told++
		}
	}
	var found []check.Finding
	if told != 1 {
		found = append(found, check.Finding{Check: fault.QuorumLoss, Says: fmt.Sprintf("the history tells %d times of the recovery as cluster %s", told, cluster)})
	}
	t.bench.Report.Judge(fault.QuorumLoss, "recoveries", 1, found)
	return nil
}
