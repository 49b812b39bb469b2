package identity

import (
	"strconv"
	"testing"
	"time"
)

func TestSessionsThatWereSignedOutAreRememberedWithinBounds(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	s, err := NewSessions(SessionsConfig{Secret: make([]byte, minSecret), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for n := range maxEnded {
		s.end(strconv.Itoa(n), now.Add(time.Duration(maxEnded-n)*time.Second))
	}
	s.end("one more", now.Add(time.Hour))
	if len(s.ended) != maxEnded || s.stands("one more") || s.stands("0") || !s.stands(strconv.Itoa(maxEnded-1)) {
		t.Errorf("%d are remembered; the one that expires first should be forgotten", len(s.ended))
	}
	now = now.Add(maxEnded / 2 * time.Second)
	s.end("another", now.Add(time.Hour))
	if len(s.ended) > maxEnded/2+1 || s.stands("another") || s.stands("0") {
		t.Errorf("%d are remembered, although half have expired", len(s.ended))
	}
}
