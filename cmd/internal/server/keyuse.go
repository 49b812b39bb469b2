package server

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"confman/api/keyuse"
	"confman/replication"
)

// entrance is what tells whom this node lets in, and remembers it.
type entrance struct {
	certs *certificates
	keys  *keyuse.Book
}

// questionKeyUses asks a member when it last saw some keys, by their IDs.
const questionKeyUses = "key-uses"

// openKeyUses opens this node's own book, beside its stores.
func openKeyUses(o Options, env Env) (*keyuse.Book, error) {
	return keyuse.Open(keyuse.Config{Path: filepath.Join(o.Node.Data, "key-uses.json"), Now: env.Now, Log: env.Log})
}

// answerKeyUses answers other members from the book.
func answerKeyUses(b *keyuse.Book) replication.Answerer {
	return func(asked []byte) (any, error) {
		var ids []string
		if err := json.Unmarshal(asked, &ids); err != nil {
			return nil, fmt.Errorf("which keys are meant: %w", err)
		}
		return b.Uses(ids), nil
	}
}

// keyUses is the book of this node, and those of the others for the asking.
type keyUses struct {
	*keyuse.Book
	node *replication.Node
}

// Uses asks all members.
func (k keyUses) Uses(ctx context.Context, ids []string) (found []map[string]keyuse.Use, silent []string) {
	found, silent = replication.AskMembers[map[string]keyuse.Use](ctx, k.node, questionKeyUses, ids)
	return append(found, k.Book.Uses(ids)), silent
}
