package measure

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const text = "cpu  100 20 30 400 5 6 7 8 50 10\ncpu0 1 2 3 4 5 6 7 8 9 10\ncpu1 1 2 3 4 5 6 7 8 9 10\nintr 5\n"
	got, err := parseStat([]byte(text), 3*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ms := func(ticks int) time.Duration { return time.Duration(ticks) * 10 * time.Millisecond }
	want := HostCPU{Busy: 2*3*time.Second - ms(400+5+8), Interrupts: ms(13), Idle: ms(400), IOWait: ms(5), Steal: ms(8)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got.Total() != 2*3*time.Second {
		t.Errorf("Total() = %v", got.Total())
	}
	if got, want := got.StealShare(), 0.08/6; got != want {
		t.Errorf("StealShare() = %v, want %v", got, want)
	}
	for _, bad := range []string{"", "cpu", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 x 5 6 7 8", "cpu 1 2 3 4 5 6 7"} {
		if h, err := parseStat([]byte(bad), 0); err == nil {
			t.Errorf("parseStat(%q) = %+v, want an error", bad, h)
		}
	}
}

func TestHostDifference(t *testing.T) {
	a := HostCPU{Busy: 5, Interrupts: 1, Idle: 10, IOWait: 2, Steal: 3}
	b := HostCPU{Busy: 15, Interrupts: 3, Idle: 40, IOWait: 6, Steal: 11}
	want := HostCPU{Busy: 10, Interrupts: 2, Idle: 30, IOWait: 4, Steal: 8}
	if d := cmp.Diff(want, b.Sub(a)); d != "" {
		t.Error(d)
	}
}

// What a process burned is in the host's busy time, ticks and sampling allowed for.
func TestHostCountsWhatIsBurned(t *testing.T) {
	before, err := Host()
	if err != nil {
		t.Fatal(err)
	}
	burn(400 * time.Millisecond)
	after, err := Host()
	if err != nil {
		t.Fatal(err)
	}
	if d := after.Sub(before); d.Busy < 360*time.Millisecond {
		t.Errorf("burned 400 ms, the host was busy for %v", d.Busy)
	}
}

func TestParseRollup(t *testing.T) {
	const good = "00400000-7ffd1000 ---p 00000000 00:00 0    [rollup]\nRss:    1768 kB\nPss: 3 kB\nPss_Anon: 7 kB\nAnonymous:   116 kB\n"
	got, err := parseRollup([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Memory{Private: 116 << 10, RSS: 1768 << 10, Shared: (1768 - 116) << 10}); got != want {
		t.Errorf("parseRollup = %+v, want %+v", got, want)
	}
	for name, bad := range map[string]string{
		"empty":        "",
		"no rss":       "Anonymous: 116 kB\n",
		"no anonymous": "Rss: 116 kB\n",
		"unit":         "Rss: 116 MB\nAnonymous: 1 kB\n",
		"number":       "Rss: -1 kB\nAnonymous: 1 kB\n",
		"overflow":     "Rss: 18446744073709551615 kB\nAnonymous: 1 kB\n",
		"contradicts":  "Rss: 1 kB\nAnonymous: 2 kB\n",
	} {
		if m, err := parseRollup([]byte(bad)); err == nil {
			t.Errorf("%s: parseRollup = %+v, want an error", name, m)
		}
	}
}

func TestParseSchedstat(t *testing.T) {
	ran, waited, err := parseSchedstat([]byte("175784996 13795187 372\n"))
	if err != nil || ran != 175784996 || waited != 13795187 {
		t.Errorf("parseSchedstat = %v, %v, %v", ran, waited, err)
	}
	for _, bad := range []string{"", "1", "a 2 3", "1 b 3"} {
		if _, _, err := parseSchedstat([]byte(bad)); err == nil {
			t.Errorf("parseSchedstat(%q): want an error", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("cpu  100 20 30 400 5 6 7 8 50 10\n"))
	f.Add([]byte("Rss:    1768 kB\nAnonymous:   116 kB\n"))
	f.Add([]byte("175784996 13795187 372\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if m, err := parseRollup(text); err == nil && m.Private+m.Shared != m.RSS {
			t.Errorf("parseRollup(%q) = %+v", text, m)
		}
		_, _ = parseStat(text, 0)
		_, _, _ = parseSchedstat(text)
	})
}

func TestEnvironmentFromFiles(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	base := func() fstest.MapFS {
		return fstest.MapFS{
			"proc/cpuinfo":                  file("processor\t: 0\nmodel name\t: Some CPU\nflags\t\t: fpu vme hypervisor\n"),
			"proc/meminfo":                  file("MemTotal:  2048 kB\nMemFree: 1 kB\n"),
			"proc/loadavg":                  file("0.50 1.25 2.00 1/100 999\n"),
			"proc/sys/kernel/osrelease":     file("6.1.0\n"),
			"proc/sys/kernel/hostname":      file("secret-host\n"),
			"etc/os-release":                file("NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"),
			"sys/devices/system/cpu/online": file("0-2,5\n"),
			"sys/hypervisor/type":           file("xen\n"),
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": file("powersave\n"),
		}
	}
	got := readEnvironment(base())
	want := Environment{
		CPU: "Some CPU", CoresOnline: 4, Memory: 2 << 20, Kernel: "6.1.0", OS: "Debian GNU/Linux 12",
		Hypervisor: "xen", Governor: "powersave", Load: [3]float64{0.5, 1.25, 2}, Arch: got.Arch, Go: got.Go,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}

	for name, c := range map[string]struct {
		files map[string]string
		want  float64
	}{
		"v2 own": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "150000 100000\n", "sys/fs/cgroup/a/cpu.max": "max 100000\n",
		}, 1.5},
		"v2 parent is lower": {map[string]string{
			"proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n", "sys/fs/cgroup/a/cpu.max": "50000 100000\n",
		}, 0.5},
		"v2 namespace root": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n",
		}, 2},
		"v1": {map[string]string{
			"proc/self/cgroup": "4:memory:/m\n3:cpu,cpuacct:/box\n",
			"sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us":  "25000\n",
			"sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
		}, 0.25},
		"v1 unlimited": {map[string]string{
			"proc/self/cgroup":                    "1:cpu:/\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, 0},
		"cpuset is not cpu": {map[string]string{
			"proc/self/cgroup":                         "1:cpuset:/x\n",
			"sys/fs/cgroup/cpuset/x/cpu.cfs_quota_us":  "1000\n",
			"sys/fs/cgroup/cpuset/x/cpu.cfs_period_us": "100000\n",
		}, 0},
		"hybrid": {map[string]string{
			"proc/self/cgroup":                   "1:cpu:/\n0::/h\n",
			"sys/fs/cgroup/unified/h/cpu.max":    "100000 100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
		}, 1},
		"nothing": {nil, 0},
	} {
		fs := base()
		for path, text := range c.files {
			fs[path] = file(text)
		}
		if got := readEnvironment(fs).CPULimit; got != c.want {
			t.Errorf("%s: CPU limit %v cores, want %v", name, got, c.want)
		}
	}
}

func TestEnvironmentOfThisHost(t *testing.T) {
	e := ReadEnvironment()
	if e.Cores < 1 || e.CoresOnline < e.Cores || e.Memory == 0 || e.Kernel == "" || e.CPU == "" || e.Go == "" {
		t.Errorf("ReadEnvironment() = %+v", e)
	}
}

func TestNoise(t *testing.T) {
	n, err := MeasureNoise(0) // brought to the lower bound
	if err != nil {
		t.Fatal(err)
	}
	if n.Sleeps < 1 || n.P50 < 0 || n.P99 < n.P50 || n.Max < n.P99 {
		t.Errorf("MeasureNoise = %+v", n)
	}
}

func TestQuantile(t *testing.T) {
	var values []time.Duration
	for i := range 100 {
		values = append(values, time.Duration(i+1))
	}
	for _, c := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {0.01, 1}, {0.5, 50}, {0.99, 99}, {1, 100}} {
		if got := quantile(values, c.q); got != c.want {
			t.Errorf("quantile(1..100, %v) = %d, want %d", c.q, got, c.want)
		}
	}
	if got := quantile(values[:1], 0.99); got != 1 {
		t.Errorf("quantile of one value = %d", got)
	}
}
