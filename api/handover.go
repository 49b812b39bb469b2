package api

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"time"

	"confman/api/admission"
	"confman/api/identity"
	"confman/api/wire"
	"confman/events"
)

// headerForwarded names the node that forwarded a request. A request that bears
// it is not forwarded again: two nodes that each take the other for the leader
// would pass it to and fro.
const headerForwarded = "X-Confman-Forwarded"

// handOver ends the exchange by sending the caller, or the request, to the
// leader.
func (x *exchange) handOver(leader string) {
	if x.r.Header.Get(headerForwarded) != "" {
		x.fail(fmt.Errorf("forwarded here, but %s leads: %w", leader, events.ErrUnavailable))
		return
	}
	if carry := x.carrier(); carry != nil {
		x.forward(leader, carry)
		return
	}
	x.set("Location", x.Scheme+"://"+leader+x.r.URL.RequestURI())
	x.set("Cache-Control", "no-store")
	_ = x.send(http.StatusTemporaryRedirect, "", nil)
}

// carrier carries the request to the leader; nil: the caller is redirected. A browser
// that is redirected does not take its cookie along, so a session's are always
// carried; a certificate cannot be.
func (x *exchange) carrier() http.RoundTripper {
	switch {
	case x.identity != nil && x.identity.Via == identity.ViaCertificate:
		return nil
	case x.Forward == nil && x.bySession():
		return x.Outside.Members
	}
	return x.Forward
}

// forward has the leader answer, in our name.
func (x *exchange) forward(leader string, carry http.RoundTripper) {
	if x.r.ContentLength > x.transactionBody() {
		x.fail(tooLong(x.transactionBody()))
		return
	}
	if x.principal.Name == "" {
		_ = x.identify() // whom the leader knows and this node does not yet waits among strangers
	}
	done, err := x.idle()
	if err != nil && x.endpoint.kind == admission.Urgent && x.principal.Name != "" {
		done, err = x.mayWrite, nil // it waits for nobody
	}
	if err != nil {
		x.fail(err)
		return
	}
	defer done()
	request := x.r.WithContext(x.r.Context())
	if x.body != nil { // it was read before this node learnt that it does not lead
		request.Body = io.NopCloser(bytes.NewReader(x.body))
		request.ContentLength = int64(len(x.body))
	}
	if request.Body != nil {
		request.Body = http.MaxBytesReader(x.w, request.Body, x.transactionBody())
	}
	switch size := request.ContentLength; {
	case x.body != nil || size == 0:
	case size < 0:
		x.mayRead(time.Now(), x.transactionBody())
	default:
		x.mayRead(time.Now(), size)
	}
	proxy := httputil.ReverseProxy{
		Transport: carry,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = x.Scheme, leader, ""
			p.Out.Header.Set(headerForwarded, x.NodeID)
			if x.bySession() { // whose origin was checked here, where the browser's Host is known
				p.Out.Header.Del("Origin")
				p.Out.Header.Del("Sec-Fetch-Site")
			}
			p.Out.Header.Set(wire.HeaderCorrelationID, x.correlation)
		},
		ModifyResponse: func(r *http.Response) error {
			clear(x.w.Header()) // the leader's are complete
			x.code = r.StatusCode
			x.denyForwarded(r.StatusCode, leader)
			x.noteForwarded(r.StatusCode)
			return nil
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) { x.fail(lost(leader, err)) },
	}
	proxy.ServeHTTP(x.w, request)
}

// lost judges a forwarded request that got no answer.
func lost(leader string, err error) error {
	var dial *net.OpError
	var stranger *tls.CertificateVerificationError
	var long *http.MaxBytesError
	switch {
	case errors.As(err, &long):
		return tooLong(long.Limit)
	case errors.As(err, &dial) && dial.Op == "dial", errors.As(err, &stranger):
		return fmt.Errorf("the leader %s is not reached (%w): %w", leader, err, events.ErrUnavailable)
	}
	return fmt.Errorf("forwarded to the leader %s, no answer (%w): %w", leader, err, events.ErrUnknown)
}
