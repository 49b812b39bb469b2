package identity

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Something sealed is base64url, without padding, of
//
//	offset 0   format, 1
//	       1   nonce, random
//	      13   JSON, encrypted with AES-256-GCM
//
// It can be read and made only by who knows the cluster's secret.
const (
	sealFormat   = 1
	sealKeyBytes = 32
)

// minSecret is how short the cluster's secret may be, in bytes.
const minSecret = 16

var errSeal = errors.New("altered, cut off, or made by another cluster")

// sealer seals for one purpose.
type sealer struct {
	aead   cipher.AEAD
	random io.Reader
}

// newSealer derives a key from the cluster's secret (RFC 5869). Keys of different
// purposes tell nothing about each other, so what was sealed for one does not open
// for another.
func newSealer(secret []byte, purpose string, random io.Reader) (sealer, error) {
	if len(secret) < minSecret {
		return sealer{}, fmt.Errorf("the secret has %d bytes, at least %d are needed", len(secret), minSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, purpose, sealKeyBytes)
	if err != nil {
		return sealer{}, fmt.Errorf("derive the key of %s: %w", purpose, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, fmt.Errorf("use the key of %s: %w", purpose, err)
	}
	aead, err := cipher.NewGCM(block)
	return sealer{aead, random}, err
}

func (s sealer) seal(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	raw := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(text)+s.aead.Overhead())
	raw[0] = sealFormat
	if _, err := io.ReadFull(s.random, raw[1:]); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(raw, raw[1:], text, nil)), nil
}

// lineBreaks are what decoding base64 skips, so that one thing could be written in
// many ways.
const lineBreaks = "\r\n"

// open fails with errSeal for whatever was not sealed for the same purpose with
// the same secret.
func (s sealer) open(sealed string, v any) error {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	start := 1 + s.aead.NonceSize()
	if err != nil || strings.ContainsAny(sealed, lineBreaks) || len(raw) < start || raw[0] != sealFormat {
		return errSeal
	}
	text, err := s.aead.Open(nil, raw[1:start], raw[start:], nil)
	if err != nil {
		return errSeal
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read what we sealed: %w", err)
	}
	return nil
}
