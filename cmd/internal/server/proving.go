package server

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"confman/api/wire"
	"confman/cmd/internal/cli"
	"confman/replication"
)

// ProofOptions say how the node proves its history.
type ProofOptions struct {
	KeyFile            string
	CheckpointInterval time.Duration
	VerifyInterval     time.Duration
}

func (o *ProofOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.KeyFile, "checkpoint-key-file", "", "file with the Ed25519 key that signs checkpoints of the history, PEM; further keys in it are earlier ones, which endorse the change")
	f.DurationVar(&o.CheckpointInterval, "checkpoint-interval", replication.DefaultCheckpointInterval, "how often the leader signs when something happened, if it has a key")
	f.DurationVar(&o.VerifyInterval, "verify-interval", replication.DefaultVerifyInterval, "how often the node checks its own records; 0 for never")
}

// config reads the key file.
func (o *ProofOptions) config() (c replication.ProofConfig, err error) {
	c.Interval, c.VerifyInterval = o.CheckpointInterval, o.VerifyInterval
	if o.KeyFile == "" {
		return c, nil
	}
	data, err := os.ReadFile(o.KeyFile)
	if err != nil {
		return c, fmt.Errorf("--checkpoint-key-file: %w", err)
	}
	keys, err := cli.CheckpointKeys(data)
	if err != nil {
		return c, fmt.Errorf("--checkpoint-key-file %s: %w", o.KeyFile, err)
	}
	c.Key, c.Earlier = keys[0], keys[1:]
	return c, nil
}

// prover shows a node to the API as the API asks for it.
type prover struct{ *replication.Node }

func (p prover) Verify(ctx context.Context, from, to uint64, progress func(at uint64)) (wire.NodeVerification, error) {
	r, err := p.Node.Verify(ctx, from, to, progress)
	found := wire.NodeVerification{From: r.From, To: r.To, Position: r.Position().String(), Chain: r.Chain.String(), OK: r.OK()}
	if !found.OK {
		found.At, found.Problem = r.Findings[0].Index, r.Findings[0].String()
	}
	for _, w := range r.Warnings {
		found.Warnings = append(found.Warnings, w.String())
	}
	return found, err
}

// verifyCollector shows what the node found when it last checked its records.
type verifyCollector struct{ node *replication.Node }

var verifyGauges = []struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(replication.Verification) float64
}{
	{gauge("audit_verify_last_success_timestamp_seconds", "When this node last checked all its records and found nothing; 0 before."), prometheus.GaugeValue, func(v replication.Verification) float64 { return seconds(v.Success) }},
	{gauge("audit_verify_last_end_timestamp_seconds", "When this node last checked all its records; 0 before."), prometheus.GaugeValue, func(v replication.Verification) float64 { return seconds(v.At) }},
	{gauge("audit_verify_event_index", "Newest event that the last check covered."), prometheus.GaugeValue, func(v replication.Verification) float64 { return float64(v.Report.To) }},
	{gauge("audit_verify_findings", "What the last check found to be wrong."), prometheus.GaugeValue, func(v replication.Verification) float64 {
		return float64(len(v.Report.Findings)) + float64(v.Report.More)
	}},
	{gauge("audit_verify_failures_total", "Checks that found something."), prometheus.CounterValue, func(v replication.Verification) float64 { return float64(v.Failures) }},
}

// Describe implements prometheus.Collector.
func (verifyCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, g := range verifyGauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (c verifyCollector) Collect(ch chan<- prometheus.Metric) {
	v := c.node.Verified()
	for _, g := range verifyGauges {
		ch <- prometheus.MustNewConstMetric(g.desc, g.kind, g.value(v))
	}
}

// seconds is a time since 1970; 0 for none.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}
