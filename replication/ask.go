package replication

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"confman/events"
)

// Calls between nodes, plain HTTP beside Raft's streams on the same port.
const (
	pathPrefix    = "/internal/v1/"
	pathIdentity  = pathPrefix + "identity"   // GET: who is there
	pathJoin      = pathPrefix + "join"       // POST to the leader: let me in
	pathInvite    = pathPrefix + "invite"     // POST to a node that waits: join us
	pathReadIndex = pathPrefix + "read-index" // GET at the leader
	pathQuestions = pathPrefix + "questions/" // POST, by name: see Answerer

	headerToken = "X-Cluster-Token"

	askTimeout   = 2 * time.Second
	maxAnswer    = 1 << 20
	idlePeers    = 4 // connections kept open to each peer, for read indexes
	idleTimeout  = 90 * time.Second
	keepAliveGap = 15 * time.Second
)

// peerAnswer is what a node says of itself.
type peerAnswer struct {
	Node    string   `json:"node"`
	Cluster string   `json:"cluster"` // empty: the node is new
	Forming bool     `json:"forming,omitempty"`
	Begun   bool     `json:"begun"` // it holds history
	Peers   []Member `json:"peers,omitempty"`

	Role      string `json:"role"`
	Term      uint64 `json:"term"`
	RaftLast  uint64 `json:"raftLast"`
	RaftIndex uint64 `json:"raftIndex"` // folded
	Index     uint64 `json:"index"`     // event index
	Chain     string `json:"chain"`
	Waiting   string `json:"waiting,omitempty"`

	Members []string `json:"members,omitempty"` // IDs, as far as it knows
	Former  []string `json:"former,omitempty"`  // clusters that its history was of before
	Report
}

type joinRequest struct {
	Member
	Cluster string       `json:"cluster"`         // empty: the caller is new
	Promote bool         `json:"promote"`         // it wants a vote, and has caught up as far as it knows
	Last    uint64       `json:"last"`            // the Raft index that it holds
	Level   events.Level `json:"level,omitempty"` // the highest feature level that it can read; absent: the first
}

type joinAnswer struct {
	Cluster string `json:"cluster"`
	Voter   bool   `json:"voter"`
}

type inviteRequest struct {
	Node    string `json:"node"`    // who is meant
	Member  string `json:"member"`  // HOST:PORT of whom to join
	Learner bool   `json:"learner"` // without asking for a vote
}

type readIndexAnswer struct {
	RaftIndex uint64 `json:"raftIndex"`
}

// refusedError is a peer's considered no.
type refusedError struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func (e *refusedError) Error() string { return e.Detail }

// asker calls other nodes.
type asker struct {
	token  string
	scheme string
	http   *http.Client
}

func newAsker(n *Node) *asker {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: askTimeout, KeepAlive: keepAliveGap}).DialContext,
		MaxIdleConnsPerHost: idlePeers,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   false,
	}
	a := &asker{token: n.config.Token, scheme: "http", http: &http.Client{Transport: transport, Timeout: askTimeout}}
	if n.config.ClientTLS != nil && n.config.ClientTLS() != nil {
		a.scheme = "https"
		transport.DialTLSContext = tlsDialer(n.config.ClientTLS)
	}
	return a
}

// call asks a node at HOST:PORT; with a body it is a POST. The error is a
// *refusedError when the node answered and refused.
func (a *asker) call(ctx context.Context, address, path string, body, answer any) error {
	return a.callURL(ctx, a.scheme+"://"+address+path, body, answer)
}

func (a *asker) callURL(ctx context.Context, url string, body, answer any) error {
	method, content := http.MethodGet, io.Reader(nil)
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		method, content = http.MethodPost, bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, content)
	if err != nil {
		return err
	}
	req.Header.Set(headerToken, a.token)
	resp, err := a.http.Do(req)
	if err != nil {
		return plain(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return plain(err)
	}
	if resp.StatusCode != http.StatusOK {
		refused := &refusedError{Status: resp.StatusCode}
		if json.Unmarshal(data, refused) != nil || refused.Detail == "" {
			refused.Detail = fmt.Sprintf("%s answered %s", url, resp.Status)
		}
		return refused
	}
	return json.Unmarshal(data, answer)
}

// plain says the cause of a failed call without the URL, which who waits for
// whom has said already.
func plain(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused")
	case errors.Is(err, syscall.ECONNRESET):
		return errors.New("connection reset")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}
