package torture

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"confman/api/client"
	"confman/api/wire"
)

func TestErasuresAreCarriedOutOnNodesThatAreKilledMeanwhile(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	load := c.startLoad("app", 2, rng.Uint64())
	for i := range rounds(2, 30) {
		l := &leaked{c: c, value: fmt.Sprintf("leaked-%016x", rng.Uint64())}
		l.writeAndErase(i)
		victim := c.nodes[rng.IntN(3)]
		<-time.After(time.Duration(rng.IntN(400)) * time.Millisecond)
		t.Logf("kill -9 of %s", victim.id)
		victim.kill9()
		load.more(20)
		victim.start()
		c.awaitReady(c.nodes...)
		l.awaitScrubbed(c.nodes...)
		load.more(20)
	}
	acked := load.end()
	h := c.oneHistory()
	keeps(t, h, acked)
	c.checkPast(h, "app", load.keys, rng, 30)
	for _, n := range c.nodes {
		if v := c.verifyNode(n); !v.OK {
			t.Errorf("%s does not verify: %+v", n.id, v)
		}
	}
}

// writeAndErase writes the value, replaces it, and has it erased, whoever leads.
func (l *leaked) writeAndErase(round int) {
	c := l.c
	c.t.Helper()
	sdk := c.client(c.key)
	key, version := fmt.Sprintf("secret-%d", round), uint64(0)
	for i, text := range []string{l.value, "harmless"} {
		err := settle(c.t.Context(), fmt.Sprintf("%s-%d", l.value[:12], i), func(w client.Write) error {
			e, err := sdk.Put(c.t.Context(), "vault", key, value(text), w)
			if i == 0 {
				version = e.Version
			}
			return err
		})
		if err != nil {
			c.t.Fatal(err)
		}
	}
	unwanted := wire.Erase{Namespace: "vault", Key: key, Version: version, Reason: "it was leaked"}
	await(c.t, "the erasure", func() error {
		a, err := c.do(c.leader(), http.MethodPost, "/api/v1/audit/erasures", unwanted, wire.HeaderIdempotencyKey, "erase-"+l.value)
		if err == nil && a.status != http.StatusCreated {
			err = errors.New(a.String())
		}
		return err
	})
}
