package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/api/wire"
)

// maxValueBytes bounds what is read for a value; the server's own limit is
// lower unless it was raised.
const maxValueBytes = 64 << 20

const setHelp = `Set the value of a key, which need not exist; nor need the namespace.

The value is the argument itself, with @FILE the content of a file, with - what
comes on stdin: byte for byte, a newline at the end included. One that begins
with a dash comes after --, one that begins with @ through stdin.

It is a string unless --type says number, boolean, json, binary or secret-ref.
A binary is given as its bytes. Setting the value that is there already changes
nothing and makes no event.`

func set(env Env) *cobra.Command {
	w := &change{connection: connection{env: env}}
	put := wire.PutConfig{}
	var description string
	var ifVersion uint64
	cmd := &cobra.Command{
		Use: "set NS KEY VALUE|@FILE|-", Short: "Set the value of a key", Args: arguments(2, 3), Long: setHelp,
		Example: "  confman set teams/payments db.url postgres://db/pay\n  confman set teams/payments pool.size 5 --type number --if-version 3\n  confman set teams/payments ca.pem @ca.pem --comment 'renewed'",
	}
	w.flags(cmd)
	w.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&put.Type, "type", wire.TypeString, "string, number, boolean, json, binary or secret-ref")
	f.StringVar(&put.Comment, "comment", "", "why; recorded with the change")
	f.StringVar(&description, "description", "", "what the key is for; without this flag it stays as it is")
	f.Uint64Var(&ifVersion, "if-version", 0, "only if the key is at this version; 0: only if it does not exist")
	cmd.ValidArgsFunction = w.completeEntry(1)
	_ = cmd.RegisterFlagCompletionFunc("type", valueTypes())
	return w.runs(cmd, func(ctx context.Context, c *client.Client, args []string) error {
		namespace, args, err := w.namespaced(cmd, args, 2)
		if err != nil {
			return err
		}
		if put.Value, err = readValue(env, args[1], put.Type); err != nil {
			return err
		}
		if f.Changed("description") {
			put.Description = &description
		}
		var meta client.Meta
		write := w.write(&meta)
		if f.Changed("if-version") {
			write.IfVersion = &ifVersion
		}
		if w.dryRun {
			return drySet(ctx, c, w, namespace, args[0], put, write)
		}
		entry, err := c.Put(ctx, namespace, args[0], put, write)
		if err != nil {
			return orReviewed(err, namespace, args[0], draftSetLine(namespace, args[0], args[1], put.Type))
		}
		return w.output.print(env.Stdout, entry, func() error {
			verb := "set"
			if meta.Created() {
				verb = "created"
			}
			w.note("%s/%s %s: version %d", namespace, args[0], verb, entry.Version)
			return nil
		})
	})
}

// drySet says what a set would do now.
func drySet(ctx context.Context, c *client.Client, w *change, namespace, key string, put wire.PutConfig, write client.Write) error {
	now, err := c.Get(ctx, namespace, key, client.Read{})
	if err != nil && !errors.Is(err, client.ErrNotFound) {
		return err
	}
	if write.IfVersion != nil && now.Version != *write.IfVersion {
		return fmt.Errorf("%w: %s/%s is at version %d, not %d", client.ErrConditionFailed, namespace, key, now.Version, *write.IfVersion)
	}
	if now.Version == 0 {
		w.note("would create %s/%s as %s", namespace, key, valueCell(wire.TypeString, put.Value))
		return nil
	}
	w.note("would set %s/%s, version %d, from %s to %s", namespace, key, now.Version, valueCell(now.Type, now.Value), valueCell(wire.TypeString, put.Value))
	return nil
}

// readValue makes the JSON of a value that was given as an argument. The server
// is the judge of its type: it parses the text as that.
func readValue(env Env, argument, valueType string) (json.RawMessage, error) {
	data := []byte(argument)
	var err error
	switch {
	case argument == "-":
		data, err = readAtMost(env.Stdin, maxValueBytes)
	case strings.HasPrefix(argument, "@"):
		data, err = readFile(argument[1:])
	}
	if err != nil {
		return nil, fmt.Errorf("read the value: %w", err)
	}
	return encodeValue(data, valueType)
}

// encodeValue makes the JSON of a value that is there as bytes.
func encodeValue(data []byte, valueType string) (json.RawMessage, error) {
	text := string(data)
	switch valueType {
	case wire.TypeBinary:
		text = base64.StdEncoding.EncodeToString(data)
	case wire.TypeNumber, wire.TypeBoolean, wire.TypeJSON:
		text = string(bytes.TrimSpace(data))
	}
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%w: the value is not UTF-8 text: use --type binary", client.ErrInvalid)
	}
	var quoted bytes.Buffer
	encoder := json.NewEncoder(&quoted)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return nil, fmt.Errorf("encode the value: %w", err)
	}
	return bytes.TrimSpace(quoted.Bytes()), nil
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readAtMost(file, maxValueBytes)
}

func readAtMost(r io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: more than %d bytes", client.ErrTooLarge, most)
	}
	return data, err
}
