package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"confman/api/wire"
)

// Rebuild has the answering node make its views anew from its records, which takes
// a while: give the Client one endpoint, so that it is clear which node that is.
// Progress, when not nil, is told how far it has come. Rebuilt.OK says whether it
// succeeded.
func (c *Client) Rebuild(ctx context.Context, progress func(at, to uint64)) (wire.Rebuilt, error) {
	call := c.reading("rebuild", Read{}, "cluster", "rebuild")
	call.method = http.MethodPost
	body, err := c.download(ctx, call, wire.MediaNDJSON)
	if err != nil {
		return wire.Rebuilt{}, err
	}
	defer body.Close()
	for lines := json.NewDecoder(body); ; {
		var line struct { // one or the other
			wire.Progress
			wire.Rebuilt
		}
		if err := lines.Decode(&line); err != nil {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: it did not say how it ended", ErrBadAnswer)
			}
			return wire.Rebuilt{}, fmt.Errorf("%s: %w", call.what, err)
		}
		if line.Node != "" {
			return line.Rebuilt, nil
		}
		if progress != nil {
			progress(line.At, line.To)
		}
	}
}
