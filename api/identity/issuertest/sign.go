package issuertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
)

// Algorithms that an [Issuer] signs with, by their names in RFC 7518.
const (
	ES256 = "ES256"
	RS256 = "RS256"
)

// Key signs tokens.
type Key struct {
	ID      string
	Alg     string
	private crypto.Signer
}

// NewKey makes a key of its own that no issuer has published. An algorithm that is
// neither [ES256] nor [RS256] is a panic.
func NewKey(alg, id string) Key {
	var private crypto.Signer
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RS256:
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	default:
		err = fmt.Errorf("no algorithm %q", alg)
	}
	if err != nil {
		panic(err)
	}
	return Key{ID: id, Alg: alg, private: private}
}

// Sign makes a token of claims.
func (k Key) Sign(claims map[string]any) string {
	return seal(map[string]any{"alg": k.Alg, "kid": k.ID, "typ": "JWT"}, claims, k.sign)
}

// SignHMAC makes a token that claims HS256, with the key's public half, which
// everybody knows, as the secret: to be refused (RFC 8725, 2.1).
func (k Key) SignHMAC(claims map[string]any) string {
	public, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		panic(err)
	}
	return seal(map[string]any{"alg": "HS256", "kid": k.ID}, claims, func(text []byte) []byte {
		mac := hmac.New(sha256.New, public)
		mac.Write(text)
		return mac.Sum(nil)
	})
}

// Unsigned makes a token without a signature: to be refused.
func Unsigned(claims map[string]any) string {
	return seal(map[string]any{"alg": "none"}, claims, func([]byte) []byte { return nil })
}

func seal(header, claims map[string]any, sign func([]byte) []byte) string {
	text := encode(header) + "." + encode(claims)
	return text + "." + base64.RawURLEncoding.EncodeToString(sign([]byte(text)))
}

func encode(v map[string]any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

func (k Key) sign(text []byte) []byte {
	digest := sha256.Sum256(text)
	switch private := k.private.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
		if err != nil {
			panic(err)
		}
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	case *rsa.PrivateKey:
		signature, err := rsa.SignPKCS1v15(rand.Reader, private, crypto.SHA256, digest[:])
		if err != nil {
			panic(err)
		}
		return signature
	}
	panic("no such key")
}

// public is the key as a JSON Web Key (RFC 7517).
func (k Key) public() map[string]any {
	text := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	switch public := k.private.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := public.ECDH()
		if err != nil {
			panic(err)
		}
		raw := point.Bytes() // 4, x, y
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", text(raw[1:33]), text(raw[33:])
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", text(public.N.Bytes()), text(big.NewInt(int64(public.E)).Bytes())
	}
	return jwk
}
