package torture

import (
	"fmt"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"confman/api/wire"
	"confman/cmd/torture/modes"
)

const failuresPage = "docs/failure-modes.md"

// section is what stands below a heading of a page.
type section struct{ anchor, text string }

// failureSections are those of the page on failures, from the first mode on.
func failureSections(t *testing.T) (all []section) {
	t.Helper()
	page, err := os.ReadFile("../../" + failuresPage)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), "\n## ")[1:] {
		heading, text, _ := strings.Cut(part, "\n")
		all = append(all, section{strings.NewReplacer(" ", "-", ",", "").Replace(strings.ToLower(heading)), text})
	}
	return all
}

func TestThePageOnFailuresHasASectionForEachMode(t *testing.T) {
	const screen = 55 // lines
	sections := failureSections(t)
	if len(sections) != 11 {
		t.Fatalf("%d sections, want nine modes, security and backup", len(sections))
	}
	inMode := regexp.MustCompile("`go run ./cmd/torture/run --mode ([a-z-]+)`")
	var named []string
	for _, s := range sections {
		if n := strings.Count(s.text, "\n"); n > screen {
			t.Errorf("#%s has %d lines, which is more than a screen", s.anchor, n)
		}
		for _, found := range inMode.FindAllStringSubmatch(s.text, -1) {
			named = append(named, found[1])
		}
	}
	var there []string
	for _, m := range modes.All() {
		if m.Name != "mix" {
			there = append(there, m.Name)
		}
	}
	slices.Sort(named)
	slices.Sort(there)
	if !slices.Equal(named, there) {
		t.Errorf("the page is tested by the modes %q, there are %q", named, there)
	}
}

func TestThePageOnFailuresIsWhereEveryAlertLeads(t *testing.T) {
	text, err := os.ReadFile("../../docs/deploy/prometheus/confman.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	led := map[string][]string{} // alerts by where they lead
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			led[r.Annotations["runbook_url"]] = append(led[r.Annotations["runbook_url"]], r.Alert)
		}
	}
	alert := regexp.MustCompile(`\bConfman[A-Z]\w+`)
	for _, s := range failureSections(t) {
		want, got := led[failuresPage+"#"+s.anchor], alert.FindAllString(s.text, -1)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("#%s names the alerts %q, those that lead there are %q", s.anchor, got, want)
		}
		delete(led, failuresPage+"#"+s.anchor)
	}
	for url, alerts := range led {
		t.Errorf("%q lead to %s, which is not there", alerts, url)
	}
}

// The lines of the page that quote what the program says.
var (
	quoting  = regexp.MustCompile("^(?:\\* \\*\\*(?:Log|Ready|Status|Answers)\\*\\*|\\| `|\\*\\*A failing|\\*\\*A backup|`)")
	quoted   = regexp.MustCompile("`([^`]+)`")
	notSaid  = regexp.MustCompile(`^(?:confman |go |curl |iostat |/|-?-[a-z-]+$)`)
	aMetric  = regexp.MustCompile(`\bconfman_\w+`)
	emphasis = regexp.MustCompile(`^[\s,:;.]+|[\s,:;.]+$`)
)

// TestThePageOnFailuresQuotesWhatIsSaid looks for each constant part of a quotation
// among the texts in the program's source.
func TestThePageOnFailuresQuotesWhatIsSaid(t *testing.T) {
	texts, quotations := sourceTexts(t), 0
	for _, s := range failureSections(t) {
		for line := range strings.Lines(s.text) {
			for _, m := range aMetric.FindAllStringSubmatch(line, -1) {
				if !named(texts, m[0]) {
					t.Errorf("#%s: there is no metric %s", s.anchor, m[0])
				}
			}
			if !quoting.MatchString(line) {
				continue
			}
			if cells := strings.Split(line, " | "); line[0] == '|' {
				line = cells[0]
			}
			for _, span := range quoted.FindAllStringSubmatch(line, -1) {
				if notSaid.MatchString(span[1]) {
					continue
				}
				quotations++
				for _, part := range strings.Split(span[1], "…") {
					if part = emphasis.ReplaceAllString(part, ""); !strings.Contains(texts, part) {
						t.Errorf("#%s: nothing says %q, of %q", s.anchor, part, span[1])
					}
				}
			}
		}
	}
	if quotations < 60 {
		t.Errorf("only %d quotations were found", quotations)
	}
}

