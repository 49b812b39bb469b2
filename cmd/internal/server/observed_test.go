package server

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.yaml.in/yaml/v4"
)

const deployed = "../../../docs/deploy/"

// families are the metrics that nodes have: name → label → values seen.
type families map[string]map[string][]string

var (
	described  = regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: \{([^}]*)\}`)
	sample     = regexp.MustCompile(`^([a-z_]+)(?:\{(.*)\})? `)
	matcher    = regexp.MustCompile(`([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	selector   = regexp.MustCompile(`([a-z_:][a-z0-9_:]*)\s*\{([^}]*)\}`)
	grouping   = regexp.MustCompile(`\b(?:by|on|without|ignoring)\s*\(([^)]*)\)`)
	ranges     = regexp.MustCompile(`\[[^\]]*\]`)
	identifier = regexp.MustCompile(`[a-z_:][a-z0-9_:]*`)
)

// of PromQL, as far as it is used.
var words = strings.Fields("abs absent and changes count floor histogram_quantile increase label_values max min or predict_linear rate sum time unless")

// scraped are labels that Prometheus gives to each series.
var scraped = []string{"job", "instance"}

// add takes what a scrape answered.
func (f families) add(text string) {
	for line := range strings.Lines(text) {
		found := sample.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		labels := f.family(found[1])
		for _, m := range matcher.FindAllStringSubmatch(found[2], -1) {
			labels[m[1]] = append(labels[m[1]], m[3])
		}
	}
}

func (f families) family(name string) map[string][]string {
	if f[name] == nil {
		f[name] = map[string][]string{}
	}
	return f[name]
}

// describe takes the metrics that have no series before something happens.
func (f families) describe(r *prometheus.Registry) {
	descs := make(chan *prometheus.Desc)
	go func() {
		r.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		if found := described.FindStringSubmatch(d.String()); found != nil {
			labels := f.family(found[1])
			for _, l := range strings.FieldsFunc(found[2], func(c rune) bool { return c == ',' || c == ' ' }) {
				labels[l] = append(labels[l], []string{}...)
			}
		}
	}
}

// judge says what an expression names that no node has.
func (f families) judge(expr string) (problems []string) {
	problem := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, s := range selector.FindAllStringSubmatch(expr, -1) {
		labels, known := f[s[1]]
		if !known {
			continue // said below
		}
		for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
			values, known := labels[m[1]]
			if !known && !slices.Contains(scraped, m[1]) {
				problem("%s has no label %s", s[1], m[1])
			}
			if !known || m[1] == "code" || strings.Contains(m[3], "$") || len(values) == 0 || m[2][0] == '!' {
				continue
			}
			is := regexp.MustCompile("^(?:" + m[3] + ")$")
			if m[2] == "=" {
				is = regexp.MustCompile("^" + regexp.QuoteMeta(m[3]) + "$")
			}
			if !slices.ContainsFunc(values, is.MatchString) {
				problem("%s is never %s of %s", m[3], m[1], s[1])
			}
		}
	}
	var labels []string
	for _, l := range f {
		labels = slices.AppendSeq(labels, maps.Keys(l))
	}
	for _, g := range grouping.FindAllStringSubmatch(expr, -1) {
		for _, l := range identifier.FindAllString(g[1], -1) {
			if !slices.Contains(labels, l) && !slices.Contains(scraped, l) {
				problem("no metric has a label %s", l)
			}
		}
	}
	rest := grouping.ReplaceAllString(ranges.ReplaceAllString(selector.ReplaceAllString(expr, " $1 "), ""), "")
	if strings.HasPrefix(expr, "label_values") {
		rest, _, _ = strings.Cut(rest, ",")
	}
	for _, name := range identifier.FindAllString(rest, -1) {
		if _, known := f[name]; !known && !slices.Contains(words, name) && name != "up" {
			problem("no node has %s", name)
		}
	}
	return problems
}

type alertRules struct {
	Groups []struct {
		Rules []struct {
			Alert       string
			Expr        string
			Labels      map[string]string
			Annotations map[string]string
		}
	}
}

