package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"confman/cmd/internal/settings"
	"confman/replication"
	"confman/streaming"
)

// Options is what `confman serve` can be told; see its --help.
type Options struct {
	Node     NodeOptions
	Members  MemberOptions
	TLS      TLSOptions
	HTTP     HTTPOptions
	Limits   LimitOptions
	Watches  WatchOptions
	LogLevel string
	LogForm  string

	Retention replication.Retention
	Archive   string
	Identity  IdentityOptions
	Webhooks  WebhookOptions
	Denials   DenialOptions
	Proof     ProofOptions
}

// NodeOptions say who the node is and where it lives.
type NodeOptions struct {
	ID        string
	Listen    string
	Advertise string
	Data      string
}

// MemberOptions say whom the node belongs with.
type MemberOptions struct {
	Peers     []string
	Join      string
	Learner   bool
	TokenFile string
	FirstKey  string // file
	Election  time.Duration
}

// TLSOptions name PEM files. They are read again when they change.
type TLSOptions struct {
	Cert, Key, ClientCA       string
	PeerCert, PeerKey, PeerCA string
}

// HTTPOptions say how the API meets the web.
type HTTPOptions struct {
	Forward      bool
	CORSOrigins  []string
	AllowedHosts []string
}

// LimitOptions bound sizes.
type LimitOptions struct {
	MaxValueBytes settings.Size
	MinFreeBytes  settings.Size
}

// WatchOptions bound how many watches the node serves.
type WatchOptions struct {
	Max             int
	MaxPerPrincipal int
}

func (o *WatchOptions) flags(f *pflag.FlagSet) {
	f.IntVar(&o.Max, "max-watches", streaming.DefaultWatches, "watches that one node serves at once")
	f.IntVar(&o.MaxPerPrincipal, "max-watches-per-principal", streaming.DefaultPerPrincipal, "watches of one principal that one node serves at once")
}

func (o WatchOptions) limits() streaming.Limits {
	return streaming.Limits{Watches: o.Max, PerPrincipal: o.MaxPerPrincipal}
}

// Flags declares the settings of serve.
func (o *Options) Flags(f *pflag.FlagSet) {
	o.Limits.MaxValueBytes, o.Limits.MinFreeBytes = 1<<20, 256<<20
	f.StringVar(&o.Node.ID, "id", "", "ID of this node in the cluster, never used again once removed (required)")
	f.StringVar(&o.Node.Listen, "listen", "127.0.0.1:6100", "address to listen on, for clients and members alike")
	f.StringVar(&o.Node.Advertise, "advertise", "", "HOST:PORT at which others reach this node (default: --listen)")
	f.StringVar(&o.Node.Data, "data", "", "data directory (required)")
	f.StringSliceVar(&o.Members.Peers, "peers", nil, "founding members ID=HOST:PORT, this node among them, the same list on all; alone: a cluster of one")
	f.StringVar(&o.Members.Join, "join", "", "URL of a member of a running cluster to join")
	f.BoolVar(&o.Members.Learner, "learner", false, "join without a vote, and stay so")
	f.StringVar(&o.Members.TokenFile, "cluster-token-file", "", "file with the secret that all members share, 16 bytes or more (required)")
	f.StringVar(&o.Members.FirstKey, "bootstrap-admin-key-file", "", "file with the first admin key, 16 bytes or more; without it one is made up and printed once")
	f.DurationVar(&o.Members.Election, "election-timeout", replication.DefaultElectionTimeout, "how long without a leader before another is elected")
	f.StringVar(&o.TLS.Cert, "tls-cert", "", "certificate of this node, PEM; with it the port speaks TLS only")
	f.StringVar(&o.TLS.Key, "tls-key", "", "key of --tls-cert, PEM")
	f.StringVar(&o.TLS.ClientCA, "tls-client-ca", "", "authorities whose certificates say which machine a client is, PEM; not those of members")
	f.StringVar(&o.TLS.PeerCert, "peer-tls-cert", "", "certificate that this node shows to members, PEM (default: --tls-cert)")
	f.StringVar(&o.TLS.PeerKey, "peer-tls-key", "", "key of --peer-tls-cert, PEM")
	f.StringVar(&o.TLS.PeerCA, "peer-tls-ca", "", "authorities that members' certificates must be of, PEM; with it members must show one")
	f.BoolVar(&o.HTTP.Forward, "forward", false, "carry writes to the leader instead of redirecting clients (307)")
	f.StringSliceVar(&o.HTTP.CORSOrigins, "cors-origin", nil, "web origin that may read answers, such as https://console.example")
	f.StringSliceVar(&o.HTTP.AllowedHosts, "allowed-host", nil, "host name that requests may address, beside that of --advertise (default: any)")
	f.Var(&o.Limits.MaxValueBytes, "max-value-bytes", "size limit of one value")
	f.Var(&o.Limits.MinFreeBytes, "min-free-bytes", "free disk space below which writes are refused")
	o.Watches.flags(f)
	f.Uint64Var(&o.Retention.Events, "retention-events", 0, "events that the history keeps, 0 for all; either limit of retention lets events go")
	f.DurationVar(&o.Retention.Age, "retention-age", 0, "how long the history keeps events, at least 1m; 0 for ever")
	f.StringVar(&o.Archive, "archive", "", "directory of this node to which events are written before retention lets them go (default: they just go)")
	f.DurationVar(&o.Retention.Watch, "retention-watch", time.Minute, "events of this age or younger stay whatever --retention-events says, so that watches can resume")
	o.Identity.flags(f)
	o.Webhooks.flags(f)
	o.Denials.flags(f)
	o.Proof.flags(f)
	f.StringVar(&o.LogLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.LogForm, "log-format", "auto", "auto, json or console")
}

