package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v4"
)

// shownContext is a context as it is printed: without its key.
type shownContext struct {
	Name      string   `json:"name"`
	Current   bool     `json:"current"`
	Addr      []string `json:"addr"`
	Namespace string   `json:"namespace,omitempty"`
	KeyFrom   string   `json:"keyFrom,omitempty"`
}

func (c contexts) shown(names ...string) (shown []shownContext, rows [][]string) {
	shown = []shownContext{}
	for _, name := range names {
		context := c.Contexts[name]
		from := context.APIKeyFile
		if context.APIKey != "" {
			from = "this file"
		}
		shown = append(shown, shownContext{name, name == c.Current, context.Addr, context.Namespace, from})
		mark := ""
		if name == c.Current {
			mark = "*"
		}
		rows = append(rows, []string{mark, name, cell(strings.Join(context.Addr, ",")), cell(context.Namespace), cell(from)})
	}
	return shown, rows
}

var contextHeader = []string{"CURRENT", "NAME", "ADDR", "NAMESPACE", "KEY FROM"}

func contextList(env Env) *cobra.Command {
	var output format
	cmd := &cobra.Command{Use: "list", Short: "List the contexts", Args: arguments(0, 0)}
	output.flag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		file, err := env.contexts()
		if err != nil {
			return err
		}
		shown, rows := file.shown(file.names()...)
		return output.print(env.Stdout, shown, func() error { return table(env.Stdout, contextHeader, rows) })
	}
	return cmd
}

func contextShow(env Env) *cobra.Command {
	var output format
	cmd := &cobra.Command{Use: "show [NAME]", Short: "Show a context, the current one where none is named", Args: arguments(0, 1)}
	output.flag(cmd)
	cmd.ValidArgsFunction = env.completeContexts
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		file, err := env.contexts()
		if err != nil {
			return err
		}
		name := strings.Join(append(args, file.Current)[:1], "")
		if name == "" {
			return &ExitError{Code: ExitNotFound, Err: fmt.Errorf("no current context in %s", env.ContextsPath())}
		}
		if _, err := file.named(name, env.ContextsPath()); err != nil {
			return err
		}
		shown, rows := file.shown(name)
		return output.print(env.Stdout, shown[0], func() error { return table(env.Stdout, contextHeader, rows) })
	}
	return cmd
}

func contextUse(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "use NAME", Short: "Make a context the current one", Args: arguments(1, 1)}
	cmd.ValidArgsFunction = env.completeContexts
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		file, err := env.contexts()
		if err != nil {
			return err
		}
		if _, err := file.named(args[0], env.ContextsPath()); err != nil {
			return err
		}
		if err := setCurrent(env.ContextsPath(), args[0]); err != nil {
			return fmt.Errorf("make %s the current context: %w", args[0], err)
		}
		fmt.Fprintf(env.Stderr, "now using context %s\n", args[0])
		return nil
	}
	return cmd
}

func (e Env) completeContexts(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	file, _ := e.contexts()
	return file.names(), cobra.ShellCompDirectiveNoFileComp
}

// setCurrent changes that one setting of the file; comments and all else stay.
func setCurrent(path, name string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil {
		return err
	}
	root := document.Content[0]
	value := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name}
	found := false
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "current" {
			value.LineComment = root.Content[i+1].LineComment
			root.Content[i+1], found = value, true
		}
	}
	if !found {
		root.Content = append([]*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: "current"}, value}, root.Content...)
	}
	if data, err = yaml.Dump(&document); err != nil {
		return err
	}
	return replace(path, data, info.Mode().Perm())
}

// replace writes a file anew: readers see the old content or the new.
func replace(path string, data []byte, mode os.FileMode) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), ".config-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // gone already where all went well
	defer temporary.Close()
	if err := temporary.Chmod(mode); err != nil {
		return err
	}
	if _, err := temporary.Write(data); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), path)
}