func readRules(t *testing.T) (rules alertRules) {
	t.Helper()
	text, err := os.ReadFile(deployed + "prometheus/confman.rules.yaml")
	if err == nil {
		err = yaml.Unmarshal(text, &rules)
	}
	if err != nil {
		t.Fatal(err)
	}
	return rules
}

// expressions are those of the alerts and of the dashboard, by where they stand.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			found["alert "+r.Alert] = r.Expr
		}
	}
	text, err := os.ReadFile(deployed + "grafana/confman.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Targets []struct{ RefID, Expr string }
		}
		Templating struct {
			List []struct{ Name, Type, Query string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			found[fmt.Sprintf("panel %d %s %s", p.ID, p.Title, target.RefID)] = target.Expr
		}
	}
	for _, v := range board.Templating.List {
		if v.Type == "query" {
			found["variable "+v.Name] = v.Query
		}
	}
	if len(found) < 60 {
		t.Fatalf("found %d expressions: did this test look in the right place?", len(found))
	}
	return found
}

func TestAlertsAndDashboardNameWhatNodesMeasure(t *testing.T) {
	found := expressions(t)
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d nodes", size), func(t *testing.T) {
			c := start(t, size, nil)
			leader, _ := c.leader()
			c.do("PUT", leader.url+"/api/v1/namespaces/pay/config/k", `{"value":"v"}`, "X-Api-Key: "+adminKey).is(t, http.StatusCreated)
			known := families{}
			for _, n := range c.nodes {
				known.describe(n.running.api.Registry)
				known.add(c.do("GET", n.url+"/metrics", "").is(t, http.StatusOK).body)
			}
			for where, expr := range found {
				for _, problem := range known.judge(expr) {
					t.Errorf("%s: %s: %s", where, expr, problem)
				}
			}
		})
	}
}

func TestAnExpressionIsHeldAgainstWhatIsMeasured(t *testing.T) {
	known := families{}
	known.add("confman_x_total{op=\"commit\",le=\"+Inf\"} 5\nconfman_y 1\n# HELP confman_z of no use\n")
	for expr, want := range map[string]string{
		`sum by (job, op) (rate(confman_x_total{op="commit", job=~"confman.*"}[5m])) / on (instance) confman_y > 0.5`: "",
		`confman_x_total{op=~"commit|fold", instance=~"$instance"}`:                                                   "",
		`confman_z`:                         "no node has confman_z",
		`rate(confman_z{op="x"}[5m])`:       "no node has confman_z",
		`confman_y{op="commit"}`:            "no label op",
		`confman_x_total{op="comit"}`:       "comit is never op",
		`sum by (operation) (confman_y)`:    "no metric has a label operation",
		`quantile_over(confman_y)`:          "no node has quantile_over",
		`label_values(confman_z, job)`:      "no node has confman_z",
		`label_values(confman_y, instance)`: "",
	} {
		got := strings.Join(known.judge(expr), "; ")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", expr, got, want)
		}
	}
}

// pages are the anchors of the page on failure modes.
var pages = []string{
	"minor-follower-failure", "leader-failure", "quorum-loss", "network-partition", "slow-follower", "disk-full", "snapshot-restore",
	"bootstrap", "client-side", "security", "backup",
}

func TestEveryAlertSaysWhatToDoAndIsTested(t *testing.T) {
	tests, err := os.ReadFile(deployed + "prometheus/confman.rules.test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if said[r.Alert] {
				t.Errorf("%s stands there twice", r.Alert)
			}
			said[r.Alert] = true
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: labels %q, annotations %q", r.Alert, r.Labels, r.Annotations)
			}
			anchor, ok := strings.CutPrefix(r.Annotations["runbook_url"], "docs/failure-modes.md#")
			if !ok || !slices.Contains(pages, anchor) {
				t.Errorf("%s: there is no page %s", r.Alert, r.Annotations["runbook_url"])
			}
			if n := strings.Count(string(tests), `alertname="`+r.Alert+`"`); n != 2 {
				t.Errorf("%s: %d tests by promtool, want one that it fires and one that it does not", r.Alert, n)
			}
		}
	}
}
