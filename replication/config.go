package replication

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"confman/events"
	"confman/replication/disk"
)

// Member is a node as others know it.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"` // HOST:PORT, for Raft and for the API alike
}

// Announcer is told of records once readers can see what they did.
type Announcer interface {
	// Publish must not block.
	Publish([]events.Record)
	// Reset says that the history jumped: a snapshot was installed.
	Reset()
}

// Config says who a node is and how it behaves. ID, Advertise, Dir, Token,
// Announce and Fatal are required.
type Config struct {
	Member
	Dir     string
	Token   string   // shared by all nodes of the cluster
	Peers   []Member // the founding members, this node among them, the same list on all
	Join    string   // URL of a node of a running cluster to join instead
	Learner bool     // join without a vote

	Questions map[string]Answerer // what else members may ask, by name

	ClientTLS              func() *tls.Config // for dialling peers; nil: plain
	RequirePeerCertificate bool

	ElectionTimeout time.Duration // 0: 200 ms
	Rules           events.Rules
	MinFreeBytes    uint64 // below it writes are refused; 0: disk.DefaultHardBytes
	Retention       Retention
	Archive         string // directory to which records are written before they go; empty: they just go

	Proof ProofConfig
	About About

	// FirstKey is the API key that a history begins with. It is asked once, by
	// the node that begins it; FirstKeyStands is called when it is in the history.
	FirstKey       func() (events.CreateKey, error)
	FirstKeyStands func()

	Trace    Trace // nil: nobody asks
	Announce Announcer
	Fatal    func(error) // must end the process: this node can no longer follow the others
	Log      zerolog.Logger

	tuning tuning
}

// tuning is what tests want smaller than it should be. The zero value is right.
type tuning struct {
	trailing uint64 // Raft entries kept below a snapshot; 0: trailingLogs
	segment  int    // bytes of a log segment; 0: as package wal has it
	abrupt   bool   // stop without handing over and without a marker, as a crash does

	retention time.Duration                    // between looks at what is to be trimmed; 0: retentionInterval
	ahead     time.Duration                    // how far retention's clock is ahead
	worth     uint64                           // trimmed events for which the store is made anew; 0: worthEvents
	free      func(dir string) (uint64, error) // free space; nil: statfs
	looks     time.Duration                    // between looks at the disks; 0: a second
	level     events.Level                     // the feature level that the node says it knows; 0: the newest
}

// Limits of ElectionTimeout: below, ordinary pauses of a busy machine depose
// leaders; above, nobody waits for it.
const (
	DefaultElectionTimeout = 200 * time.Millisecond
	minElectionTimeout     = 50 * time.Millisecond
	maxElectionTimeout     = time.Minute
)

var memberID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (c *Config) validate() error {
	if c.ElectionTimeout == 0 {
		c.ElectionTimeout = DefaultElectionTimeout
	}
	if c.ElectionTimeout < minElectionTimeout || c.ElectionTimeout > maxElectionTimeout {
		return fmt.Errorf("election timeout %v: want %v to %v", c.ElectionTimeout, minElectionTimeout, maxElectionTimeout)
	}
	if c.Dir == "" || c.Token == "" || c.Announce == nil || c.Fatal == nil {
		return errors.New("replication: Dir, Token, Announce and Fatal are required")
	}
	if err := c.Member.validate(); err != nil {
		return err
	}
	if err := c.Retention.validate(); err != nil {
		return err
	}
	if err := c.Proof.validate(); err != nil {
		return err
	}
	if c.Join != "" && len(c.Peers) > 0 {
		return errors.New("give the founding members or a cluster to join, not both")
	}
	for _, p := range c.Peers {
		if err := p.validate(); err != nil {
			return fmt.Errorf("peers: %w", err)
		}
	}
	slices.SortFunc(c.Peers, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	for i, p := range c.Peers[:max(0, len(c.Peers)-1)] {
		if p.ID == c.Peers[i+1].ID {
			return fmt.Errorf("peers: %s is listed twice", p.ID)
		}
	}
	if len(c.Peers) > 0 && !slices.Contains(c.Peers, c.Member) {
		return fmt.Errorf("peers: this node is %s=%s, which the list %s does not have", c.ID, c.Address, listing(c.Peers))
	}
	return nil
}

// reserve is the free space that no file of a node may touch but those that writes
// need.
func (c *Config) reserve() uint64 { return cmp.Or(c.MinFreeBytes, disk.DefaultHardBytes) / 2 }

func (m Member) validate() error {
	if !memberID.MatchString(m.ID) {
		return fmt.Errorf("member ID %.80q: want 1 to 64 of A-Z a-z 0-9 . _ -", m.ID)
	}
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil || host == "" || port == "" || port == "0" {
		return fmt.Errorf("address %.80q of %s: want HOST:PORT", m.Address, m.ID)
	}
	return nil
}

// listing writes members as the --peers flag takes them.
func listing(members []Member) string {
	var s string
	for i, m := range members {
		if i > 0 {
			s += ","
		}
		s += m.ID + "=" + m.Address
	}
	return s
}
