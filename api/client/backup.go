package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"time"

	"confman/api/wire"
)

const (
	backupPatience = 2 * time.Minute // without a byte, after which a backup that has begun is given up
	remadeBytes    = 16 << 20        // of a backup that a node makes again in a second, at the least
)

// Backup writes all that the answering node holds to w, as of one event, whose
// position it returns. A connection that breaks is taken up where it broke, at any
// node, for two minutes without a byte. After an error what was written is the
// beginning of a backup, which ContinueBackup may complete.
func (c *Client) Backup(ctx context.Context, w io.Writer) (position string, err error) {
	return c.ContinueBackup(ctx, w, "", nil)
}

// ContinueBackup writes what follows the beginning of a backup, which is read from
// have, to w. It takes the position that the backup is of. The error is
// ErrConditionFailed, ErrCompacted or ErrConflict when that backup cannot be made
// any more; w was written nothing then, unless a connection broke meanwhile: begin
// anew.
func (c *Client) ContinueBackup(ctx context.Context, w io.Writer, position string, have io.Reader) (string, error) {
	b := &backup{client: c, to: w, digest: sha256.New(), position: position}
	if have != nil {
		var err error
		if b.bytes, err = io.Copy(b.digest, have); err != nil {
			return "", fmt.Errorf("backup: read the beginning: %w", err)
		}
	}
	heard := time.Now()
	for tries := 1; ; tries++ {
		before := b.bytes
		err := b.take(ctx)
		if err == nil {
			return b.position, nil
		}
		if b.bytes > before {
			tries, heard = 1, time.Now()
		}
		if b.failed != nil || b.position == "" || !errors.Is(err, ErrUnavailable) || ctx.Err() != nil || time.Since(heard) > backupPatience {
			return b.position, err
		}
		wait := backoff(tries)
		if c.config.OnRetry != nil {
			c.config.OnRetry(err, wait)
		}
		if err := pause(ctx, wait); err != nil {
			return b.position, fmt.Errorf("backup: %w", err)
		}
	}
}

// backup is one that is being written.
type backup struct {
	client   *Client
	to       io.Writer
	digest   hash.Hash // of all bytes so far
	bytes    int64
	position string // empty before it has begun
	failed   error  // of to
}

// take writes what one answer brings.
func (b *backup) take(ctx context.Context) error {
	var meta Meta
	call := b.client.reading("backup", Read{Meta: &meta, At: b.position}, "cluster", "backup")
	if b.position != "" {
		call.header.Del(wire.HeaderMinIndex) // what was seen may be later
	}
	if b.bytes > 0 {
		call.header.Set("Range", "bytes="+strconv.FormatInt(b.bytes, 10)+"-")
		call.header.Set(wire.HeaderPrefixSHA256, hex.EncodeToString(b.digest.Sum(nil)))
		call.wait = time.Duration(b.bytes/remadeBytes+1) * time.Second
	}
	body, err := b.client.download(ctx, call, wire.MediaBinary)
	if err != nil {
		return err
	}
	defer body.Close()
	switch {
	case meta.Position == "":
		return fmt.Errorf("backup: %w: %s did not say as of which event", ErrBadAnswer, meta.Endpoint)
	case b.bytes > 0 && meta.Status != http.StatusPartialContent:
		return fmt.Errorf("backup: %w: %s did not send what follows, but a backup from its beginning", ErrBadAnswer, meta.Endpoint)
	case b.position != "" && !samePlace(b.position, meta.Position):
		return fmt.Errorf("backup: %w: asked as of %s, %s answered as of %s", ErrBadAnswer, b.position, meta.Endpoint, meta.Position)
	}
	b.position = meta.Position
	if _, err := io.Copy(b, body); err != nil {
		return fmt.Errorf("backup: %w", err)
	}
	return nil
}

// Write passes on what comes.
func (b *backup) Write(p []byte) (n int, err error) {
	n, b.failed = b.to.Write(p)
	b.digest.Write(p[:n])
	b.bytes += int64(n)
	return n, b.failed
}
