package cli

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"confman/events"
)

// The PEM blocks of key files: PKCS #8 (RFC 5958) and SubjectPublicKeyInfo
// (RFC 8410), as openssl genpkey -algorithm ed25519 makes them.
const (
	privateBlock = "PRIVATE KEY"
	publicBlock  = "PUBLIC KEY"
)

// CheckpointKeys reads a key file for signing checkpoints: PEM, the current key
// first, earlier ones after it.
func CheckpointKeys(file []byte) (keys []ed25519.PrivateKey, err error) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != privateBlock {
			continue
		}
		parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(ed25519.PrivateKey)
		if !ok {
			return nil, fmt.Errorf("a key of type %T, want Ed25519", parsed)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("no PRIVATE KEY block (PEM, PKCS #8) in it; confman audit checkpoint keygen FILE makes one")
	}
	return keys, nil
}

// trustedKeys reads the keys of a file, public or private, to be trusted.
func trustedKeys(file []byte) (keys []ed25519.PublicKey, err error) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != publicBlock {
			continue
		}
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return nil, err
		}
		key, ok := parsed.(ed25519.PublicKey)
		if !ok {
			return nil, fmt.Errorf("a key of type %T, want Ed25519", parsed)
		}
		keys = append(keys, key)
	}
	if len(keys) > 0 {
		return keys, nil
	}
	private, err := CheckpointKeys(file)
	if err != nil {
		return nil, errors.New("neither a PUBLIC KEY nor a PRIVATE KEY block (PEM) of an Ed25519 key in it")
	}
	for _, key := range private {
		keys = append(keys, key.Public().(ed25519.PublicKey))
	}
	return keys, nil
}

// newCheckpointKey makes a key and the content of its two files.
func newCheckpointKey() (id string, private, public []byte, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", nil, nil, err
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, nil, err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: privateBlock, Bytes: encoded})
	if encoded, err = x509.MarshalPKIXPublicKey(pub); err != nil {
		return "", nil, nil, err
	}
	public = pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: encoded})
	return events.CheckpointKeyID(pub), private, public, nil
}
