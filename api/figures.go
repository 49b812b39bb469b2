package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"confman/api/figures"
	"confman/api/wire"
)

const paramOwn = "own" // of the node that answers alone

// Figures are what a node remembers of itself.
type Figures interface {
	// Samples are those of the last hour that are newer than a time, oldest first.
	Samples(after time.Time) []wire.Sample
	// LeaderChanges are the latest, at most 100, that are newer than a time, oldest
	// first.
	LeaderChanges(after time.Time) []wire.LeaderChange
}

// figures answers GET /api/v1/cluster/figures. A member that another one asks does
// not ask on.
func (x *exchange) figures() error {
	own, err := x.flag(paramOwn)
	if err != nil {
		return err
	}
	var after time.Time
	if given := x.query.Get("since"); given != "" {
		if after, err = x.instant("since", given); err != nil {
			return err
		}
	}
	shown := wire.Figures{Interval: figures.Interval.String(), Silent: []string{}, LeaderChanges: []wire.LeaderChange{}}
	mine := wire.NodeFigures{Node: x.NodeID, Samples: []wire.Sample{}}
	if f := x.Outside.Figures; f != nil {
		mine.Samples = append(mine.Samples, f.Samples(after)...)
		shown.LeaderChanges = append(shown.LeaderChanges, f.LeaderChanges(x.Now().Add(-time.Hour))...)
	}
	shown.Nodes = append(shown.Nodes, mine)
	if !own {
		if err := x.addFigures(&shown, after); err != nil {
			return err
		}
	}
	return x.sendJSON(http.StatusOK, shown)
}

// addFigures adds those of the other members.
func (x *exchange) addFigures(shown *wire.Figures, after time.Time) error {
	done, err := x.idle() // a member may not answer
	if err != nil {
		return err
	}
	defer done()
	others := askMembers(x, func(ctx context.Context, m wire.Member) (wire.NodeFigures, error) {
		return x.figuresOf(ctx, m, after)
	})
	for _, o := range others {
		if o.err != nil {
			shown.Silent = append(shown.Silent, o.member)
		} else {
			shown.Nodes = append(shown.Nodes, o.answer)
		}
	}
	slices.Sort(shown.Silent)
	slices.SortFunc(shown.Nodes, func(a, b wire.NodeFigures) int { return cmp.Compare(a.Node, b.Node) })
	return nil
}

// figuresOf asks one member for its own.
func (x *exchange) figuresOf(ctx context.Context, m wire.Member, after time.Time) (wire.NodeFigures, error) {
	query := url.Values{paramOwn: {"true"}}
	if !after.IsZero() {
		query.Set("since", after.Format(time.RFC3339Nano))
	}
	var answer wire.Figures
	if _, err := x.askMember(ctx, x.url(m.Address)+"api/v1/cluster/figures?"+query.Encode(), &answer); err != nil {
		return wire.NodeFigures{}, fmt.Errorf("ask member %s for its figures: %w", m.ID, err)
	}
	if len(answer.Nodes) != 1 || answer.Nodes[0].Node != m.ID {
		return wire.NodeFigures{}, fmt.Errorf("ask member %s for its figures: it answers for %d nodes", m.ID, len(answer.Nodes))
	}
	return answer.Nodes[0], nil
}
