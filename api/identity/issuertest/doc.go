// Package issuertest is an OpenID Connect issuer for tests: a real HTTP server on
// loopback with discovery, keys that can be rotated, the authorization code flow
// with PKCE and the device authorization grant. It lets in whoever [Issuer.SignIn]
// says, at once, and checks what a client sends as strictly as a good issuer does.
package issuertest
