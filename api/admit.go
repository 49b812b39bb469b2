package api

import (
	"net"
	"net/http"
	"path"
	"strings"

	"confman/api/admission"
)

// weight is what a route asks of the node.
type weight struct {
	kind admission.Kind
	cost int    // places that it takes; see admission
	long string // what it is, if it takes none because it may last; "" else
}

// Costs of reads, in places. One of a single key is 1.
const (
	costList   = 8
	costSearch = admission.MaxCost
	// costBytes is how much of a write's body counts as much as the write.
	costBytes = 64 << 10
)

const exports = "exports" // or what costs as much

// weigh judges a route.
func (r route) weigh() weight {
	switch r.pattern {
	case watchPath:
		return weight{long: "watches"}
	case replayPath:
		return weight{long: "replays"}
	case v1 + "/cluster/backup", v1 + "/cluster/rebuild", v1 + "/audit/proof", v1 + "/audit/verify":
		return weight{long: exports}
	case v1 + "/audit", v1 + "/audit/denied", v1 + "/configs", v1 + "/search", v1 + "/diff", ns + "/audit":
		return weight{kind: admission.Read, cost: costSearch}
	}
	switch {
	case r.unlimited(), strings.HasPrefix(r.pattern, v1+"/cluster"):
		return weight{kind: admission.Urgent, cost: 1}
	case r.leads:
		return weight{kind: admission.Write, cost: 1}
	case r.method == get && !strings.HasSuffix(r.pattern, "}") && path.Base(r.pattern) != "whoami":
		return weight{kind: admission.Read, cost: costList}
	}
	return weight{kind: admission.Read, cost: 1}
}

// part is what an exchange holds of the node's limits.
type part struct {
	pass    admission.Pass
	entered bool   // had a place, if it has none now
	bytes   int64  // of its body and its answer
	export  bool   // it is one of the exports
	holder  string // the flow that bytes and export are held by
}

// turn serves the exchange when it may be. One with a body waits for its place once
// that was read, lest those who send slowly keep places taken.
func (x *exchange) turn() error {
	long := x.endpoint.long
	if long != "" {
		if err := x.gate.Grow(long); err != nil {
			return err
		}
	}
	switch {
	case long == exports:
		if err := x.lasts(); err != nil {
			return err
		}
	case long == "" && (x.r.ContentLength == 0 || x.r.Method != post && x.r.Method != put):
		if err := x.enter(); err != nil {
			return err
		}
	}
	return x.endpoint.serve(x)
}

// enter waits for a place.
func (x *exchange) enter() (err error) {
	cost := x.endpoint.cost
	if x.endpoint.kind == admission.Write {
		cost += len(x.body) / costBytes
	}
	x.entered = true
	x.pass, err = x.gate.Enter(x.r.Context(), x.endpoint.kind, x.flow(), cost)
	return err
}

// flow is whose share of the node the exchange is part of: the principal's or, as
// long as that is not known, the address's.
func (x *exchange) flow() string {
	if x.principal.Name != "" {
		return x.principal.Name
	}
	host, _, err := net.SplitHostPort(x.r.RemoteAddr)
	if err != nil {
		host = x.r.RemoteAddr
	}
	return "\x00" + host
}

// lasts makes the exchange one of those that last: it gives its place back.
func (x *exchange) lasts() error {
	x.pass.Leave()
	if x.export {
		return nil
	}
	if err := x.gate.Grow(exports); err != nil {
		return err
	}
	x.holder = x.flow()
	err := x.gate.Exports.Take(x.holder, 1)
	x.export = err == nil
	return err
}

// idle is called before the exchange waits for something else than a place, and
// done after it. The exchange gives its place back, and needs none afterwards.
func (x *exchange) idle() (done func(), err error) {
	x.pass.Leave()
	flow, waiting := x.flow(), x.gate.Waiting // it may be known better afterwards
	if x.principal.Name == "" {
		waiting = x.gate.Strangers
	}
	if err := waiting.Take(flow, 1); err != nil {
		return nil, err
	}
	return func() {
		waiting.Give(flow, 1)
		x.mayWrite()
	}, nil
}

// hold counts bytes that the exchange keeps in memory until its end.
func (x *exchange) hold(bytes int64) error {
	x.holder = x.flow()
	if err := x.gate.Bytes.Take(x.holder, bytes); err != nil {
		return err
	}
	x.bytes += bytes
	return nil
}

// counts reports whether a large answer counts as the caller's. What was written is
// told, whatever it takes; what anybody may ask for, even who is not known and takes
// long to read it, is the same bytes for all.
func (x *exchange) counts() bool {
	return !x.leads() && x.endpoint != nil && x.endpoint.access != anyone
}

// depart gives back all that the exchange still holds.
func (x *exchange) depart() {
	x.pass.Leave()
	if x.bytes > 0 {
		x.gate.Bytes.Give(x.holder, x.bytes)
	}
	if x.export {
		x.gate.Exports.Give(x.holder, 1)
	}
}

// crowded refuses all but what anybody may ask on a connection beyond the limits.
func (x *exchange) crowded() error {
	if x.Limits.Crowded == nil {
		return nil
	}
	err := x.Limits.Crowded(x.r)
	if err == nil {
		return nil
	}
	x.set("Connection", "close")
	return &admission.Refusal{Reason: admission.ReasonConnections, Detail: err.Error(), Kind: admission.ErrFull}
}

// control sets the deadlines of the connection; where it cannot, as in tests, none
// are needed.
func (x *exchange) control() *http.ResponseController { return http.NewResponseController(x.w) }

// enterAfter is enter for an exchange whose body was read.
func (x *exchange) enterAfter() error {
	if x.endpoint.long != "" || x.entered {
		return nil
	}
	return x.enter()
}

// leads reports whether the exchange is one that only the leader serves: it may
// have written something.
func (x *exchange) leads() bool { return x.endpoint != nil && x.endpoint.leads }
