package client

import (
	"context"
	"fmt"
	"io"

	"confman/api/wire"
)

// Backup writes all that the answering node holds to w, as of one event, whose
// position it returns. After an error what was written is not a backup.
func (c *Client) Backup(ctx context.Context, w io.Writer) (position string, err error) {
	var meta Meta
	call := c.reading("backup", Read{Meta: &meta}, "cluster", "backup")
	body, err := c.download(ctx, call, wire.MediaBinary)
	if err != nil {
		return "", err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return "", fmt.Errorf("%s: %w", call.what, err)
	}
	if meta.Position == "" {
		return "", fmt.Errorf("%s: %w: %s did not say as of which event", call.what, ErrBadAnswer, meta.Endpoint)
	}
	return meta.Position, nil
}
