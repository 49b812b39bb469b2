package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"confman/api/client"
	"confman/cmd/internal/formats"
)

const syncHelp = `Keep a directory equal to a namespace, until interrupted or, with --once, once.

Each key is a file at its path, with the bare value; with --as FILE there is one
file, in the format of its extension, as confman export would write it. A file is
replaced at once, so that a reader has the old content or the new, and not touched
where nothing changed. One that is changed or removed here is put back.

Files of deleted keys are removed, if sync wrote them; other files stay, and one in
the place of a key is an error. With --prune DIR is sync's alone: other files are
replaced and removed, except those whose names begin with a dot. Keys that cannot be
files, such as a and a/b together, are an error that names them; once sync runs, it
is said and DIR stays as it is until they are gone. Links are not followed.

DIR/.confman.json says which files are sync's and what state they are of; beside it
are the last known values, from which sync goes on when the cluster cannot be asked.

--exec CMD runs "sh -c CMD" after changes, once for what came together, with
CONFMAN_NAMESPACE, CONFMAN_POSITION, CONFMAN_DIRECTORY and CONFMAN_CHANGED, the number
of files. When CMD fails, so does sync, with its exit code, and runs it again when it
is started again; with --keep-going it is noted.

SIGTERM ends it in good order, with exit code 0.`

// syncing is the sync command.
type syncing struct {
	connection
	prefix, as, format string
	mode, dirMode      fileMode
	once, prune        bool
	every              time.Duration
	hook               hook

	directory string
	form      formats.Format // of --as
	begun     bool           // DIR was up to date once
	said      string         // why it is not now
}

// fileMode is a flag that is written in octal.
type fileMode fs.FileMode

// Set, String and Type make a file mode a flag.
func (m *fileMode) Set(text string) error {
	mode, err := strconv.ParseUint(text, 8, 12)
	if err != nil || mode&^uint64(fs.ModePerm) != 0 {
		return errors.New("want an octal mode such as 0640")
	}
	*m = fileMode(mode)
	return nil
}

// String is the mode in octal.
func (m *fileMode) String() string { return fmt.Sprintf("%04o", uint32(*m)) }

// Type is what help calls the value.
func (m *fileMode) Type() string { return "MODE" }

func syncFiles(env Env) *cobra.Command {
	s := &syncing{connection: connection{env: env}, mode: 0o640, dirMode: 0o750}
	cmd := &cobra.Command{
		Use: "sync NS DIR", Short: "Keep a directory equal to a namespace", Args: arguments(1, 2), Long: syncHelp,
		Example: "  confman sync teams/payments /etc/payments --exec 'systemctl reload payments'\n" +
			"  confman sync app/petclinic config --as application.properties --once",
	}
	s.reach(cmd)
	s.patience(cmd, execPatience)
	s.namespaceFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&s.prefix, "prefix", "", "only keys that begin with this")
	f.StringVar(&s.as, "as", "", "all in one file of this name, in the format of its extension")
	formatFlag(cmd, &s.format, "", "of --as, whatever its extension is: ")
	f.Var(&s.mode, "mode", "of files")
	f.Var(&s.dirMode, "dir-mode", "of directories that are made")
	f.BoolVar(&s.once, "once", false, "bring DIR up to date and end")
	f.BoolVar(&s.prune, "prune", false, "replace and remove files of others, too")
	f.DurationVar(&s.every, "check-every", 10*time.Second, "how often to look for changes that were made here; 0: never")
	f.StringVar(&s.hook.command, "exec", "", "run this after changes, with sh -c")
	f.BoolVar(&s.hook.keepGoing, "keep-going", false, "do not end when the command of --exec fails")
	f.DurationVar(&s.hook.grace, "grace", defaultGrace, "what the command of --exec has to end before it is killed, when sync ends")
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 && !cmd.Flags().Changed("namespace") {
			return s.completeNamespaces(cmd, args, typed)
		}
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return s.runsPatiently(cmd, func(ctx context.Context, c *client.Client, patience time.Duration, args []string) error {
		if err := s.prepare(cmd, args); err != nil {
			return err
		}
		stopped := watchStopping()
		return stopped.end(ctx, s.run(ctx, c, patience))
	})
}

