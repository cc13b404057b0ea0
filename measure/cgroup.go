package measure

import (
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Limits come from this process's control groups, in version 1, version 2, or
// both at once. A limit further up holds too, so every group on the way to the
// root is looked at.

const cgroupRoot = "sys/fs/cgroup"

// cgroupVersion says which versions this process is in: v1, v2, hybrid (a tree
// of each), or "" where there are none.
func cgroupVersion(root fs.FS) string {
	one, two := false, false
	for line := range strings.Lines(readText(root, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(parts) != 3:
		case parts[0] == "0" && parts[1] == "":
			two = true
		case !strings.HasPrefix(parts[1], "name="): // a tree without a controller limits nothing
			one = true
		}
	}
	switch {
	case one && two:
		return "hybrid"
	case one:
		return "v1"
	case two:
		return "v2"
	}
	return ""
}

// groups returns the directories of the control groups that this process is in
// for a controller, each followed by those above it. /proc/self/cgroup has
// lines id:controllers:path, with id 0 and no controllers for version 2.
func groups(root fs.FS, controller string) []string {
	var dirs []string
	climb := func(mount, dir string) {
		for dir = path.Join(mount, dir); ; dir = path.Dir(dir) {
			dirs = append(dirs, dir)
			if dir == mount || !strings.HasPrefix(dir, mount) {
				return
			}
		}
	}
	for line := range strings.Lines(readText(root, "proc/self/cgroup")) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(parts) != 3 {
			continue
		}
		// Below another's root, in a container, the path may lead out of what is mounted.
		own := path.Join("/", parts[2])
		if parts[1] == "" {
			climb(cgroupRoot, own)
			climb(path.Join(cgroupRoot, "unified"), own)
			continue
		}
		for c := range strings.SplitSeq(parts[1], ",") {
			if c == controller {
				climb(path.Join(cgroupRoot, parts[1]), own)
				climb(path.Join(cgroupRoot, controller), own)
			}
		}
	}
	return dirs
}

// cpuLimit is the lowest CPU limit, in cores; 0 when there is none.
func cpuLimit(root fs.FS) float64 {
	lowest := 0.0
	for _, dir := range groups(root, "cpu") {
		if l := groupLimit(root, dir); l > 0 && (lowest == 0 || l < lowest) {
			lowest = l
		}
	}
	return lowest
}

// groupLimit reads one group's limit in cores: cpu.max of version 2, the quota
// and period of version 1.
func groupLimit(root fs.FS, dir string) float64 {
	quota, period, ok := strings.Cut(readText(root, path.Join(dir, "cpu.max")), " ")
	if !ok {
		quota = readText(root, path.Join(dir, "cpu.cfs_quota_us"))
		period = readText(root, path.Join(dir, "cpu.cfs_period_us"))
	}
	q, errQ := strconv.ParseFloat(quota, 64) // "max" and -1: no limit
	p, errP := strconv.ParseFloat(period, 64)
	if errQ != nil || errP != nil || !(q > 0) || !(p > 0) {
		return 0
	}
	return q / p
}

// noLimit is above what version 1 writes for no limit at all: the greatest
// number of whole pages.
const noLimit = 1 << 62

// memoryLimit is the lowest memory limit in bytes; 0 when there is none.
func memoryLimit(root fs.FS) uint64 {
	lowest := uint64(0)
	for _, dir := range groups(root, "memory") {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			n, err := strconv.ParseUint(readText(root, path.Join(dir, name)), 10, 64) // "max": no limit
			if err == nil && n < noLimit && (lowest == 0 || n < lowest) {
				lowest = n
			}
		}
	}
	return lowest
}

// cpuSet is the list of CPUs of the nearest group that has one; "" without.
func cpuSet(root fs.FS) string {
	for _, dir := range groups(root, "cpuset") {
		for _, name := range []string{"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"} {
			if list := readText(root, path.Join(dir, name)); len(parseCPUs(list)) > 0 {
				return list
			}
		}
	}
	return ""
}
