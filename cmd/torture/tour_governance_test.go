package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"confman/cmd/internal/bench"
	"confman/cmd/internal/cli"
	"confman/cmd/internal/server"
)

// stop is a command of a page and what the page shows below it.
type stop struct {
	line    int
	command string
	shown   []string
}

// tour is the session that a page tells of.
type tour struct {
	stops []stop
	files map[string]string // by name, what the reader is to write
}

var fileOnPage = regexp.MustCompile("`([a-z.]+)`:$")

// readTour takes the session from a page: the lines of its console blocks that
// begin with "$ ", each with what follows it, and the JSON blocks after a line
// that ends with a file's name and a colon.
func readTour(page string) tour {
	s := tour{files: map[string]string{}}
	block, named := "", ""
	for i, line := range strings.Split(page, "\n") {
		command, isCommand := strings.CutPrefix(line, "$ ")
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence:
			block = fence
		case block == "console" && isCommand:
			s.stops = append(s.stops, stop{line: i + 1, command: command})
		case block == "console":
			last := &s.stops[len(s.stops)-1]
			last.shown = append(last.shown, line)
		case block == "json" && named != "":
			s.files[named] += line + "\n"
		case line != "":
			named = ""
			if found := fileOnPage.FindStringSubmatch(line); found != nil {
				named = found[1]
			}
		}
	}
	return s
}

// script runs the stops in one shell, each followed by the mark and its exit
// code.
func (s tour) script(mark string) string {
	var b strings.Builder
	b.WriteString("exec 2>&1\n")
	for _, stop := range s.stops {
		fmt.Fprintf(&b, "%s\nprintf '\\n%s %%d\\n' $?\n", stop.command, mark)
	}
	return b.String()
}

// differs says how a stop's output is not what the page shows. Where the page
// shows nothing, the command has to succeed. "…" is any text up to the end of a
// line or, as a line of its own, any lines. Times, IDs and hashes are not
// compared.
func (s stop) differs(output string, code int) string {
	if len(s.shown) == 0 {
		if code != 0 {
			return fmt.Sprintf("exit code %d:\n%s", code, output)
		}
		return ""
	}
	var want strings.Builder
	for _, line := range s.shown {
		if line == "…" {
			want.WriteString(`(?:.*\n)*`)
			continue
		}
		want.WriteString(strings.ReplaceAll(regexp.QuoteMeta(settled(line)), "…", ".*") + `\n`)
	}
	if !regexp.MustCompile("^" + want.String() + "$").MatchString(settled(output) + "\n") {
		return fmt.Sprintf("the page shows\n%s\nit is, with exit code %d,\n%s", strings.Join(s.shown, "\n"), code, output)
	}
	return ""
}

var unsettled = regexp.MustCompile(`\b01[0-9A-HJKMNP-TV-Z]{24}\b|\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ|\b\d+\.\d s\b|\b(?:[0-9a-f]{8}|[0-9a-f]{16}|[0-9a-f]{64})\b`)

// settled leaves out what is another at each run: IDs, times and hashes.
func settled(text string) string { return unsettled.ReplaceAllString(text, "*") }

// walk runs the tour in a directory, against a cluster, and returns the output
// and the exit code of each stop.
func (s tour) walk(t *testing.T, c *cluster, dir string) (outputs []string, codes []int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const mark = "=== end of a stop"
	s.files["tour.sh"] = s.script(mark)
	s.files["confman"] = fmt.Sprintf("#!/bin/sh\n%s=1 exec '%s' \"$@\"\n", asNode, self)
	for name, content := range s.files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "tour.sh")
	shell.Dir = dir
	shell.Env = []string{
		"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + filepath.Join(dir, ".config"),
		"CONFMAN_ADDR=" + c.nodes[0].url(), "CONFMAN_API_KEY=" + c.key,
	}
	all, err := shell.Output()
	if err != nil {
		t.Fatalf("the shell: %v\n%s", err, all)
	}
	parts := regexp.MustCompile(`\n`+mark+` (\d+)\n`).FindAllStringSubmatchIndex(string(all), -1)
	for from, i := 0, 0; i < len(parts); i++ {
		code, _ := strconv.Atoi(string(all[parts[i][2]:parts[i][3]])) // digits
		outputs = append(outputs, strings.TrimRight(string(all[from:parts[i][0]]), "\n"))
		codes, from = append(codes, code), parts[i][1]
	}
	return outputs, codes
}

