package measure

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what a process has resident, in bytes. What is swapped out is in
// none of the figures.
type Memory struct {
	// Private is anonymous memory: heap, stacks, written data pages. It is the
	// figure to compare, since it does not depend on how many identical
	// processes run beside this one.
	Private uint64 `json:"private_bytes"`
	// RSS is everything resident.
	RSS uint64 `json:"rss_bytes"`
	// Shared is the rest: program text and other file pages, which
	// identical processes have in common, and shared memory.
	Shared uint64 `json:"shared_bytes"`
}

// MemoryOf reads a process's memory.
//
// Private is the field Anonymous of /proc/PID/smaps_rollup. Private_Clean and
// Private_Dirty would not do: the text of a program counts there while one
// process runs it and no longer when a second one does. RssAnon of
// /proc/PID/status means the same as Anonymous, but from Linux 6.2 on it is an
// estimate that lags by up to max(32, 2n) pages on each of n cores. The kernel
// walks the page tables for Anonymous, so read it beside a measurement, not
// inside.
func MemoryOf(pid int) (Memory, error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	m, err := parseRollup(text)
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	return m, nil
}

func parseRollup(text []byte) (Memory, error) {
	var m Memory
	wanted := map[string]*uint64{"Rss": &m.RSS, "Anonymous": &m.Private}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		into, ok := wanted[name]
		if !ok {
			continue
		}
		n, err := parseKB(value)
		if err != nil {
			return Memory{}, fmt.Errorf("field %s: %w", name, err)
		}
		*into = n
		delete(wanted, name)
	}
	for name := range wanted {
		return Memory{}, fmt.Errorf("smaps_rollup lacks the field %s", name)
	}
	if m.Private > m.RSS {
		return Memory{}, fmt.Errorf("smaps_rollup has more anonymous memory (%d) than resident (%d)", m.Private, m.RSS)
	}
	m.Shared = m.RSS - m.Private
	return m, nil
}

// parseKB reads "  1234 kB" as bytes.
func parseKB(s string) (uint64, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), " ")
	n, err := strconv.ParseUint(number, 10, 54)
	if err != nil {
		return 0, err
	}
	if unit != "kB" {
		return 0, fmt.Errorf("unit is %q, not kB", unit)
	}
	return n * 1024, nil
}
