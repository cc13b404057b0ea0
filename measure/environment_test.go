package measure

import (
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// tree is a file system of that text.
func tree(files map[string]string) fstest.MapFS {
	fs := fstest.MapFS{}
	for name, text := range files {
		fs[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fs
}

// The shapes of hosts: what is read of each, field by field.
func TestEnvironmentOfShapes(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  Environment
	}{
		"nothing to read": {nil, Environment{}},
		"two sockets, cgroup v2": {map[string]string{
			"proc/cpuinfo":                                                    "processor : 0\nmodel name : Big CPU\nflags : fpu\n",
			"sys/devices/system/cpu/online":                                   "0-3\n",
			"sys/devices/system/cpu/smt/control":                              "on\n",
			"sys/devices/system/cpu/intel_pstate/no_turbo":                    "0\n",
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor":            "performance\n",
			"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor":            "performance\n",
			"sys/devices/system/cpu/cpu2/cpufreq/scaling_governor":            "performance\n",
			"sys/devices/system/cpu/cpu3/cpufreq/scaling_governor":            "performance\n",
			"sys/devices/system/node/online":                                  "0-1\n",
			"sys/devices/system/node/node0/cpulist":                           "0-1\n",
			"sys/devices/system/node/node0/meminfo":                           "Node 0 MemTotal:  1024 kB\nNode 0 MemFree: 1 kB\n",
			"sys/devices/system/node/node1/cpulist":                           "2-3\n",
			"sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
			"sys/kernel/mm/transparent_hugepage/enabled":                      "always [madvise] never\n",
			"proc/self/cgroup":                                                "0::/a/b\n",
			"sys/fs/cgroup/a/b/memory.max":                                    "8192\n",
			"sys/fs/cgroup/a/memory.max":                                      "4096\n",
			"sys/fs/cgroup/a/b/cpu.max":                                       "max 100000\n",
			"sys/fs/cgroup/a/b/cpuset.cpus.effective":                         "0-1\n",
		}, Environment{CPU: "Big CPU", CoresOnline: 4, CPUSet: "0-1", MemoryLimit: 4096, Cgroup: "v2",
			NUMA: []NUMANode{{0, "0-1", 1 << 20}, {1, "2-3", 0}}, Governor: "performance", SMT: "on", Turbo: "on", ClockSource: "tsc", HugePages: "madvise"}},
		"governors that differ, AMD's boost off, SMT off": {map[string]string{
			"sys/devices/system/cpu/online":                        "0-2\n",
			"sys/devices/system/cpu/smt/control":                   "off\n",
			"sys/devices/system/cpu/cpufreq/boost":                 "0\n",
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance\n",
			"sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "powersave\n",
			"sys/devices/system/cpu/cpu2/cpufreq/scaling_governor": "performance\n",
		}, Environment{CoresOnline: 3, Governor: "performance (CPU 0,2), powersave (CPU 1)", SMT: "off", Turbo: "off"}},
		"cgroup v1": {map[string]string{
			"proc/self/cgroup": "9:name=systemd:/x\n4:memory:/box\n3:cpuset:/box\n",
			"sys/fs/cgroup/memory/box/memory.limit_in_bytes": "1073741824\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/cpuset/box/cpuset.effective_cpus": "1\n",
			"sys/fs/cgroup/systemd/x/memory.max":             "1\n",
		}, Environment{MemoryLimit: 1 << 30, CPUSet: "1", Cgroup: "v1"}},
		"cgroup v1 without limits": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/\n3:cpu:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":         "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":        "100000\n",
		}, Environment{Cgroup: "v1"}},
		"hybrid, a path that leads out": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/../../else\n0::/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "2048\n",
		}, Environment{MemoryLimit: 2048, Cgroup: "hybrid"}},
		"a tree without a controller limits nothing": {map[string]string{"proc/self/cgroup": "1:name=systemd:/\n"}, Environment{}},
		"words that are none": {map[string]string{
			"proc/self/cgroup":                             "0::/\nnonsense\n",
			"sys/fs/cgroup/memory.max":                     "lots\n",
			"sys/fs/cgroup/cpu.max":                        "x y\n",
			"sys/fs/cgroup/cpuset.cpus.effective":          "\n",
			"sys/devices/system/node/online":               "3-1\n",
			"sys/kernel/mm/transparent_hugepage/enabled":   "always madvise never\n",
			"sys/devices/system/cpu/intel_pstate/no_turbo": "perhaps\n",
			"sys/devices/system/cpu/online":                "0-99999999\n",
		}, Environment{Cgroup: "v2"}},
	} {
		c.want.Arch, c.want.Go = runtime.GOARCH, runtime.Version()
		if d := cmp.Diff(c.want, readEnvironment(tree(c.files))); d != "" {
			t.Errorf("%s:\n%s", name, d)
		}
	}
}

