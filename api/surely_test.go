package api

import (
	"testing"

	"confman/api/wire"
	"confman/events"
)

func TestThatAWriteIsAboutNothingIsConfirmed(t *testing.T) {
	d := newDesk(t)
	const nobody = "01M0000000000000000000NOBO"
	writes := map[string][2]string{
		"approve": {"POST", requestsPath + "/" + nobody + "/approve"},
		"reject":  {"POST", requestsPath + "/" + nobody + "/reject"},
		"webhook": {"DELETE", "/api/v1/webhooks/" + nobody},
	}
	for name, w := range writes {
		t.Run(name, func(t *testing.T) { d.do(w[0], w[1], nil).is(404) })
	}
	d.node.mu.Lock()
	d.node.uncertain = events.ErrUnavailable // as at a leader that was deposed and does not know
	d.node.mu.Unlock()
	for name, w := range writes {
		t.Run(name+" at a node in doubt", func(t *testing.T) { d.do(w[0], w[1], nil).problem(503, wire.ProblemUnavailable) })
	}
}
