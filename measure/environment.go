package measure

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Environment is what a result was measured on. It names no host and no user.
// A field is empty or zero where the kernel does not tell.
type Environment struct {
	CPU         string `json:"cpu,omitempty"`
	CoresOnline int    `json:"cores_online"`
	// Cores are those that this process may use (its affinity).
	Cores int `json:"cores"`
	// CPULimit is the cgroup's limit in cores, the lowest on the way to the
	// root, v1 or v2; 0: none.
	CPULimit   float64    `json:"cpu_limit_cores,omitempty"`
	Memory     uint64     `json:"memory_bytes,omitempty"`
	Kernel     string     `json:"kernel,omitempty"`
	OS         string     `json:"os,omitempty"`
	Arch       string     `json:"arch"`
	Hypervisor string     `json:"hypervisor,omitempty"`
	Governor   string     `json:"governor,omitempty"`
	Go         string     `json:"go"`
	Load       [3]float64 `json:"load_average"` // over 1, 5 and 15 minutes, at the moment
}

// ReadEnvironment reads what this host is.
func ReadEnvironment() Environment {
	e := readEnvironment(os.DirFS("/"))
	e.Cores = runtime.NumCPU()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		e.Cores = set.Count()
	}
	return e
}

func readEnvironment(root fs.FS) Environment {
	cpu := readText(root, "proc/cpuinfo")
	e := Environment{
		CPU:         cpuModel(cpu),
		CoresOnline: countCPUs(readText(root, "sys/devices/system/cpu/online")),
		CPULimit:    cpuLimit(root),
		Kernel:      readText(root, "proc/sys/kernel/osrelease"),
		OS:          osName(readText(root, "etc/os-release")),
		Arch:        runtime.GOARCH,
		Hypervisor:  hypervisor(root, cpu),
		Governor:    readText(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
		Go:          runtime.Version(),
	}
	if kb, err := parseKB(field(readText(root, "proc/meminfo"), "MemTotal")); err == nil {
		e.Memory = kb
	}
	for i, s := range strings.Fields(readText(root, "proc/loadavg")) {
		if i < len(e.Load) {
			e.Load[i], _ = strconv.ParseFloat(s, 64)
		}
	}
	return e
}

// readText returns a file's text without surrounding space, "" when it is not
// there: an environment is described as far as it lets itself be seen.
func readText(root fs.FS, name string) string {
	b, err := fs.ReadFile(root, name)
	if err != nil {
		return ""
	}
	return string(bytes.TrimSpace(b))
}

// field returns the value of the first line "name : value".
func field(text, name string) string {
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		n, v, ok := strings.Cut(lines.Text(), ":")
		if ok && strings.TrimSpace(n) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// cpuModel is "model name" on amd64; arm64 names only implementer and part.
func cpuModel(cpuinfo string) string {
	if m := field(cpuinfo, "model name"); m != "" {
		return m
	}
	implementer, part := field(cpuinfo, "CPU implementer"), field(cpuinfo, "CPU part")
	if implementer == "" {
		return ""
	}
	return "implementer " + implementer + " part " + part
}

// countCPUs counts the CPUs of a kernel list such as "0-3,8"; 0 when it is none.
func countCPUs(list string) int {
	n := 0
	for part := range strings.SplitSeq(list, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || b < a {
			return 0
		}
		n += b - a + 1
	}
	return n
}

func osName(release string) string {
	for line := range strings.Lines(release) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`)
		}
	}
	return ""
}

// hypervisor names what the host runs on as far as it can be seen without the
// cpuid instruction.
func hypervisor(root fs.FS, cpuinfo string) string {
	for _, name := range []string{"sys/hypervisor/type", "sys/class/dmi/id/product_name"} {
		if s := readText(root, name); s != "" && hasFlag(cpuinfo, "hypervisor") {
			return s
		}
	}
	if hasFlag(cpuinfo, "hypervisor") {
		return "unnamed"
	}
	return ""
}

func hasFlag(cpuinfo, flag string) bool {
	for f := range strings.FieldsSeq(field(cpuinfo, "flags")) {
		if f == flag {
			return true
		}
	}
	return false
}

// cpuLimit is the lowest CPU limit, in cores, of this process's cgroups on
// their way to the root; 0 when there is none.
func cpuLimit(root fs.FS) float64 {
	lowest := 0.0
	for _, dir := range cpuGroups(root) {
		for ; ; dir = path.Dir(dir) {
			if l := groupLimit(root, dir); l > 0 && (lowest == 0 || l < lowest) {
				lowest = l
			}
			if !strings.HasPrefix(dir, "sys/fs/cgroup/") {
				break
			}
		}
	}
	return lowest
}

// cpuGroups returns the directories of the cgroups that may limit this
// process's CPU: /proc/self/cgroup has lines id:controllers:path, with id 0 and
// no controllers for version 2.
func cpuGroups(root fs.FS) []string {
	var dirs []string
	for line := range strings.Lines(readText(root, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		if parts[1] == "" {
			dirs = append(dirs, path.Join("sys/fs/cgroup", parts[2]), path.Join("sys/fs/cgroup/unified", parts[2]))
			continue
		}
		for controller := range strings.SplitSeq(parts[1], ",") {
			if controller == "cpu" {
				dirs = append(dirs, path.Join("sys/fs/cgroup", parts[1], parts[2]), path.Join("sys/fs/cgroup/cpu", parts[2]))
			}
		}
	}
	return dirs
}

// groupLimit reads one cgroup's limit in cores: cpu.max of version 2, the
// quota and period of version 1.
func groupLimit(root fs.FS, dir string) float64 {
	quota, period, ok := strings.Cut(readText(root, path.Join(dir, "cpu.max")), " ")
	if !ok {
		quota = readText(root, path.Join(dir, "cpu.cfs_quota_us"))
		period = readText(root, path.Join(dir, "cpu.cfs_period_us"))
	}
	q, errQ := strconv.ParseFloat(quota, 64) // "max" and -1: no limit
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || q <= 0 || p <= 0 {
		return 0
	}
	return q / p
}
