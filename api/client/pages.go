package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// pages yields the rows of a list, page after page. An error is yielded once
// and ends it.
func pages[T any](ctx context.Context, c *Client, call call) iter.Seq2[T, error] {
	return pagesBy[T](ctx, call, c.do)
}

// pagesBy is pages where do asks for each of them.
func pagesBy[T any](ctx context.Context, call call, do func(context.Context, call) (answer, error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		for {
			a, err := do(ctx, call)
			if err != nil {
				yield(none, err)
				return
			}
			var rows []T
			if err := json.Unmarshal(a.body, &rows); err != nil {
				yield(none, fmt.Errorf("%s: %w: %s: %w", call.what, ErrBadAnswer, a.origin, err))
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			next, ok := nextPage(a.header.Values("Link"))
			if !ok {
				return
			}
			if next.Encode() == call.query.Encode() {
				yield(none, fmt.Errorf("%s: %w: %s: the next page is the one just read", call.what, ErrBadAnswer, a.origin))
				return
			}
			call.query = next
		}
	}
}

// nextPage finds the query of the link to the next page (RFC 8288). Only the
// query is taken from it, so that a link cannot lead elsewhere.
func nextPage(headers []string) (query url.Values, ok bool) {
	for _, header := range headers {
		for header != "" {
			_, rest, found := strings.Cut(header, "<")
			if !found {
				break
			}
			target, params, found := strings.Cut(rest, ">")
			if !found {
				break
			}
			params, header, _ = strings.Cut(params, ",")
			if !isNext(params) {
				continue
			}
			if u, err := url.Parse(target); err == nil {
				return u.Query(), true
			}
		}
	}
	return nil, false
}

func isNext(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "rel") {
			for rel := range strings.FieldsSeq(strings.Trim(value, `"`)) {
				if strings.EqualFold(rel, "next") {
					return true
				}
			}
		}
	}
	return false
}
