package measure

import (
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// NUMANode is memory with the CPUs that are near to it.
type NUMANode struct {
	Node   int    `json:"node"`
	CPUs   string `json:"cpus"`                   // a kernel list such as 0-3,8; empty: memory alone
	Memory uint64 `json:"memory_bytes,omitempty"` // 0: not told
}

// maxCPUs bounds a list: more than any kernel can be built for.
const maxCPUs = 1 << 16

// parseCPUs reads a kernel list such as "0-3,8"; nil when it is none.
func parseCPUs(list string) []int {
	var out []int
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, errA := strconv.Atoi(first)
		b, errB := strconv.Atoi(last)
		if errA != nil || errB != nil || a < 0 || b < a || b >= maxCPUs {
			return nil
		}
		for ; a <= b; a++ {
			out = append(out, a)
		}
	}
	return out
}

// cpuList writes the CPUs below n that has holds as a kernel list.
func cpuList(has func(cpu int) bool, n int) string {
	var parts []string
	for a := 0; a < n; a++ {
		if !has(a) {
			continue
		}
		b := a
		for b+1 < n && has(b+1) {
			b++
		}
		if a == b {
			parts = append(parts, strconv.Itoa(a))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", a, b))
		}
		a = b
	}
	return strings.Join(parts, ",")
}

// numaNodes lists the nodes that are online; none where the kernel has none.
func numaNodes(root fs.FS) []NUMANode {
	var out []NUMANode
	for _, n := range parseCPUs(readText(root, "sys/devices/system/node/online")) {
		dir := fmt.Sprintf("sys/devices/system/node/node%d", n)
		node := NUMANode{Node: n, CPUs: readText(root, path.Join(dir, "cpulist"))}
		// "Node 0 MemTotal:  8159572 kB"
		if kb, err := parseKB(field(readText(root, path.Join(dir, "meminfo")), fmt.Sprintf("Node %d MemTotal", n))); err == nil {
			node.Memory = kb
		}
		out = append(out, node)
	}
	return out
}

// governor is what steers the frequency of the CPUs: one word where all have
// the same, else each with its CPUs.
func governor(root fs.FS, cpus []int) string {
	var names []string
	of := map[string]map[int]bool{}
	for _, cpu := range cpus {
		name := readText(root, fmt.Sprintf("sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu))
		if name == "" {
			continue
		}
		if of[name] == nil {
			names, of[name] = append(names, name), map[int]bool{}
		}
		of[name][cpu] = true
	}
	if len(names) == 1 {
		return names[0]
	}
	for i, name := range names {
		names[i] = fmt.Sprintf("%s (CPU %s)", name, cpuList(func(cpu int) bool { return of[name][cpu] }, maxCPUs))
	}
	return strings.Join(names, ", ")
}

// turbo is on or off where a driver tells; Intel's counts the other way round.
func turbo(root fs.FS) string {
	for _, f := range []struct{ name, on, off string }{
		{"sys/devices/system/cpu/intel_pstate/no_turbo", "0", "1"},
		{"sys/devices/system/cpu/cpufreq/boost", "1", "0"},
	} {
		switch readText(root, f.name) {
		case f.on:
			return "on"
		case f.off:
			return "off"
		}
	}
	return ""
}

// chosen is the word in brackets of a kernel's choice: always [madvise] never.
func chosen(text string) string {
	_, rest, ok := strings.Cut(text, "[")
	word, _, closed := strings.Cut(rest, "]")
	if !ok || !closed {
		return ""
	}
	return word
}