// validate fills in what follows from the rest and refuses what cannot work.
func (o *Options) validate() error {
	if o.Node.ID == "" {
		return errors.New("--id is missing: the ID of this node, such as n1")
	}
	if o.Node.Data == "" {
		return errors.New("--data is missing: the directory for this node's data")
	}
	host, port, err := net.SplitHostPort(o.Node.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q: want HOST:PORT", o.Node.Listen)
	}
	if o.Node.Advertise == "" {
		if host == "" || host == "0.0.0.0" || host == "::" {
			return fmt.Errorf("--advertise is missing: with --listen %s others cannot know the address of this node", o.Node.Listen)
		}
		o.Node.Advertise = net.JoinHostPort(host, port)
	}
	if o.Watches.Max < 0 || o.Watches.MaxPerPrincipal < 0 {
		return errors.New("--max-watches and --max-watches-per-principal are not negative")
	}
	if _, err := o.Webhooks.prefixes(); err != nil {
		return err
	}
	return errors.Join(o.Identity.validate(), o.Denials.validate(), o.validateTLS())
}

func (o *Options) validateTLS() error {
	t := o.TLS
	if (t.Cert == "") != (t.Key == "") {
		return errors.New("--tls-cert and --tls-key go together")
	}
	if (t.PeerCert == "") != (t.PeerKey == "") {
		return errors.New("--peer-tls-cert and --peer-tls-key go together")
	}
	if t.Cert == "" && (t.ClientCA != "" || t.PeerCA != "" || t.PeerCert != "") {
		return errors.New("--tls-cert is missing: clients and members share one port, so TLS for members is TLS for all")
	}
	return nil
}

// members reads --peers. A node with neither --peers nor --join waits to be
// added to a cluster.
func (o *Options) members() ([]replication.Member, error) {
	var members []replication.Member
	for _, p := range o.Members.Peers {
		id, address, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("--peers %q: want ID=HOST:PORT", p)
		}
		members = append(members, replication.Member{ID: id, Address: address})
	}
	return members, nil
}

// minTokenBytes is how short a cluster token or a first key may be.
const minTokenBytes = 16

// token is the cluster's secret.
func (o *Options) token() (string, error) {
	if o.Members.TokenFile == "" {
		return "", errors.New("--cluster-token-file is missing: a file with a secret that all members share, such as made by: head -c 32 /dev/urandom | base64 > cluster-token")
	}
	return readSecret("--cluster-token-file", o.Members.TokenFile)
}

// readSecret reads a secret from a file, without white space around it.
func readSecret(setting, path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w", setting, err)
	}
	secret := strings.TrimSpace(string(data))
	if len(secret) < minTokenBytes {
		return "", fmt.Errorf("%s %s: %d bytes are too few for a secret, at least %d", setting, path, len(secret), minTokenBytes)
	}
	return secret, nil
}
