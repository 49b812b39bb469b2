package api

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"strconv"
	"strings"

	"confman/api/wire"
	"confman/events"
)

// backup answers GET /api/v1/cluster/backup: all that this node holds, as of the
// position that the answer names, to whoever may read it all. One that breaks off
// is not whole, and says so by its end. Who has the beginning of a backup as of an
// event is sent the rest, if the beginning is what this node would send too.
func (x *exchange) backup() error {
	if x.Keeper == nil {
		return errNoKeeper()
	}
	at, err := x.backupAt()
	if err != nil {
		return err
	}
	out := x.steady()
	defer out.end()
	rest, err := x.backupRest(out)
	if err != nil {
		return err
	}
	x.logChange("back up", x.NodeID)
	begin := func(p events.Position) {
		x.reflects(p)
		x.provenance()
		x.set("Content-Type", wire.MediaBinary)
		x.set("Content-Disposition", `attachment; filename="confman.backup"`)
		x.state = nil // it may take long
		if rest.skip > 0 {
			x.set("Content-Range", "bytes "+strconv.FormatInt(rest.skip, 10)+"-*/*") // nobody knows the end
		}
	}
	if x.r.Method == http.MethodHead {
		return x.send(http.StatusOK, wire.MediaBinary, nil)
	}
	if err = x.Keeper.Backup(x.r.Context(), rest, at, begin); err == nil {
		err = rest.end()
	}
	if err != nil {
		return x.brokeOff(err)
	}
	return nil
}

// backupAt is the event that a backup is asked for as of, 0 for the present.
func (x *exchange) backupAt() (uint64, error) {
	given := x.query.Get(wire.ParamAt)
	if given == "" {
		return 0, nil
	}
	index, err := x.moment(wire.ParamAt, given)
	if err != nil {
		return 0, err
	}
	if index == 0 {
		return 0, badParam(wire.ParamAt, "is before the first event")
	}
	return x.whole(index)
}

// backupRest passes on what the caller does not have yet.
func (x *exchange) backupRest(out steady) (*rest, error) {
	r := &rest{digest: sha256.New()}
	if given := x.r.Header.Get("Range"); given != "" {
		from, isRest := strings.CutSuffix(strings.TrimPrefix(given, "bytes="), "-")
		skip, err := strconv.ParseInt(from, 10, 64)
		if err != nil || !isRest || skip < 1 || x.query.Get(wire.ParamAt) == "" {
			return nil, events.Invalid("", "Range is %.40q: want bytes=N-, N being at least 1, and the position of the backup with ?at=", given)
		}
		sum, err := hex.DecodeString(x.r.Header.Get(wire.HeaderPrefixSHA256))
		if err != nil || len(sum) != sha256.Size {
			return nil, events.Invalid("", "%s is missing or not a SHA-256 in hex: that of the %d bytes that you have", wire.HeaderPrefixSHA256, skip)
		}
		r.skip, r.want, out.status = skip, sum, http.StatusPartialContent
	}
	r.out = out
	r.to = bufio.NewWriterSize(out, proofBuffer)
	return r, nil
}

// rest keeps the beginning of what is written to itself, once it has proved to be
// what the caller has, and passes on the rest.
type rest struct {
	out    steady
	to     *bufio.Writer
	skip   int64 // bytes of the beginning that are still to come
	digest hash.Hash
	want   []byte // of the beginning
}

// Write takes what comes next.
func (r *rest) Write(b []byte) (n int, err error) {
	if r.skip > 0 {
		n = int(min(r.skip, int64(len(b))))
		r.digest.Write(b[:n])
		if r.skip -= int64(n); r.skip == 0 && !bytes.Equal(r.digest.Sum(nil), r.want) {
			return 0, errOtherBackup()
		}
	}
	if n == len(b) {
		return n, nil
	}
	passed, err := r.to.Write(b[n:])
	return n + passed, err
}

// end sends what is left. A caller who has all of it is sent nothing.
func (r *rest) end() error {
	if r.skip > 0 {
		return errOtherBackup()
	}
	if err := r.to.Flush(); err != nil {
		return err
	}
	_, err := r.out.Write(nil)
	return err
}

func errOtherBackup() error {
	return &events.Refusal{
		Kind:   events.ErrCondition,
		Detail: "the beginning that you have is not that of a backup which this node makes as of that event; begin anew, or ask the node that it came from",
	}
}
