package modes

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is where the figures are made, in a line.
func Machine() string {
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease") // or nothing
	model := runtime.GOARCH
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(cpus)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d cores, %s, Linux %s", runtime.NumCPU(), model, strings.TrimSpace(string(kernel)))
}
