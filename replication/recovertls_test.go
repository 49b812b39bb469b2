package replication

import (
	"crypto/tls"
	"testing"
)

func TestARecoveryKnowsWhetherMembersSpokeTLS(t *testing.T) {
	c := newCluster(t, 3)
	config, _ := c.lose("n3", 1)
	id, err := readIdentity(raftDir(config.Dir))
	if err != nil || id.TLS {
		t.Fatalf("%+v, %v", id, err)
	}
	config.ClientTLS = func() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS13} }
	c.start(Config{Member: config.Member, Dir: config.Dir, Peers: config.Peers, ClientTLS: config.ClientTLS, tuning: tuning{abrupt: true}}, listen(t, config.Address))
	eventually(t, "it is noted", func() bool {
		id, err := readIdentity(raftDir(config.Dir))
		return err == nil && id.TLS
	})
	c.stop("n3")
	if r := recovered(t, config.Dir); !r.TLS {
		t.Errorf("recovered without TLS: %+v", r)
	}
	if id, err = readIdentity(raftDir(config.Dir)); err != nil || !id.TLS || id.Origin == nil {
		t.Errorf("%+v, %v", id, err)
	}
}
