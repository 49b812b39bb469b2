package api

import (
	"time"

	"confman/api/wire"
)

// verifyNotes is how often a verification says how far it is.
const verifyNotes = time.Second

// verifyNode answers GET /api/v1/audit/verify: lines that say how far it is, and
// one that says what was found.
func (x *exchange) verifyNode() error {
	if x.Prover == nil {
		return errNoProver()
	}
	from, to := uint64(0), uint64(0)
	if x.query.Get(wire.ParamFrom) != "" || x.query.Get(wire.ParamTo) != "" {
		var err error
		if from, to, err = x.proofRange(); err != nil {
			return err
		}
	}
	x.reflects(x.state.Position())
	x.provenance()
	x.set("Content-Type", wire.MediaNDJSON)
	out := x.steady()
	defer out.end()
	last := to
	if last == 0 {
		last = x.state.Index()
	}
	x.state = nil // it may take long
	said := x.Now()
	found, err := x.Prover.Verify(x.r.Context(), from, to, func(at uint64) {
		if now := x.Now(); now.Sub(said) >= verifyNotes {
			said = now
			_ = out.line(wire.Progress{At: at, To: last}) // whoever does not listen is found out by the last line
		}
	})
	if err != nil {
		return x.brokeOff(err)
	}
	found.Node = x.NodeID
	return out.line(found)
}

// line sends one line at once.
func (s steady) line(v any) error {
	line, err := encode(v)
	if err != nil {
		return err
	}
	if _, err := s.Write(append(line, '\n')); err != nil {
		return err
	}
	_ = s.to.Flush() // where it cannot, it comes with what follows
	return nil
}
