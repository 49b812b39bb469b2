package lab

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"confman/api/client"
)

// dialer connects to a numeric address.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

func (l *Lab) newHTTP(dial dialer) *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DialContext: dial, MaxIdleConnsPerHost: 64, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Dial connects to a node's address from inside the node's own namespace.
func (l *Lab) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return l.dialInside(ctx, network, address)
}

func (l *Lab) dialInside(ctx context.Context, network, address string) (net.Conn, error) {
	for _, n := range l.Nodes() {
		if n.Address == address {
			return n.network.dial(ctx, network, address)
		}
	}
	return nil, fmt.Errorf("nobody of this lab is at %s", address)
}

// HTTP is the observer: it reaches every node from inside the node's own
// namespace, whatever is wrong with the network between them. It follows no
// redirects by itself.
func (l *Lab) HTTP() *http.Client { return l.observer }

// Outside reaches nodes from the bridge, and loses what they lose.
func (l *Lab) Outside() *http.Client { return l.outside }

// SDK is a client, through the observer, for some nodes, all if none are named.
// An attempt of it lasts 2 s.
func (l *Lab) SDK(key string, nodes ...*Node) (*client.Client, error) {
	return l.SDKWith(client.Config{Key: key}, nodes...)
}

// SDKWith is [Lab.SDK] with more to say. What the config leaves out is filled in.
func (l *Lab) SDKWith(config client.Config, nodes ...*Node) (*client.Client, error) {
	if len(nodes) == 0 {
		nodes = l.Nodes()
	}
	for _, n := range nodes {
		config.Endpoints = append(config.Endpoints, n.URL())
	}
	if config.HTTP == nil {
		config.HTTP = l.observer
	}
	if config.AttemptTimeout == 0 {
		config.AttemptTimeout = 2 * time.Second
	}
	return client.New(config)
}
