package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// session is a login that is kept: what an issuer gave a person for a cluster.
type session struct {
	// Addr are the addresses that the token may be sent to: those that were asked
	// when it was made, whatever a context says later.
	Addr      []string  `json:"addr"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expiresAt,omitzero"` // zero: nobody said
	// RefreshToken gets the next token from TokenEndpoint. Empty: there is none.
	RefreshToken  string `json:"refreshToken,omitempty"`
	TokenEndpoint string `json:"tokenEndpoint,omitempty"`
	ClientID      string `json:"clientId,omitempty"`
}

// expired reports whether the token is of no use any more at now.
func (s session) expired(now time.Time) bool {
	return !s.ExpiresAt.IsZero() && !now.Before(s.ExpiresAt)
}

// lasts says how long the login is good, to follow other words.
func (s session) lasts() string {
	switch {
	case s.RefreshToken != "":
		return ", renewed while the issuer lets it"
	case s.ExpiresAt.IsZero():
		return ""
	}
	return " until " + when(s.ExpiresAt)
}

// loginName is what a login is kept under: the context, or the addresses where
// they come from elsewhere.
func loginName(context string, addr []string) string {
	if context != "" {
		return context
	}
	sorted := slices.Clone(addr)
	slices.Sort(sorted)
	return strings.Join(sorted, ",")
}

// session is the login of that name, if it is for all of these addresses.
func (e Env) session(name string, addr []string) (s session, found bool, err error) {
	all, err := e.sessions()
	if err != nil {
		return session{}, false, err
	}
	s, found = all[name]
	foreign := func(a string) bool { return !slices.Contains(s.Addr, a) }
	return s, found && !slices.ContainsFunc(addr, foreign), nil
}

// loginsPath is where logins are kept, beside the contexts; empty when there is
// no such place.
func (e Env) loginsPath() string {
	path := e.ContextsPath()
	if path == "" {
		return ""
	}
	return filepath.Join(filepath.Dir(path), "logins.json")
}

// sessions reads all logins by name. A file that others may read is refused.
func (e Env) sessions() (map[string]session, error) {
	all := map[string]session{}
	path := e.loginsPath()
	if path == "" {
		return all, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read logins: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read logins: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s holds logins and others may read it (mode %#o): chmod 600 it", path, info.Mode().Perm())
	}
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("read logins: %s: %w; remove it and log in again", path, err)
	}
	return all, nil
}

// changeSessions has change work on all logins, one process at a time, and keeps
// what it leaves unless it returns an error.
func (e Env) changeSessions(change func(map[string]session) error) error {
	path := e.loginsPath()
	if path == "" {
		return errors.New("no place to keep a login: set HOME or XDG_CONFIG_HOME")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("keep logins: %w", err)
	}
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("keep logins: %w", err)
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("keep logins: lock %s: %w", path, err)
	}
	all, err := e.sessions()
	if err != nil {
		return err
	}
	if err := change(all); err != nil {
		return err
	}
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("keep logins: %w", err)
	}
	if err := replace(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("keep logins: %w", err)
	}
	return nil
}
