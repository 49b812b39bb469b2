package api

import (
	"bufio"

	"confman/api/wire"
	"confman/events"
)

// backup answers GET /api/v1/cluster/backup: all that this node holds, as of the
// position that the answer names, to whoever may read it all. One that breaks off
// is not whole, and says so by its end.
func (x *exchange) backup() error {
	if x.Keeper == nil {
		return errNoKeeper()
	}
	x.logChange("back up", x.NodeID)
	x.set("Content-Type", wire.MediaBinary)
	x.set("Content-Disposition", `attachment; filename="confman.backup"`)
	out := x.steady()
	defer out.end()
	buffer := bufio.NewWriterSize(out, proofBuffer)
	err := x.Keeper.Backup(x.r.Context(), buffer, func(p events.Position) {
		x.reflects(p)
		x.provenance()
		x.state = nil // it may take long
	})
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		return x.brokeOff(err)
	}
	return nil
}
