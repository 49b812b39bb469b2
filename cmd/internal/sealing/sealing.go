// Package sealing encrypts files to public keys of age and opens them with its
// secret keys (age-encryption.org/v1). Keys are X25519 ones, age1… and
// AGE-SECRET-KEY-1…, as age-keygen makes them; passphrases, plugins and SSH keys
// are refused. No error tells a secret key.
package sealing

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
)

// magic is how a sealed file begins.
const magic = "age-encryption.org/v1\n"

const (
	secretPrefix = "AGE-SECRET-KEY-"
	maxKeyFile   = 1 << 20
)

// ErrSealed says that a file is encrypted and nothing was given to open it with.
var ErrSealed = errors.New("is encrypted with age")

// Recipients reads public keys.
func Recipients(keys []string) (to []age.Recipient, err error) {
	for _, key := range keys {
		key = strings.TrimSpace(key)
		if strings.HasPrefix(strings.ToUpper(key), secretPrefix) {
			return nil, errors.New("a recipient is a secret key: give the public one, age1…, which age-keygen -y prints, and make a new pair if others saw this one")
		}
		r, err := age.ParseX25519Recipient(key)
		if err != nil {
			return nil, fmt.Errorf("recipient %.80q: want an X25519 public key of age, age1…", key)
		}
		to = append(to, r)
	}
	return to, nil
}

// ReadRecipients reads a file with a public key a line; lines that are empty or
// begin with # do not count.
func ReadRecipients(path string) (to []age.Recipient, err error) {
	lines, err := keyLines(path)
	if err != nil {
		return nil, err
	}
	if to, err = Recipients(lines); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return to, nil
}

// ReadIdentities reads a file with a secret key a line, as ReadRecipients does.
func ReadIdentities(path string) (with []age.Identity, err error) {
	lines, err := keyLines(path)
	if err != nil {
		return nil, err
	}
	for i, line := range lines {
		id, err := age.ParseX25519Identity(line)
		if err != nil { // whose text has the key
			return nil, fmt.Errorf("%s: key %d of %d: want an X25519 secret key of age, %s1…", path, i+1, len(lines), secretPrefix)
		}
		with = append(with, id)
	}
	return with, nil
}

func keyLines(path string) (lines []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: no key in it", path)
	}
	return lines, nil
}

// Seal encrypts what is written to the recipients. Close it for its end.
func Seal(w io.Writer, to []age.Recipient) (io.WriteCloser, error) {
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return sealed, nil
}

// File is a file that is read, sealed or not.
type File struct {
	io.Reader
	io.Closer
	Sealed bool
}

// Open opens a file, with the identities if it is sealed. The error is ErrSealed
// when there are none.
func Open(path string, with []age.Identity) (*File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	buffered := bufio.NewReaderSize(f, 64<<10)
	head, _ := buffered.Peek(len(magic)) // what cannot be read is found out when it is
	file := &File{Reader: buffered, Closer: f, Sealed: string(head) == magic}
	if !file.Sealed {
		return file, nil
	}
	if len(with) == 0 {
		return nil, errors.Join(fmt.Errorf("%s %w", path, ErrSealed), f.Close())
	}
	var wrong *age.NoIdentityMatchError
	switch file.Reader, err = age.Decrypt(buffered, with...); {
	case errors.As(err, &wrong):
		err = fmt.Errorf("%s %w to other keys than those that were given", path, ErrSealed)
	case err != nil:
		err = fmt.Errorf("%s %w, and damaged: %w", path, ErrSealed, err)
	default:
		return file, nil
	}
	return nil, errors.Join(err, f.Close())
}
