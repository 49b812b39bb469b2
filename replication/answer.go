package replication

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/hashicorp/raft"

	"confman/replication/peer"
)

// Handler serves what other nodes ask for, Raft's streams included, under
// /internal/v1/. Mount it on the listener of the advertised address.
func (n *Node) Handler() http.Handler { return n.handler }

func (n *Node) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathIdentity, n.answering(func(*http.Request) (any, error) { return n.self(), nil }))
	mux.HandleFunc("GET "+pathReadIndex, n.answering(n.answerReadIndex))
	mux.HandleFunc("POST "+pathJoin, n.answering(n.answerJoin))
	mux.HandleFunc("POST "+pathInvite, n.answering(n.answerInvite))
	for name, answer := range n.config.Questions {
		mux.HandleFunc("POST "+pathQuestions+name, n.answering(answerer(answer)))
	}
	mux.HandleFunc("GET "+peer.Path, func(w http.ResponseWriter, r *http.Request) {
		if e := n.engine.Load(); e != nil {
			e.transport.ServeHTTP(w, r) // authenticates by itself
			return
		}
		writeRefusal(w, refusal(http.StatusServiceUnavailable, "%s is not part of a cluster yet", n.config.ID))
	})
	return mux
}

func refusal(status int, format string, args ...any) *refusedError {
	return &refusedError{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// answering authenticates a node and writes its answer as JSON.
func (n *Node) answering(answer func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := n.authenticate(r); err != nil {
			writeRefusal(w, err)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxAnswer)
		content, err := answer(r)
		if refused, ok := err.(*refusedError); ok { //nolint:errorlint // made by the answers, never wrapped
			writeRefusal(w, refused)
			return
		}
		if err != nil {
			writeRefusal(w, refusal(http.StatusServiceUnavailable, "%v", err))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(content) // the caller is gone if it fails
	}
}

// authenticate checks the cluster token in constant time, and the certificate
// where one is required.
func (n *Node) authenticate(r *http.Request) *refusedError {
	given, want := sha256.Sum256([]byte(r.Header.Get(headerToken))), sha256.Sum256([]byte(n.config.Token))
	if subtle.ConstantTimeCompare(given[:], want[:]) != 1 {
		return refusal(http.StatusUnauthorized, "the cluster token is not that of %s", n.config.ID)
	}
	if n.config.RequirePeerCertificate && (r.TLS == nil || len(r.TLS.VerifiedChains) == 0) {
		return refusal(http.StatusUnauthorized, "%s takes calls of nodes only with a client certificate", n.config.ID)
	}
	return nil
}

func writeRefusal(w http.ResponseWriter, r *refusedError) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(r.Status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(r.Status), "status": r.Status, "detail": r.Detail,
	})
}

// self is what this node says of itself.
func (n *Node) self() peerAnswer {
	id, s := n.identity.Load(), n.present.load()
	a := peerAnswer{
		Node: n.config.ID, Cluster: id.Cluster, Forming: id.Forming, Peers: n.config.Peers, Waiting: n.waitsFor(), Role: "none",
		RaftIndex: s.RaftIndex(), Index: s.Index(), Chain: s.Chain().String(), Report: n.report(),
		Former: n.former(),
	}
	if e := n.engine.Load(); e != nil {
		a.Begun = e.raft.LastIndex() > 0
		a.Role, a.Term, a.RaftLast = e.role(), e.raft.CurrentTerm(), e.raft.LastIndex()
		for _, s := range e.servers() {
			a.Members = append(a.Members, string(s.ID))
		}
	}
	return a
}

func (n *Node) answerReadIndex(*http.Request) (any, error) {
	e, err := n.running()
	if err != nil {
		return nil, err
	}
	if e.raft.State() != raft.Leader {
		return nil, refusal(http.StatusServiceUnavailable, "%s is not the leader", n.config.ID)
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxConfirmation)
	defer cancel()
	index, err := e.confirmations.join(ctx)
	return readIndexAnswer{index}, err
}

func (n *Node) answerInvite(r *http.Request) (any, error) {
	var invite inviteRequest
	if err := decode(r, &invite); err != nil {
		return nil, err
	}
	switch {
	case invite.Node != n.config.ID:
		return nil, refusal(http.StatusConflict, "this is %s, not %s", n.config.ID, invite.Node)
	case n.cluster() != "":
		return nil, refusal(http.StatusConflict, "%s belongs to cluster %s already", n.config.ID, n.cluster())
	case len(n.config.Peers) > 0:
		return nil, refusal(http.StatusConflict, "%s was started with --peers to form a cluster; start it without", n.config.ID)
	}
	select {
	case n.invited <- invite:
	default: // an invitation waits already
	}
	return struct{}{}, nil
}

func decode(r *http.Request, into any) error {
	data, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return refusal(http.StatusBadRequest, "the request is not readable: %v", err)
	}
	return nil
}
