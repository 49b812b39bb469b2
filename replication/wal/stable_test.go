package wal

import (
	"errors"
	"testing"
)

func TestPersistedTermIsZeroWhileATermIsWritten(t *testing.T) {
	store := newMemory()
	l, err := newLog(Config{Fatal: func(error) {}}, store)
	if err != nil {
		t.Fatal(err)
	}
	for term := uint64(1); term <= 3; term++ {
		store.before = func() error {
			if got := l.PersistedTerm(); got != 0 {
				t.Errorf("%d while term %d is written", got, term)
			}
			return nil
		}
		if err := l.SetUint64([]byte("CurrentTerm"), term); err != nil {
			t.Fatal(err)
		}
		if got := l.PersistedTerm(); got != term {
			t.Errorf("%d after term %d was written", got, term)
		}
	}
	store.before = func() error { return errors.New("input/output error") }
	_ = l.SetUint64([]byte("CurrentTerm"), 4)
	if got := l.PersistedTerm(); got != 0 {
		t.Errorf("%d after a write that failed: which term is on disk is unknown", got)
	}
}

func TestTermAndVoteSurviveReopening(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir)
	for _, err := range []error{
		l.SetUint64([]byte("CurrentTerm"), 12), vote(l, 12, "10.0.0.2:6100"), l.Set([]byte("other"), []byte{}), l.Close(),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	l, _ = open(t, dir)
	if got := l.PersistedTerm(); got != 12 {
		t.Errorf("term %d", got)
	}
	if got, err := l.GetUint64([]byte("CurrentTerm")); got != 12 || err != nil {
		t.Errorf("CurrentTerm %d, %v", got, err)
	}
	checkVote(t, l, 12, "10.0.0.2:6100")
	if got, err := l.Get([]byte("nothing")); got != nil || err != nil {
		t.Errorf("a key that was never set: %q, %v", got, err)
	}
}

// Raft writes the term of a vote, then its candidate. Between the two the old vote
// must still stand: the new term beside the old candidate is a vote nobody gave.
func TestCrashInsideAVoteLeavesTheOldVote(t *testing.T) {
	dir := t.TempDir()
	l, _ := open(t, dir)
	checkVote(t, l, 0, "")
	if err := vote(l, 4, "a:1"); err != nil {
		t.Fatal(err)
	}
	if err := l.SetUint64([]byte("LastVoteTerm"), 5); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, _ = open(t, dir)
	checkVote(t, l, 4, "a:1")
}

func TestAlteredStableValueIsCorrupt(t *testing.T) {
	for _, key := range []string{keyTerm, keyVote} {
		for i := range 12 {
			store := newMemory()
			fatal := make(chan error, 1)
			l, err := newLog(Config{Fatal: func(err error) { fatal <- err }}, store)
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(l.SetUint64([]byte("CurrentTerm"), 6), vote(l, 6, "a:1")); err != nil {
				t.Fatal(err)
			}
			store.values[key][i] ^= 4
			raftKey := map[string]string{keyTerm: "CurrentTerm", keyVote: "LastVoteTerm"}[key]
			if got, err := l.GetUint64([]byte(raftKey)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s with byte %d altered: %d, %v", key, i, got, err)
			}
			if len(fatal) != 1 {
				t.Errorf("%s with byte %d altered: Fatal was not told", key, i)
			}
		}
	}
}

// vote does what Raft does.
func vote(l *Log, term uint64, candidate string) error {
	return errors.Join(l.SetUint64([]byte("LastVoteTerm"), term), l.Set([]byte("LastVoteCand"), []byte(candidate)))
}

func checkVote(t *testing.T, l *Log, term uint64, candidate string) {
	t.Helper()
	gotTerm, err := l.GetUint64([]byte("LastVoteTerm"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Get([]byte("LastVoteCand"))
	if err != nil {
		t.Fatal(err)
	}
	if gotTerm != term || string(got) != candidate {
		t.Errorf("vote for %q in term %d, want %q in %d", got, gotTerm, candidate, term)
	}
}
