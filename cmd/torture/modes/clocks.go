package modes

import (
	"context"
	"path/filepath"

	"confman/cmd/torture/lab"
	"confman/cmd/torture/plant"
)

// clocked makes nodes whose clocks can be set, by [lab.Node.SetClock], one by one:
// the machine has one clock for all. A quick run does without, and so do nodes that
// have a planted bug already.
func (b *Bench) clocked(ctx context.Context, c *lab.Config) error {
	if b.Quick() || b.Report.Binary.Planted != "" {
		return nil
	}
	c.Clocks, c.Binary = true, filepath.Join(b.Dir, "clocked")
	return plant.Build(ctx, plant.Bug{
		Name: "clocked", File: "cmd/internal/server/server.go",
		Old: `		env.Now = time.Now
`,
		New: `		env.Now = func() time.Time {
			f, err := http.Dir("/").Open(o.Node.Data + "-clock")
			if err != nil {
				return time.Now()
			}
			defer f.Close()
			text, _ := io.ReadAll(f)
			ahead, _ := time.ParseDuration(string(text))
			return time.Now().Add(ahead)
		}
`,
	}, "./cmd/confman", c.Binary)
}
