package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"confman/cmd/internal/settings"
	"confman/replication"
	"confman/replication/disk"
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
	Backups   BackupOptions
	Tracing   TraceOptions
	Overload  OverloadOptions
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
	Insecure                  bool // listen beyond this machine without TLS
}

// HTTPOptions say how the API meets the web.
type HTTPOptions struct {
	Forward      bool
	CORSOrigins  []string
	AllowedHosts []string
	Dashboard    DashboardOptions
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
	f.BoolVar(&o.TLS.Insecure, "insecure", false, "listen beyond this machine without TLS: keys, values and the cluster token then cross the network in clear")
	f.BoolVar(&o.HTTP.Forward, "forward", false, "carry writes to the leader instead of redirecting clients (307)")
	f.StringSliceVar(&o.HTTP.CORSOrigins, "cors-origin", nil, "web origin that may read answers, such as https://console.example")
	f.StringSliceVar(&o.HTTP.AllowedHosts, "allowed-host", nil, "host name that requests may address, beside that of --advertise (default: any)")
	f.Var(&o.Limits.MaxValueBytes, "max-value-bytes", "size limit of one value")
	f.Var(&o.Limits.MinFreeBytes, "min-free-bytes", "free disk space below which writes are refused, at least 256MiB; below twice as much the node does not lead, below half it takes nothing")
	o.Watches.flags(f)
	f.Uint64Var(&o.Retention.Events, "retention-events", 0, "events that the history keeps, 0 for all; either limit of retention lets events go")
	f.DurationVar(&o.Retention.Age, "retention-age", 0, "how long the history keeps events, at least 1m; 0 for ever")
	f.StringVar(&o.Archive, "archive", "", "directory of this node to which events are written before retention lets them go (default: they just go)")
	f.DurationVar(&o.Retention.Watch, "retention-watch", time.Minute, "events of this age or younger stay whatever --retention-events says, so that watches can resume")
	o.Identity.flags(f)
	o.Webhooks.flags(f)
	o.Denials.flags(f)
	o.Proof.flags(f)
	o.Backups.flags(f)
	o.Overload.flags(f)
	o.Tracing.flags(f)
	o.HTTP.Dashboard.flags(f)
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
	if least := settings.Size(disk.MinHardBytes); o.Limits.MinFreeBytes != 0 && o.Limits.MinFreeBytes < least {
		return fmt.Errorf("--min-free-bytes %v: at least %v: half of it must hold what the stores still write", &o.Limits.MinFreeBytes, &least)
	}
	return errors.Join(o.Identity.validate(), o.Denials.validate(), o.Backups.validate(), o.Overload.validate(), o.Tracing.validate(), o.HTTP.Dashboard.validate(), o.validateTLS())
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
	if t.Cert == "" && !t.Insecure && !loopback(o.Node.Listen) {
		return fmt.Errorf("--listen %s is reached from beyond this machine: give --tls-cert and --tls-key, or --insecure on a network that you trust", o.Node.Listen)
	}
	return nil
}

// adviseTLS says at a start what works and should not stay so.
func (o *Options) adviseTLS(log zerolog.Logger) {
	alone := o.Members.Join == "" && len(o.Members.Peers) == 1
	switch {
	case loopback(o.Node.Listen):
	case o.TLS.Cert == "":
		log.Warn().Str("listen", o.Node.Listen).Msg("no TLS: keys, values and the cluster token cross the network in clear (--insecure)")
	case o.TLS.PeerCA == "" && !alone:
		log.Warn().Msg("members prove themselves by the cluster token alone: with --peer-tls-ca they must show a certificate, too")
	}
}

// loopback reports whether an address to listen on is reached from this machine
// only. A name other than localhost is not looked up: it may mean another address
// tomorrow.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
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
