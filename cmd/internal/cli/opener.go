package cli

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"confman/cmd/internal/sealing"
)

// opener opens files that may be encrypted with age.
type opener struct {
	identities []string // files with secret keys
	keys       []age.Identity
}

func (o *opener) flags(cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&o.identities, "identity", nil, "file with secret keys of age, for a backup that is encrypted; may be repeated")
}

// open opens a file, with a key if it is encrypted.
func (o *opener) open(path string) (io.ReadCloser, error) {
	if o.keys == nil {
		for _, file := range o.identities {
			keys, err := sealing.ReadIdentities(file)
			if err != nil {
				return nil, fmt.Errorf("--identity: %w", err)
			}
			o.keys = append(o.keys, keys...)
		}
	}
	f, err := sealing.Open(path, o.keys)
	if errors.Is(err, sealing.ErrSealed) && len(o.keys) == 0 {
		err = fmt.Errorf("%w: give --identity FILE, a file with the secret key", err)
	}
	if err != nil {
		return nil, err
	}
	return f, nil
}