// prepare checks the command line.
func (s *syncing) prepare(cmd *cobra.Command, args []string) error {
	namespace, rest, err := s.namespaced(cmd, args, 1)
	if err != nil {
		return err
	}
	s.namespace, s.directory = namespace, rest[0]
	s.hook.env, s.hook.warn = s.env, s.warn
	switch {
	case s.directory == "":
		return usage(cmd, "DIR is empty; the present directory is .")
	case s.hook.keepGoing && s.hook.command == "":
		return usage(cmd, "--keep-going is for --exec")
	case s.as == "" && s.format != "":
		return usage(cmd, "--format is for --as; without it values go into files as they are")
	case s.as == "":
		return nil
	case s.prune:
		return usage(cmd, "--prune is for a directory with a file for each key, not for --as")
	case filepath.Base(s.as) != s.as || strings.HasPrefix(s.as, "."):
		return usage(cmd, "--as %q: want the name of a file in DIR that does not begin with a dot", s.as)
	}
	if s.format != "" {
		if s.form, err = formats.ParseFormat(s.format); err != nil {
			return usage(cmd, "--format: %w", err)
		}
		return nil
	}
	var known bool
	if s.form, known = formats.FormatOf(s.as); !known {
		return usage(cmd, "--as %q: its extension belongs to no format: add --format", s.as)
	}
	return nil
}

func (s *syncing) run(ctx context.Context, c *client.Client, patience time.Duration) error {
	f, err := openFolder(folderConfig{
		path: s.directory, mode: fs.FileMode(s.mode), dirMode: fs.FileMode(s.dirMode), prune: s.prune,
		namespace: s.namespace, prefix: s.prefix, as: s.as, hooked: s.hook.command != "", note: s.note,
	})
	if err != nil {
		return err
	}
	defer f.close()
	l, err := s.openLive(ctx, c, client.ViewConfig{Namespace: s.namespace, Prefix: s.prefix, File: filepath.Join(s.directory, viewName)}, patience)
	if err != nil {
		return err
	}
	defer l.close()
	if s.once && l.stale {
		return fmt.Errorf("%w: %s cannot be brought up to date%s", client.ErrUnavailable, s.directory, reason(l.Status().Err))
	}
	changed := l.Changed()
	if err := s.update(ctx, l, f); err != nil || s.once {
		return err
	}
	s.begun = true
	tick := time.NewTicker(staleReports)
	defer tick.Stop()
	var check <-chan time.Time
	if s.every > 0 {
		ticker := time.NewTicker(s.every)
		defer ticker.Stop()
		check = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			l.report()
			continue
		case <-check:
		case <-changed:
			changed = l.Changed()
		}
		if err := s.update(ctx, l, f); err != nil {
			return err
		}
	}
}

// update makes the directory what the namespace is now, and tells the command.
func (s *syncing) update(ctx context.Context, l *live, f *folder) error {
	position := l.Status().Position // the entries are of this one or a later one
	wanted, err := s.files(l.entries())
	if err != nil && s.begun { // the next change may cure it
		if err.Error() != s.said {
			s.warn("%v; %s stays as it is", oneLine(err), s.directory)
		}
		s.said = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	s.said = ""
	changed, err := f.apply(wanted, position)
	if err != nil {
		return err
	}
	if changed > 0 {
		s.note("%s: %s changed, event %s", s.directory, counted(changed, "file"), position)
	}
	if !f.manifest.Pending {
		return nil
	}
	var v variables
	v.set(varEvent, "sync")
	v.set(varNamespace, s.namespace)
	v.set(varPosition, position)
	v.set(varDirectory, s.directory)
	v.set(varChanged, strconv.Itoa(changed))
	if err := s.hook.run(ctx, "sync "+s.directory, v, nil); err != nil {
		return err
	}
	return f.done()
}

// files are the files that entries make, by path.
func (s *syncing) files(entries []formats.Entry) (files map[string][]byte, err error) {
	if s.as == "" {
		files, err = formats.Files(entries)
	} else {
		var document []byte
		document, err = formats.Unflatten(s.form, entries)
		files = map[string][]byte{s.as: document}
	}
	if err != nil {
		return nil, unusable(fmt.Errorf("sync %s: %w", s.namespace, err))
	}
	return files, nil
}
