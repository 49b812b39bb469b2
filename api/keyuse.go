package api

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"

	"confman/api/keyuse"
	"confman/api/wire"
)

// KeyUses remembers when API keys were used, here and, asked, on all members.
type KeyUses interface {
	// Note says that a key is used now, from an address. It is cheap.
	Note(id, from string)
	// Uses are the last uses of some keys by what each member that answered
	// remembers, and the members that did not.
	Uses(ctx context.Context, ids []string) (found []map[string]keyuse.Use, silent []string)
}

// noteKey notes the use of the key that the caller bears, if it bears one.
func (x *exchange) noteKey() {
	if x.Identity.Uses != nil && x.apiKey.ID != "" {
		x.Identity.Uses.Note(x.apiKey.ID, addressOf(x.r.RemoteAddr))
	}
}

// noteForwarded notes the use of a key that the leader took, which noted this node
// for the client a moment before.
func (x *exchange) noteForwarded(status int) {
	if x.Identity.Uses == nil || x.credential == "" && x.session == nil || status == http.StatusUnauthorized {
		return
	}
	if k, ok := x.lookUpKey(); ok && k.Usable(x.Now()) {
		x.Identity.Uses.Note(k.ID, addressOf(x.r.RemoteAddr))
	}
}

// addressOf is the host of a HOST:PORT.
func addressOf(remote string) string {
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// addUses says of each key when and from where it was last used, by whichever
// member knows of the latest use.
func (x *exchange) addUses(page []wire.APIKey) error {
	if x.Identity.Uses == nil || len(page) == 0 {
		return nil
	}
	done, err := x.idle() // a member may not answer
	if err != nil {
		return err
	}
	defer done()
	ids := make([]string, len(page))
	for i, k := range page {
		ids[i] = k.ID
	}
	ctx, cancel := x.within(askTimeout)
	defer cancel()
	all, silent := x.Identity.Uses.Uses(ctx, ids)
	for _, found := range all {
		for i := range page {
			use, known := found[page[i].ID]
			if last := page[i].LastUsedAt; known && (last == nil || last.Before(use.At)) {
				page[i].LastUsedAt, page[i].LastUsedFrom = unlessZero(use.At), use.From
			}
		}
	}
	if len(silent) > 0 {
		slices.Sort(silent)
		x.set(wire.HeaderSilent, strings.Join(silent, ", "))
	}
	return nil
}
