package settings

import (
	"regexp"
	"strings"
)

// envPrefix is what every variable of ours begins with.
const envPrefix = "CONFMAN_"

// readEnviron returns what the variables say, by flag name, and notes what is wrong with them.
func (l *loader) readEnviron(environ []string) map[string]assignment {
	found := make(map[string]assignment)
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		tail, ours := strings.CutPrefix(variable, envPrefix)
		if !ours || value == "" {
			continue
		}
		name, origin := flagForm(tail), "env "+variable
		f, indirect := l.lookup(name)
		if f == nil || f.Name == "help" || variable != envForm(name) {
			if !l.others[name] && !fromKubernetes(variable, value) {
				l.fail(origin, "unknown setting%s", suggest(tail, Names(l.flags), envForm))
			}
			continue
		}
		if earlier, ok := found[f.Name]; ok && earlier.origin != origin {
			l.fail(origin, "setting %q is given twice, also by %s: unset one", f.Name, earlier.origin)
			continue
		}
		found[f.Name] = assignment{text: value, origin: origin, indirect: indirect}
	}
	return found
}

// envForm spells the name of a flag the way variables do.
func envForm(name string) string {
	return envPrefix + strings.ReplaceAll(strings.ToUpper(name), "-", "_")
}

// fromKubernetes tells whether the variable is one that Kubernetes puts into every pod of a namespace that has a
// service called confman or confman-something: nobody's setting, and no mistake of whoever starts this program.
// See "Environment variables" in https://kubernetes.io/docs/concepts/services-networking/service/.
func fromKubernetes(variable, value string) bool {
	if regexp.MustCompile(`_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$`).MatchString(variable) {
		return true
	}
	return strings.HasSuffix(variable, "_PORT") && strings.Contains(value, "://")
}
