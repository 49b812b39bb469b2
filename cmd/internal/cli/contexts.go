package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// contexts is the client's configuration file:
//
//	current: dev
//	contexts:
//	  dev:
//	    addr: http://127.0.0.1:6100
//	    api-key-file: ~/.config/confman/dev.key
//	    namespace: teams/payments
type contexts struct {
	Current  string             `yaml:"current"`
	Contexts map[string]cluster `yaml:"contexts"`
}

// cluster is one context: how to reach one cluster.
type cluster struct {
	Addr       addresses `yaml:"addr"`
	APIKey     string    `yaml:"api-key"`
	APIKeyFile string    `yaml:"api-key-file"` // "~/" at its beginning is the home directory
	Namespace  string    `yaml:"namespace"`

	name string
	home string // what ~ stands for
}

// addresses is a YAML list, or one string divided by commas.
type addresses []string

// UnmarshalYAML reads either form.
func (a *addresses) UnmarshalYAML(node *yaml.Node) error {
	var text string
	if node.Decode(&text) == nil {
		*a = strings.Split(text, ",")
		return nil
	}
	return node.Decode((*[]string)(a))
}

// ContextsPath is where the contexts are: $XDG_CONFIG_HOME/confman/config.yaml,
// with ~/.config where that variable is not set. Empty when there is no home
// either.
func (e Env) ContextsPath() string {
	dir := e.lookup("XDG_CONFIG_HOME")
	if dir == "" {
		home := e.lookup("HOME")
		if home == "" {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "confman", "config.yaml")
}

// contexts reads the file. One that does not exist holds nothing; one that
// holds a key and can be read by others is refused.
func (e Env) contexts() (contexts, error) {
	var file contexts
	path := e.ContextsPath()
	if path == "" {
		return file, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return file, nil
	}
	if err != nil {
		return file, fmt.Errorf("read contexts: %w", err)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data), yaml.WithKnownFields())
	if err == nil {
		err = loader.Load(&file)
	}
	if err != nil {
		return file, fmt.Errorf("read contexts: %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return file, fmt.Errorf("read contexts: %w", err)
	}
	for name, context := range file.Contexts {
		if context.APIKey != "" && info.Mode().Perm()&0o077 != 0 {
			return file, fmt.Errorf("%s holds the API key of context %s and others may read it (mode %#o): chmod 600 it", path, name, info.Mode().Perm())
		}
		context.name, context.home = name, e.lookup("HOME")
		file.Contexts[name] = context
	}
	return file, nil
}

// context returns the named context, or the current one when name is empty.
func (e Env) context(name string) (cluster, error) {
	file, err := e.contexts()
	if err != nil {
		return cluster{}, err
	}
	if name == "" {
		name = file.Current
	}
	if name == "" {
		return cluster{}, nil
	}
	return file.named(name, e.ContextsPath())
}

func (c contexts) named(name, path string) (cluster, error) {
	found, ok := c.Contexts[name]
	if !ok {
		return cluster{}, &ExitError{Code: ExitUsage, Err: fmt.Errorf("no context %q in %s; there are: %s", name, path, strings.Join(c.names(), ", "))}
	}
	return found, nil
}

func (c contexts) names() (names []string) {
	for name := range c.Contexts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// key is the API key, from wherever the context has it.
func (c cluster) key() (string, error) {
	if c.APIKeyFile == "" {
		return c.APIKey, nil
	}
	if c.APIKey != "" {
		return "", errors.New("a context has both api-key and api-key-file: remove one")
	}
	path := c.APIKeyFile
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		path = filepath.Join(c.home, rest)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read the API key of the context: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}