// shows walks the tour of a page and compares what happens with what it shows.
func (s tour) shows(t *testing.T, c *cluster, dir, page string) {
	t.Helper()
	outputs, codes := s.walk(t, c, dir)
	if len(outputs) != len(s.stops) {
		t.Fatalf("%d of %d commands have ended", len(outputs), len(s.stops))
	}
	for i, stop := range s.stops {
		if difference := stop.differs(outputs[i], codes[i]); difference != "" {
			t.Errorf("%s:%d: %s\n%s", page, stop.line, stop.command, difference)
		}
	}
}

// tourOf is the tour of a page that has at least so many commands.
func tourOf(t *testing.T, page string, least int) tour {
	t.Helper()
	text, err := os.ReadFile("../../" + page)
	if err != nil {
		t.Fatal(err)
	}
	s := readTour(string(text))
	if len(s.stops) < least {
		t.Fatalf("%s has %d commands", page, len(s.stops))
	}
	return s
}

func TestThePageOnGovernanceShowsWhatHappens(t *testing.T) {
	const page = "docs/governance.md"
	s := tourOf(t, page, 20)
	if s.files["schema.json"] == "" {
		t.Fatal("the page has no schema.json")
	}
	s.shows(t, form(t, plan{size: 1}), t.TempDir(), page)
}

// The node of this page signs checkpoints, the first one before its reader has
// typed anything.
func TestThePageOnTheAuditTrailShowsWhatHappens(t *testing.T) {
	const page = "docs/audit.md"
	s := tourOf(t, page, 20)
	dir := t.TempDir()
	key := filepath.Join(dir, "checkpoint.key")
	c := prepare(t, plan{size: 1, args: []string{"--checkpoint-key-file", key}})
	if _, stderr, code := c.confman("audit", "checkpoint", "keygen", key); code != 0 {
		t.Fatal(stderr)
	}
	c.nodes[0].start()
	await(t, "the first checkpoint", func() error {
		said, stderr, code := c.confman("audit", "checkpoint", "-o", "json")
		if code != 0 || strings.TrimSpace(said) == "[]" {
			return errors.New(stderr)
		}
		return nil
	})
	s.shows(t, c, dir, page)
}

// word matches one of a command line, with its quotes.
var word = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"|&;<>()])+`)

var quotes = strings.NewReplacer(`'`, "", `"`, "")

// calledFor matches a call of confman up to what else the shell is told.
var calledFor = regexp.MustCompile(`(?:^|[|&;(]\s*|\s)confman((?:\s+(?:'[^']*'|"[^"]*"|\$\([^)]*\)|[^\s'"|&;<>()#])+)+)`)

// callsOn are the arguments of the calls of confman in a page's console and sh
// blocks, by line.
func callsOn(page string) map[int][][]string {
	calls, block := map[int][][]string{}, ""
	for i, line := range strings.Split(page, "\n") {
		if fence, isFence := strings.CutPrefix(line, "```"); isFence {
			block = fence
		}
		command, isCommand := strings.CutPrefix(line, "$ ")
		if block != "sh" && (block != "console" || !isCommand) {
			continue
		}
		for _, call := range calledFor.FindAllStringSubmatch(command, -1) {
			args := word.FindAllString(call[1], -1)
			for i, arg := range args {
				args[i] = quotes.Replace(arg)
			}
			calls[i+1] = append(calls[i+1], args)
		}
	}
	return calls
}

// TestCommandsAndFlagsOnThePagesExist is for the pages that are not one session.
func TestCommandsAndFlagsOnThePagesExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, name := range append(pages, "../../README.md") {
		page, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for line, calls := range callsOn(string(page)) {
			for _, args := range calls {
				known++
				if err := understood(t, args); err != nil {
					t.Errorf("%s:%d: confman %s: %v", filepath.Base(name), line, strings.Join(args, " "), err)
				}
			}
		}
	}
	if known < 50 {
		t.Errorf("only %d commands were found", known)
	}
}

// onlyAGroup matches the help of a command that only has others below it: no
// flag of its own.
var onlyAGroup = regexp.MustCompile(`(?m)^Flags:\n  -h, --help .*\n\nUse "confman`)

// understood asks for the help of a command with its flags. A group of commands
// in its place means that the command is not there.
func understood(t *testing.T, args []string) error {
	t.Helper()
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	var said bytes.Buffer
	env := cli.Env{Stdin: strings.NewReader(""), Stdout: &said, Stderr: &said, Environ: []string{"HOME=" + t.TempDir()}}
	code := cli.Run(t.Context(), slices.Insert(slices.Clone(args), at, "--help"), env,
		server.Serve(env), server.Dev(env), server.Config(env), server.Rebuild(env), server.Doctor(env), bench.Command(env))
	if code != 0 || onlyAGroup.MatchString(said.String()) {
		return fmt.Errorf("code %d: %.200s", code, said.String())
	}
	return nil
}
