package cli

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"confman/api/wire"
	"confman/replication"
)

// otherTimeout is how long another member has to answer.
const otherTimeout = 2 * time.Second

// otherMember is a member elsewhere, as it answers now.
type otherMember struct {
	ID          string `json:"id"`
	Address     string `json:"address"`
	Voter       bool   `json:"voter"`
	Answers     bool   `json:"answers"`
	LeaderKnown bool   `json:"leaderKnown"`
	EventIndex  uint64 `json:"eventIndex,omitempty"`
	Error       string `json:"error,omitempty"` // why there is no answer
}

// strangersTo are the members that none of the directories is of.
func strangersTo(all []replication.Remains) (others []otherMember) {
	for _, m := range all[0].Others() {
		if !slices.ContainsFunc(all, func(r replication.Remains) bool { return r.Node == m.ID }) {
			others = append(others, otherMember{ID: m.ID, Address: m.Address, Voter: m.Voter})
		}
	}
	return others
}

// askOthers asks all members at once whether they are ready, which needs neither a
// key nor a token.
func askOthers(ctx context.Context, others []otherMember) []otherMember {
	// Who answers is not proved, nor need it be: an answer can only forbid.
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} //nolint:gosec // see above
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, otherTimeout)
	defer cancel()
	var wait sync.WaitGroup
	for i := range others {
		wait.Go(func() { others[i].ask(ctx, &http.Client{Transport: transport}) })
	}
	wait.Wait()
	return others
}

// ask asks one member, which may speak TLS or not.
func (m *otherMember) ask(ctx context.Context, c *http.Client) {
	var ready wire.Ready
	err := askReady(ctx, c, "http://"+m.Address, &ready)
	if errors.Is(err, errNoMember) {
		err = askReady(ctx, c, "https://"+m.Address, &ready)
	}
	if err != nil {
		m.Error = err.Error()
		var about *url.Error
		if errors.As(err, &about) { // without the URL
			m.Error = about.Err.Error()
		}
		return
	}
	m.Answers, m.LeaderKnown, m.EventIndex = true, ready.Cluster.LeaderKnown, ready.EventIndex
}

var errNoMember = errors.New("what answers there is no member")

func askReady(ctx context.Context, c *http.Client, base string, ready *wire.Ready) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health/ready", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if json.Unmarshal(body, ready) != nil || ready.Status == "" {
		return errNoMember
	}
	return nil
}

// newestEvent is the newest that another member is known to have.
func newestEvent(others []otherMember) (newest uint64) {
	for _, m := range others {
		newest = max(newest, m.EventIndex)
	}
	return newest
}
