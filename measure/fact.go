package measure

import (
	"fmt"
	"strings"
)

// Fact is one thing about an environment, in words.
type Fact struct {
	Name, Value string
}

// Facts lists what is known of the environment and stays as it is while the
// machine runs; the load average is therefore none. What could not be read is
// not listed. Two environments are as alike as their facts.
func (e Environment) Facts() []Fact {
	var out []Fact
	add := func(name, value string) {
		if value != "" {
			out = append(out, Fact{name, value})
		}
	}
	add("CPU", e.CPU)
	add("cores", e.coreWords())
	add("NUMA", numaWords(e.NUMA))
	add("threads per core", smtWords(e.SMT))
	add("turbo", e.Turbo)
	add("governor", e.Governor)
	add("idle cores", e.Idle)
	add("memory", bytesWords(e.Memory))
	add("ballast", bytesWords(e.Ballast))
	add("control groups", e.limitWords())
	add("hypervisor", e.Hypervisor)
	add("kernel", kernelWords(e.Kernel))
	add("system", e.OS)
	add("architecture", e.Arch)
	add("clock source", e.ClockSource)
	add("transparent huge pages", e.HugePages)
	add("Go", e.Go)
	return out
}

// String is all facts on one line.
func (e Environment) String() string {
	var parts []string
	for _, f := range e.Facts() {
		parts = append(parts, f.Name+" "+f.Value)
	}
	return strings.Join(parts, "; ")
}

func (e Environment) coreWords() string {
	if e.Cores == 0 {
		return ""
	}
	s := fmt.Sprint(e.Cores)
	if e.CoresOnline > 0 {
		s += fmt.Sprintf(" of %d online", e.CoresOnline)
	}
	if e.Affinity != "" {
		s += " (CPU " + e.Affinity + ")"
	}
	return s
}

func numaWords(nodes []NUMANode) string {
	var parts []string
	for _, n := range nodes {
		s := fmt.Sprintf("node %d: ", n.Node)
		if n.CPUs == "" {
			s += "no CPU"
		} else {
			s += "CPU " + n.CPUs
		}
		if n.Memory > 0 {
			s += ", " + bytesWords(n.Memory)
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// smtWords says what the kernel's words mean; another word is given as it is.
func smtWords(control string) string {
	words := map[string]string{"on": "several (SMT on)", "off": "one (SMT off)", "forceoff": "one (SMT off for good)",
		"notsupported": "one (no SMT)", "notimplemented": ""}
	if s, ok := words[control]; ok {
		return s
	}
	return control
}

func bytesWords(n uint64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

func (e Environment) limitWords() string {
	if e.Cgroup == "" {
		return ""
	}
	limits := []string{}
	if e.CPULimit > 0 {
		limits = append(limits, fmt.Sprintf("at most %.2f cores", e.CPULimit))
	}
	if e.CPUSet != "" {
		limits = append(limits, "CPU "+e.CPUSet)
	}
	if e.MemoryLimit > 0 {
		limits = append(limits, "at most "+bytesWords(e.MemoryLimit))
	}
	if len(limits) == 0 {
		return e.Cgroup + ", no limit"
	}
	return e.Cgroup + ", " + strings.Join(limits, ", ")
}

func kernelWords(release string) string {
	if release == "" {
		return ""
	}
	return "Linux " + release
}
