package client

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"confman/api/wire"
)

// Config says how a Client reaches its cluster. The zero value of each member
// means what its comment says.
type Config struct {
	// Endpoints are the base URLs of members, such as http://10.0.0.7:6100. At
	// least one; the more are given, the more may be down. Each Client starts
	// with another one and stays with it while it answers.
	Endpoints []string
	// Key is the API key. Empty: only the anonymous routes answer.
	Key string
	// HTTP sends the requests. Nil: a client of its own, with connections that
	// Close ends. Redirects are never left to it.
	HTTP *http.Client

	// Attempts is how often one call is tried at most, redirects not counted.
	// 0: 8, which lasts about six seconds when nobody answers at all.
	Attempts int
	// AttemptTimeout ends an attempt that hangs. 0: 10 seconds. What a read is
	// told to wait is added.
	AttemptTimeout time.Duration
	// ReadYourWrites makes every read wait, on whichever node answers, for the
	// highest event index that this Client has seen in any answer.
	ReadYourWrites bool
	// OnRetry is told of each attempt that failed and how long the next one
	// waits. Nil: nobody is told. It is called on the goroutine of the call, watch
	// or view.
	OnRetry func(err error, wait time.Duration)
	// UserAgent is sent with each request. Empty: "confman-go".
	UserAgent string
}

const (
	defaultAttempts       = 8
	defaultAttemptTimeout = 10 * time.Second
	defaultUserAgent      = "confman-go"
)

// Client talks to one cluster. It may be used by many goroutines at once.
type Client struct {
	config Config
	http   *http.Client
	owned  *http.Transport // nil when Config.HTTP was given
	nodes  *nodes
	budget *budget
	index  atomic.Uint64 // the highest X-Confman-Index seen
}

// New makes a Client. It connects to nobody; the error is about the Config.
func New(config Config) (*Client, error) {
	nodes, err := newNodes(config.Endpoints)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(config.Key, "\r\n\x00") {
		return nil, errors.New("the API key has a line break or NUL in it")
	}
	if config.Attempts < 0 || config.AttemptTimeout < 0 {
		return nil, fmt.Errorf("attempts %d and attempt timeout %v must not be negative", config.Attempts, config.AttemptTimeout)
	}
	if config.Attempts == 0 {
		config.Attempts = defaultAttempts
	}
	if config.AttemptTimeout == 0 {
		config.AttemptTimeout = defaultAttemptTimeout
	}
	if config.UserAgent == "" {
		config.UserAgent = defaultUserAgent
	}
	c := &Client{config: config, nodes: nodes, budget: newBudget(time.Now())}
	if config.HTTP == nil {
		c.owned = newTransport()
		c.http = &http.Client{Transport: c.owned}
	} else {
		given := *config.HTTP
		c.http = &given
	}
	c.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c, nil
}

func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 3 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
	}
}

// Close ends idle connections of a Client that made its own HTTP client.
func (c *Client) Close() {
	if c.owned != nil {
		c.owned.CloseIdleConnections()
	}
}

// Index is the highest event index that any answer so far reflected, since a watch
// was last told that the history is another one. Given to
// another Client as Read.MinIndex it carries read-your-writes over to it.
func (c *Client) Index() uint64 { return c.index.Load() }

func (c *Client) saw(index uint64) {
	for {
		highest := c.index.Load()
		if index <= highest || c.index.CompareAndSwap(highest, index) {
			return
		}
	}
}

// forget has no read wait any more for what was seen, where an error says that it
// was of another history: nobody may ever come as far.
func (c *Client) forget(err error) {
	var r *ResetError
	if errors.As(err, &r) && r.Reason == wire.ReasonOtherHistory {
		c.index.Store(0)
	}
}

// Read says how to read. The zero value reads what the answering node has now.
type Read struct {
	// At asks for the state as of an event index, a position or an RFC 3339
	// time. Empty: now. Of an index that no node has, each is asked once: the error
	// is ErrNotCaughtUp.
	At string
	// Resolve falls back to parent namespaces; ConfigEntry.From says which one
	// answered.
	Resolve bool
	// Linearizable has the leader confirm that nothing newer was acknowledged
	// before the read began. Without a quorum that is ErrUnavailable.
	Linearizable bool
	// MinIndex is an event index that the answer must reflect. Where the node
	// has not come that far within Wait, the error is ErrNotCaughtUp.
	MinIndex uint64
	// Wait is how long the node waits for MinIndex. 0: its default, 5 seconds.
	Wait time.Duration
	// Meta, when not nil, is filled in from the last answer, a refusal too.
	Meta *Meta
}

// Write says how to write.
type Write struct {
	// IdempotencyKey names the write, so that repeating it has no effect. Empty:
	// one is made up. Give the key of an UnknownOutcome to settle that write.
	IdempotencyKey string
	// IfVersion makes a put or delete of an entry conditional on the version it
	// has; 0 means that it must not exist. Nil: no condition. Where it does not
	// hold, the error is ErrConditionFailed.
	IfVersion *uint64
	// IfRevision is the same for a draft, by its Revision, and for roles, a schema
	// and settings, by the Index of their wire.Origin.
	IfRevision *uint64
	// Meta, when not nil, is filled in from the last answer, a refusal too.
	Meta *Meta
}

// Meta is what an answer says beside its body.
type Meta struct {
	Status        int
	Endpoint      string // the base URL of the node that answered
	Index         uint64 // the event index that the answer reflects
	Position      string
	CorrelationID string
	Replayed      bool          // this outcome is that of an earlier attempt with the same key
	LeaderKnown   bool          // on a local read: whether the node knew a leader
	Stale         time.Duration // on a local read: since the node last heard from a leader
	Silent        string        // members, separated by ", ", that the node asked for part of the answer in vain
}

// Created reports whether a put made something new.
func (m Meta) Created() bool { return m.Status == http.StatusCreated }
