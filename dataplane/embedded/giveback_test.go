package embedded

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

func TestProgramPages(t *testing.T) {
	for _, c := range []struct {
		line        string
		start, size uintptr
		ok          bool
	}{
		{"00400000-01800000 r-xp 00000000 fe:01 1234 /opt/tare\n", 0x400000, 0x1400000, true},
		{"01800000-02d00000 r--p 01400000 fe:01 1234 /opt/tare\n", 0x1800000, 0x1500000, true},
		{"02d00000-02e00000 rw-p 02900000 fe:01 1234 /opt/tare\n", 0, 0, false},
		{"7f0000000000-7f0000001000 r-xp 00000000 fe:01 99 /lib/libc.so\n", 0, 0, false},
		{"7f0000000000-7f0000001000 r--p 00000000 00:00 0\n", 0, 0, false},
		{"zz-7f0000001000 r--p 00000000 00:00 0 /opt/tare\n", 0, 0, false},
	} {
		start, size, ok := programPages([]byte(c.line), "/opt/tare")
		if ok != c.ok || ok && (start != c.start || size != c.size) {
			t.Errorf("%s: %#x, %#x, %t", c.line, start, size, ok)
		}
	}
}

// What is given back is no longer in memory, but for what runs.
func TestGiveBack(t *testing.T) {
	before := programRSS(t)
	giveBack()
	if after := programRSS(t); after >= before {
		t.Errorf("%d KiB of the program are in memory, and before %d", after, before)
	}
}

// programRSS is how much of the test's program is in memory, in KiB.
func programRSS(t *testing.T) (sum int) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	counts := false
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) >= 5 && bytes.IndexByte(fields[0], '-') > 0 {
			_, _, counts = programPages(line, program)
		}
		if counts && len(fields) == 3 && string(fields[0]) == "Rss:" {
			n, err := strconv.Atoi(string(fields[1]))
			if err != nil {
				t.Fatal(err)
			}
			sum += n
		}
	}
	if sum == 0 {
		t.Fatal("the program was not found")
	}
	return sum
}
