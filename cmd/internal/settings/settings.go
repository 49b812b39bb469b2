package settings

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// secretAnnotation marks a flag as a secret, in [pflag.Flag.Annotations].
const secretAnnotation = "confman_secret"

// fileFlag names the settings file itself. Flag and variable may say it, the file may not.
const fileFlag = "config"

// Settings says where each setting of a flag set came from. It is what [Load] found, and does not follow later changes.
type Settings struct {
	origins []Origin
}

// loader is one run of [Load].
type loader struct {
	flags  *pflag.FlagSet
	others map[string]bool
	from   map[string]string // flag name → origin, for every flag that is not at its default
	errs   []error
}

// assignment is one value found for a flag in a file or a variable.
type assignment struct {
	text     string   // the value, unless it is a list
	list     []string // the elements, when isList
	isList   bool
	origin   string // file:line or env NAME
	indirect bool   // text is the path of a file that holds the value
}

// MarkSecret marks the named flags as secrets: masked wherever they are shown, and readable from a file through their
// _FILE name. It panics when a flag does not exist, which is a mistake in the program.
func MarkSecret(flags *pflag.FlagSet, names ...string) {
	for _, name := range names {
		if err := flags.SetAnnotation(name, secretAnnotation, []string{"true"}); err != nil {
			panic(fmt.Sprintf("settings: mark --%s as a secret: %v", name, err))
		}
	}
}

// Names returns every name that a setting of flags may have in a settings file or, in capitals, in a variable.
func Names(flags *pflag.FlagSet) []string {
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return
		}
		names = append(names, f.Name)
		if isSecret(f) {
			names = append(names, f.Name+"-file")
		}
	})
	return names
}

// Load gives every flag that was not set on the command line the value that a variable or the file has for it. Flags
// must have been parsed; those it sets count as changed, as if they had been on the command line.
//
// Environ is in the form of [os.Environ]; an empty variable counts as not set. File is the path of the settings file;
// when it is empty and flags have a --config, CONFMAN_CONFIG names it; else there is none. A file that is named must exist.
// Others are names that other commands use (see [Names]): accepted in file and variables, and passed over.
//
// The error joins everything that is wrong, one line each, and names file and line or variable. Flags are in an
// undefined mix of old and new values then.
func Load(flags *pflag.FlagSet, environ []string, file string, others ...string) (*Settings, error) {
	l := &loader{flags: flags, others: make(map[string]bool), from: make(map[string]string)}
	for _, name := range others {
		l.others[name] = true
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			l.from[f.Name] = "flag"
		}
	})

	fromEnv := l.readEnviron(environ)
	if file == "" {
		file = fromEnv[fileFlag].text
	}
	fromFile := l.readFile(file)

	flags.VisitAll(func(f *pflag.Flag) {
		if l.from[f.Name] != "" {
			return
		}
		if a, ok := fromEnv[f.Name]; ok {
			l.set(f, a)
		} else if a, ok := fromFile[f.Name]; ok {
			l.set(f, a)
		}
	})
	if err := errors.Join(l.errs...); err != nil {
		return nil, err
	}
	return &Settings{origins: l.origins()}, nil
}

// set gives f the value of a, or notes what is wrong with it.
func (l *loader) set(f *pflag.Flag, a assignment) {
	if a.indirect {
		content, err := readBounded(a.text)
		if err != nil {
			l.fail(a.origin, "setting %q: %v", f.Name, err)
			return
		}
		a.origin += " (" + a.text + ")"
		a.text = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	}
	var err error
	if a.isList {
		err = setList(f, a.list)
	} else {
		err = l.flags.Set(f.Name, a.text)
	}
	if err != nil {
		l.fail(a.origin, "%s", rejection(f, a, err))
		return
	}
	l.from[f.Name] = a.origin
}

// setList replaces the elements of a list flag, without sending them through its comma-separated form.
func setList(f *pflag.Flag, elements []string) error {
	list, ok := f.Value.(pflag.SliceValue)
	if !ok {
		return errors.New("one value, not a list")
	}
	if err := list.Replace(elements); err != nil {
		return err
	}
	f.Changed = true
	return nil
}

// fail notes a mistake found at origin.
func (l *loader) fail(origin, format string, args ...any) {
	l.errs = append(l.errs, fmt.Errorf("%s: "+format, append([]any{origin}, args...)...))
}

// lookup finds the flag that name means. Indirect is true when name is the -file form of a secret.
func (l *loader) lookup(name string) (f *pflag.Flag, indirect bool) {
	if f = l.flags.Lookup(name); f != nil {
		return f, false
	}
	if secret, ok := strings.CutSuffix(name, "-file"); ok {
		if f = l.flags.Lookup(secret); f != nil && isSecret(f) {
			return f, true
		}
	}
	return nil, false
}

func isSecret(f *pflag.Flag) bool {
	return len(f.Annotations[secretAnnotation]) > 0
}

// rejection words what a flag's parser said about a value. The value of a secret stays out of it, and so does the
// parser's own text, which often quotes it.
func rejection(f *pflag.Flag, a assignment, err error) string {
	var invalid *pflag.InvalidValueError
	if errors.As(err, &invalid) {
		err = invalid.Unwrap()
	}
	want := expectation(f)
	if isSecret(f) {
		return fmt.Sprintf("setting %q is not valid: expected %s", f.Name, want)
	}
	value := fmt.Sprintf("%q", a.text)
	if a.isList {
		value = fmt.Sprintf("%q", a.list)
	}
	return fmt.Sprintf("setting %q is %s: expected %s (%v)", f.Name, value, want, err)
}

// expectation says what values f takes, for a reader who has just given another one.
func expectation(f *pflag.Flag) string {
	switch t := f.Value.Type(); t {
	case "bool":
		return "true or false"
	case "int", "int8", "int16", "int32", "int64", "count":
		return "a whole number"
	case "uint", "uint8", "uint16", "uint32", "uint64":
		return "a whole number, 0 or more"
	case "float32", "float64":
		return "a number"
	case "duration":
		return "a duration such as 200ms, 5s or 24h"
	case sizeType:
		return "a size such as 1048576, 256MiB or 1GB"
	default:
		return "a " + t
	}
}