func TestCPULists(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int
	}{{"0", []int{0}}, {"0-2,8", []int{0, 1, 2, 8}}, {"", nil}, {"-1", nil}, {"2-1", nil}, {"1,", nil}, {"0-70000", nil}} {
		got := parseCPUs(c.text)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("parseCPUs(%q):\n%s", c.text, d)
		}
		if got == nil {
			continue
		}
		has := map[int]bool{}
		for _, cpu := range got {
			has[cpu] = true
		}
		if back := cpuList(func(cpu int) bool { return has[cpu] }, 100); back != c.text {
			t.Errorf("%q was read and written as %q", c.text, back)
		}
	}
}

// A record of an environment that knew less is read as one that says less, and
// what cannot be read is not said.
func TestFacts(t *testing.T) {
	old := Environment{CPU: "a CPU", Cores: 2, CoresOnline: 4, CPULimit: 1.5, Memory: 8e9, Kernel: "6.1", Go: "go1"}
	if got, want := old.String(), "CPU a CPU; cores 2 of 4 online; memory 8.0 GB; kernel Linux 6.1; Go go1"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	full := old
	full.Affinity, full.CPUSet, full.MemoryLimit, full.Cgroup, full.SMT, full.Turbo = "0,2", "0-2", 1e9, "v2", "on", "off"
	full.NUMA = []NUMANode{{0, "0-1", 4e9}, {1, "", 0}}
	for _, want := range []string{"cores 2 of 4 online (CPU 0,2)", "NUMA node 0: CPU 0-1, 4.0 GB; node 1: no CPU", "threads per core several (SMT on)", "turbo off",
		"control groups v2, at most 1.50 cores, CPU 0-2, at most 1.0 GB"} {
		if !strings.Contains(full.String(), want) {
			t.Errorf("%q is not in %s", want, full)
		}
	}
	if s := (Environment{Cgroup: "v1"}).String(); s != "control groups v1, no limit" {
		t.Error(s)
	}
	if s := (Environment{}).String(); s != "" {
		t.Errorf("of nothing: %q", s)
	}
	if a, b := (Environment{Kernel: "1", Load: [3]float64{1}}).Facts(), (Environment{Kernel: "1"}).Facts(); !cmp.Equal(a, b) {
		t.Error("the load of the moment is a fact")
	}
}

func FuzzEnvironment(f *testing.F) {
	f.Add("0-3,8", "4:cpu,cpuacct:/a/b\n0::/c\n", "always [x] never")
	f.Fuzz(func(t *testing.T, list, groups, word string) {
		e := readEnvironment(tree(map[string]string{
			"sys/devices/system/cpu/online": list, "sys/devices/system/node/online": list, "sys/fs/cgroup/cpu.max": word, "sys/fs/cgroup/memory.max": word,
			"proc/self/cgroup": groups, "sys/kernel/mm/transparent_hugepage/enabled": word, "proc/cpuinfo": groups,
		}))
		if e.CPULimit < 0 || e.CoresOnline < 0 {
			t.Errorf("%+v", e)
		}
		e.Facts()
	})
}
