package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"

	"confman/api/client"
	"confman/api/wire"
	"confman/cmd/torture/check"
	"confman/cmd/torture/lab"
)

// people are who works on what is governed.
type people struct {
	author    *client.Client
	reviewers []*client.Client
}

// hire makes keys for an author and three reviewers, and says that changes need
// the approval of two.
func (l *Load) hire(ctx context.Context) error {
	admin, err := l.lab.SDK(l.lab.Key())
	if err != nil {
		return err
	}
	approval, approvers := true, Approvers
	err = settle(ctx, "settings-governed", func(ctx context.Context, w client.Write) error {
		_, err := admin.PutSettings(ctx, Governed, wire.Settings{RequireApproval: &approval, MinApprovers: &approvers}, w)
		return err
	})
	if err != nil {
		return fmt.Errorf("settings of %s: %w", Governed, err)
	}
	for i := range 4 {
		role, name := wire.RolePublisher, fmt.Sprintf("reviewer-%d", i)
		if i == 0 {
			name = "author" // who may review what others write
		}
		sdk, err := l.hireOne(ctx, admin, name, role)
		if err != nil {
			return fmt.Errorf("a key for %s: %w", name, err)
		}
		if i == 0 {
			l.people.author = sdk
		} else {
			l.people.reviewers = append(l.people.reviewers, sdk)
		}
	}
	return nil
}

func (l *Load) hireOne(ctx context.Context, admin *client.Client, name, role string) (*client.Client, error) {
	var key wire.APIKey
	err := settle(ctx, "key-"+name, func(ctx context.Context, w client.Write) (err error) {
		key, err = admin.CreateKey(ctx, wire.NewKey{Name: name, Grants: []wire.Grant{{Namespace: Governed, Role: role}}}, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range l.lab.Nodes() {
		if !n.Running() {
			continue
		}
		err := lab.Await(ctx, n.ID+" knows the key", func() error {
			a, err := l.lab.Do(ctx, n, http.MethodGet, "/api/v1/whoami", "", wire.HeaderAPIKey, key.Key)
			if err == nil && a.Status != http.StatusOK {
				err = errors.New(a.String())
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return l.lab.SDK(key.Key)
}

// passage is one change on its way through review.
type passage struct {
	*Load
	name string
	key  string
	id   string
	rng  *rand.Rand
}

// publish brings one change after the other through review, on keys that nobody
// else changes. A step that has no outcome in time leaves its request behind: the
// next turn takes another key.
func (l *Load) publish(who int) turn {
	left := 0
	return func(ctx context.Context, number int, rng *rand.Rand) {
		p := &passage{Load: l, rng: rng, name: fmt.Sprintf("passage-%x-%d-%d", l.config.Seed, who, number)}
		p.key = fmt.Sprintf("author-%d/key-%d-%d", who, left, rng.IntN(3))
		switch err := p.run(ctx); {
		case unsettled(err):
			l.Record.count("passage without an outcome")
			left++
		case err != nil:
			l.Record.violation("C8", fmt.Sprintf("%s on %s: %v", p.name, p.key, err))
			left++
		}
	}
}

func (p *passage) do(ctx context.Context, what string, write func(context.Context, client.Write) error) error {
	if err := settle(ctx, p.name+"-"+what, write); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	p.Record.ack("review step")
	return nil
}

// forbid does what must be refused.
func (p *passage) forbid(ctx context.Context, what string, as error, write func(context.Context, client.Write) error) error {
	if err := settle(ctx, p.name+"-"+what, write); !errors.Is(err, as) {
		return fmt.Errorf("%s ended with %q, not with %w", what, fmt.Sprint(err), as)
	}
	p.Record.count("temptation refused")
	return nil
}

func (p *passage) run(ctx context.Context) error {
	put := value("of " + p.name)
	err := p.do(ctx, "draft", func(ctx context.Context, w client.Write) error {
		_, err := p.people.author.PutDraft(ctx, Governed, p.key, wire.PutDraft{Value: put.Value, Type: put.Type}, w)
		return err
	})
	if err != nil {
		return err
	}
	err = p.do(ctx, "submit", func(ctx context.Context, w client.Write) error {
		r, err := p.people.author.SubmitRequest(ctx, wire.NewRequest{Changes: []wire.RequestedChange{{Namespace: Governed, Key: p.key}}}, w)
		p.id = r.ID
		return err
	})
	if err != nil {
		return err
	}
	if err := p.tempt(ctx); err != nil {
		return err
	}
	by := p.rng.Perm(len(p.people.reviewers))
	switch p.rng.IntN(8) {
	case 0:
		return p.do(ctx, "withdraw", func(ctx context.Context, w client.Write) error {
			_, err := p.people.author.WithdrawRequest(ctx, p.id, "", w)
			return err
		})
	case 1:
		return p.do(ctx, "reject", func(ctx context.Context, w client.Write) error {
			_, err := p.people.reviewers[by[0]].RejectRequest(ctx, p.id, "not like this", w)
			return err
		})
	}
	return p.approve(ctx, by[:Approvers])
}

// approve has reviewers approve; with the last approval the change is live.
func (p *passage) approve(ctx context.Context, by []int) error {
	var r wire.PublishRequest
	for i, reviewer := range by {
		err := p.do(ctx, fmt.Sprint("approve-", i), func(ctx context.Context, w client.Write) (err error) {
			r, err = p.people.reviewers[reviewer].ApproveRequest(ctx, p.id, "", w)
			return err
		})
		if err != nil {
			return err
		}
	}
	if r.State != wire.RequestPublished || r.Resolution == nil {
		return fmt.Errorf("request %s is %s after %d approvals", p.id, r.State, len(by))
	}
	p.Record.change(func() {
		p.Record.published = append(p.Record.published, check.Published{Request: p.id, Index: r.Resolution.Index})
		p.Record.counts["published"]++
	})
	return nil
}

// tempt tries now and then what nobody may.
func (p *passage) tempt(ctx context.Context) error {
	evil := value("evil " + p.name)
	switch p.rng.IntN(6) {
	case 0:
		return p.forbid(ctx, "approve-own", client.ErrForbidden, func(ctx context.Context, w client.Write) error {
			_, err := p.people.author.ApproveRequest(ctx, p.id, "", w)
			return err
		})
	case 1:
		return p.forbid(ctx, "change-unreviewed", client.ErrApprovalRequired, func(ctx context.Context, w client.Write) error {
			_, err := p.people.reviewers[0].Put(ctx, Governed, p.key, evil, w)
			return err
		})
	case 2:
		return p.forbid(ctx, "change-under-review", client.ErrDraftLocked, func(ctx context.Context, w client.Write) error {
			_, err := p.people.author.PutDraft(ctx, Governed, p.key, wire.PutDraft{Value: evil.Value, Type: evil.Type}, w)
			return err
		})
	}
	return nil
}
