package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"

	"confman/api/client"
	"confman/api/wire"
)

// modifyAttempts is how often a document is read and changed again when somebody
// else wrote it in between.
const modifyAttempts = 5

// document is how one kind of document of a namespace is read and written.
type document[T any] struct {
	get  func(ctx context.Context, namespace string, resolve bool, r client.Read) (T, error)
	put  func(ctx context.Context, namespace string, doc T, w client.Write) (T, error)
	bare func(doc *T) (revision uint64) // takes away what only an answer has
}

func roles(c *client.Client) document[wire.Roles] {
	return document[wire.Roles]{c.Roles, c.PutRoles, func(r *wire.Roles) uint64 {
		revision := r.Index
		r.Origin = wire.Origin{}
		return revision
	}}
}

func namespaceSettings(c *client.Client) document[wire.Settings] {
	return document[wire.Settings]{c.Settings, c.PutSettings, func(s *wire.Settings) uint64 {
		revision := s.Index
		s.Origin, s.From, s.Usage = wire.Origin{}, nil, nil
		return revision
	}}
}

// errUnchanged is the answer of an edit that changes nothing.
var errUnchanged = errors.New("nothing to change")

// modify reads a document, has edit change it and writes it, unless it is --dry-run,
// over the revision that was read and no other.
func modify[T any](ctx context.Context, w *change, d document[T], namespace string, edit func(*T) error) (doc T, err error) {
	for attempt := 1; ; attempt++ {
		doc, err = d.get(ctx, namespace, false, client.Read{Linearizable: true})
		if err != nil {
			return doc, err
		}
		revision := d.bare(&doc)
		if err = edit(&doc); err != nil || w.dryRun {
			return doc, err
		}
		write := w.write(nil)
		write.IfRevision = &revision
		var written T
		written, err = d.put(ctx, namespace, doc, write)
		if !errors.Is(err, client.ErrConditionFailed) || attempt == modifyAttempts {
			return written, err
		}
	}
}

// readDocument reads JSON, or YAML, from a file or stdin. A member that there is
// not is an error: it would be a rule that never holds.
func readDocument(env Env, path string, into any) error {
	data, err := readInput(env, path)
	if err != nil {
		return err
	}
	var tree any
	if err = yaml.Unmarshal(data, &tree); err == nil {
		data, err = json.Marshal(tree)
	}
	if err == nil {
		err = strictly(data, into)
	}
	if err != nil {
		return &ExitError{Code: ExitInvalid, Err: fmt.Errorf("read %s: %w", path, err)}
	}
	return nil
}

// readInput reads a file, or stdin where path is "-".
func readInput(env Env, path string) (data []byte, err error) {
	if path == "-" {
		data, err = readAtMost(env.Stdin, maxValueBytes)
	} else {
		data, err = readFile(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return data, nil
}

// readJSON reads one JSON text from a file or stdin.
func readJSON(env Env, path string) (json.RawMessage, error) {
	data, err := readInput(env, path)
	if err != nil {
		return nil, err
	}
	var value json.RawMessage
	if err := json.Unmarshal(data, &value); err != nil {
		return nil, &ExitError{Code: ExitInvalid, Err: fmt.Errorf("read %s: %w", path, err)}
	}
	return value, nil
}

// strictly decodes JSON and refuses members that are not known.
func strictly(data []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(into)
}

// completeFile offers a namespace first, and files after it.
func (s *connection) completeFile(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return s.completeNamespaces(cmd, args, typed)
	}
	return nil, cobra.ShellCompDirectiveDefault
}
