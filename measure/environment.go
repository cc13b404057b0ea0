package measure

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"unsafe"

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
	CPULimit float64 `json:"cpu_limit_cores,omitempty"`
	// CPUSet is the CPUs that the cgroup leaves to this process, and Affinity
	// those that it may use in the end, as kernel lists such as 0-3,8.
	CPUSet   string `json:"cpuset,omitempty"`
	Affinity string `json:"affinity,omitempty"`
	Memory   uint64 `json:"memory_bytes,omitempty"`
	// MemoryLimit is the cgroup's, the lowest on the way to the root; 0: none.
	MemoryLimit uint64 `json:"memory_limit_bytes,omitempty"`
	// Cgroup is the version of the control groups: v1, v2, or hybrid.
	Cgroup     string     `json:"cgroup,omitempty"`
	NUMA       []NUMANode `json:"numa,omitempty"`
	Kernel     string     `json:"kernel,omitempty"`
	OS         string     `json:"os,omitempty"`
	Arch       string     `json:"arch"`
	Hypervisor string     `json:"hypervisor,omitempty"`
	// Governor is that of every CPU online, with the CPUs where they differ.
	Governor string `json:"governor,omitempty"`
	// SMT is the kernel's word for two threads on a core (on, off,
	// notsupported …), Turbo whether cores may run above their nominal
	// frequency (on, off).
	SMT   string `json:"smt,omitempty"`
	Turbo string `json:"turbo,omitempty"`
	// ClockSource is what the kernel reads time from.
	ClockSource string `json:"clock_source,omitempty"`
	// Idle is what cores did that had nothing to do: sleep, or kept awake (see
	// Awake). Only what measures knows.
	Idle string `json:"idle_cores,omitempty"`
	// Ballast is how many bytes of memory were held while a block stood (see
	// Ballast); 0: none. Only what measures knows.
	Ballast uint64 `json:"ballast_bytes,omitempty"`
	// HugePages is when the kernel gives large pages unasked: always, madvise, never.
	HugePages string     `json:"transparent_huge_pages,omitempty"`
	Go        string     `json:"go"`
	Load      [3]float64 `json:"load_average"` // over 1, 5 and 15 minutes, at the moment
}

// ReadEnvironment reads what this host is.
func ReadEnvironment() Environment {
	e := readEnvironment(os.DirFS("/"))
	e.Cores = runtime.NumCPU()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err == nil {
		e.Cores = set.Count()
		e.Affinity = cpuList(func(cpu int) bool { return set.IsSet(cpu) }, 8*len(set)*int(unsafe.Sizeof(set[0])))
	}
	return e
}

func readEnvironment(root fs.FS) Environment {
	cpu := readText(root, "proc/cpuinfo")
	online := readText(root, "sys/devices/system/cpu/online")
	e := Environment{
		CPU:         cpuModel(cpu),
		CoresOnline: len(parseCPUs(online)),
		CPULimit:    cpuLimit(root),
		CPUSet:      cpuSet(root),
		MemoryLimit: memoryLimit(root),
		Cgroup:      cgroupVersion(root),
		NUMA:        numaNodes(root),
		Kernel:      readText(root, "proc/sys/kernel/osrelease"),
		OS:          osName(readText(root, "etc/os-release")),
		Arch:        runtime.GOARCH,
		Hypervisor:  hypervisor(root, cpu),
		Governor:    governor(root, parseCPUs(online)),
		SMT:         readText(root, "sys/devices/system/cpu/smt/control"),
		Turbo:       turbo(root),
		ClockSource: readText(root, "sys/devices/system/clocksource/clocksource0/current_clocksource"),
		HugePages:   chosen(readText(root, "sys/kernel/mm/transparent_hugepage/enabled")),
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