// named reports whether a metric is one of the program: its name is a text, whole
// or without what all names of its kind begin with.
func named(texts, metric string) bool {
	for i, letter := range metric {
		if (letter == '_' || i == 0) && (strings.Contains(texts, "\n"+metric[i:]+"\n") || strings.Contains(texts, "\n"+metric[i+1:]+"\n")) {
			return true
		}
	}
	return false
}

// sourceTexts are all string literals of the program, a line each.
func sourceTexts(t *testing.T) string {
	t.Helper()
	var texts strings.Builder
	texts.WriteString("\n")
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "torture" || len(d.Name()) > 2 && d.Name()[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var s scanner.Scanner
		s.Init(token.NewFileSet().AddFile(path, -1, len(source)), source, nil, 0)
		for {
			_, kind, literal := s.Scan()
			if kind == token.EOF {
				return nil
			}
			if text, err := strconv.Unquote(literal); kind == token.STRING && err == nil {
				texts.WriteString(text + "\n")
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts.String()
}

func TestThePageOnBackupsShowsWhatHappens(t *testing.T) {
	const page = "docs/backup.md"
	tourOf(t, page, 3).shows(t, form(t, plan{size: 1}), t.TempDir(), page)
}

// The drill: a majority is lost for good, and somebody does what the page says.
func TestThePageOnFailuresBringsBackAClusterWithoutQuorum(t *testing.T) {
	rng := random(t)
	c := form(t, plan{})
	c.namespace("app")
	l := c.startLoad("app", 3, rng.Uint64())
	l.more(60)
	acked := l.end()
	before := c.awaitAgreement()
	survivor := c.nodes[2] // the page's n3
	c.lose(slices.Clone(c.nodes[:2])...)

	page := failureSections(t)
	at := slices.IndexFunc(page, func(s section) bool { return s.anchor == "quorum-loss" })
	stops := readTour(page[at].text).stops
	if len(stops) < 8 {
		t.Fatalf("the section has %d commands", len(stops))
	}
	for _, stop := range stops {
		c.follow(survivor, stop)
	}
	h := c.oneHistory()
	keeps(t, h, acked)
	if !slices.ContainsFunc(h, func(e wire.AuditEvent) bool { return e.Position == before }) {
		t.Errorf("the history is not one that was at %s", before)
	}
	c.put("app", "seen", "after all that")
}

// follow does what the page says, here, where machines are directories.
func (c *cluster) follow(survivor *node, s stop) {
	c.t.Helper()
	args := word.FindAllString(s.command, -1)
	for i := range args {
		args[i] = quotes.Replace(args[i])
	}
	n := survivor
	if at := slices.Index(args, "--id"); at > 0 {
		n = c.add(args[at+1])
	}
	here := strings.NewReplacer("/var/lib/confman", n.dir, "/etc/confman.yaml", c.settingsFile(n), "https://10.0.0.3:6100", survivor.url())
	for i := range args {
		args[i] = here.Replace(args[i])
	}
	switch {
	case args[0] == "kill":
		n.term()
	case args[1] == "serve":
		n.args = args[1:]
		n.start()
		if n == survivor {
			c.awaitReady(n)
		} else {
			c.awaitVoter(n)
		}
	default:
		for i := range s.shown {
			s.shown[i] = here.Replace(s.shown[i])
		}
		stdout, stderr, code := c.confman(args[1:]...)
		if difference := s.differs(strings.TrimRight(stdout, "\n"), code); difference != "" || code != 0 {
			c.t.Fatalf("%s: %s: code %d: %s\n%s", failuresPage, s.command, code, difference, stderr)
		}
	}
}

// settingsFile is the file with the settings that a node has whatever its command line
// says.
func (c *cluster) settingsFile(n *node) string {
	return c.write(n.id+".yaml", fmt.Sprintf("id: %s\nlisten: %s\ndata: %s\ncluster-token-file: %s\n", n.id, n.address, n.dir, filepath.Join(c.base, "token")))
}
