package bench

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"

	"confman/cmd/internal/cli"
)

// machine is where the figures were made, without which they mean nothing.
type machine struct {
	Cores      int    `json:"cores"`
	CPU        string `json:"cpu"`
	Go         string `json:"go"`
	Version    string `json:"version"`
	Commit     string `json:"commit"`
	Kernel     string `json:"kernel"`
	FileSystem string `json:"fileSystem"` // of the data
}

// thisMachine refuses a directory that is on no disk.
func thisMachine(version, dir string) (machine, error) {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Version: version, FileSystem: fileSystem(dir)}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				m.Commit = s.Value + m.Commit
			case s.Key == "vcs.modified" && s.Value == "true":
				m.Commit += " modified"
			}
		}
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(kernel))
	}
	if cpus, err := os.Open("/proc/cpuinfo"); err == nil {
		defer cpus.Close()
		for lines := bufio.NewScanner(cpus); m.CPU == "" && lines.Scan(); {
			if name, value, _ := strings.Cut(lines.Text(), ":"); strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
			}
		}
	}
	if m.FileSystem == "memory" {
		return m, &cli.ExitError{Code: cli.ExitUsage, Err: fmt.Errorf("--data: %s is in memory; a write there costs nothing of what it costs on a disk", dir)}
	}
	return m, nil
}

// print prints it as one line.
func (m machine) print(w io.Writer) {
	fmt.Fprintf(w, "confman %s %s, %s, %d cores, %s, Linux %s, data on %s\n", m.Version, m.Commit, m.Go, m.Cores, m.CPU, m.Kernel, m.FileSystem)
}

// Kinds of file systems, statfs(2).
const (
	tmpfs = 0x01021994
	ramfs = 0x858458f6
)

func fileSystem(dir string) string {
	var s syscall.Statfs_t
	if syscall.Statfs(dir, &s) != nil {
		return ""
	}
	switch s.Type {
	case 0xef53:
		return "ext4"
	case 0x58465342:
		return "xfs"
	case 0x9123683e:
		return "btrfs"
	case 0x794c7630:
		return "overlay"
	case tmpfs, ramfs:
		return "memory"
	}
	return fmt.Sprintf("%#x", s.Type)
}
