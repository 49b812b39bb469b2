package api

import (
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

const (
	keyPrefix    = "cfm_"
	keyIDChars   = 12 // 60 random bits: names the key, no secret
	secretChars  = 26 // 130 random bits
	mintAlphabet = "abcdefghijklmnopqrstuvwxyz234567"
)

// MintKey makes up an API key, cfm_ID_SECRET_CHECKSUM, from random bytes. The
// checksum is the CRC-32 (IEEE) of what stands before it, in hex: whoever finds
// or mistypes a key can tell without asking. Only [events.DigestKey] of it may
// be kept. A source of randomness that fails is a panic, as in crypto/rand.
func MintKey(random io.Reader) (id, key string) {
	raw := make([]byte, keyIDChars+secretChars)
	if _, err := io.ReadFull(random, raw); err != nil {
		panic(fmt.Sprintf("mint an API key: %v", err))
	}
	for i, b := range raw {
		raw[i] = mintAlphabet[b%32]
	}
	id = string(raw[:keyIDChars])
	body := keyPrefix + id + "_" + strings.ToUpper(string(raw[keyIDChars:]))
	return id, body + "_" + keyChecksum(body)
}

func keyChecksum(body string) string {
	return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(body)))
}

// mistyped reports whether a key of our form has a checksum that is wrong.
func mistyped(key string) bool {
	cut := strings.LastIndexByte(key, '_')
	return strings.HasPrefix(key, keyPrefix) && cut >= len(keyPrefix) && keyChecksum(key[:cut]) != key[cut+1:]
}
