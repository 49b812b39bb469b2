package settings

import (
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// masked stands for a secret that is set.
const masked = "********"

// Origin is one setting as `confman config show --origin` prints it.
type Origin struct {
	Name  string `json:"name"`  // as the flag spells it
	Value string `json:"value"` // as the flag prints it; "********" for a secret that is set
	From  string `json:"from"`  // "default", "flag", "env CONFMAN_DATA" or "confman.yaml:4"; for a secret's file its path follows in parentheses
}

// Origins returns every setting but --help, sorted by name.
func (s *Settings) Origins() []Origin {
	return slices.Clone(s.origins)
}

// Without returns all but the named ones: a command that shows settings has flags of its own among them.
func Without(all []Origin, names ...string) []Origin {
	return slices.DeleteFunc(slices.Clone(all), func(o Origin) bool { return slices.Contains(names, o.Name) })
}

// origins reads the flags as they stand, in the order of their names.
func (l *loader) origins() []Origin {
	var all []Origin
	l.flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		o := Origin{Name: f.Name, Value: f.Value.String(), From: l.from[f.Name]}
		if o.From == "" {
			o.From = "default"
		}
		if isSecret(f) && o.Value != "" {
			o.Value = masked
		}
		all = append(all, o)
	})
	slices.SortFunc(all, func(a, b Origin) int { return strings.Compare(a.Name, b.Name) })
	return all
}
