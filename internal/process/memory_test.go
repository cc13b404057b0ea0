package process_test

import (
	"io"
	"os"
	"testing"

	"github.com/taremesh/tare/internal/process"
)

// A child reads an inherited file by name, as often as it likes.
func TestInheritedFile(t *testing.T) {
	l, err := process.NewLauncher("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := process.MemoryFile("greeting", []byte("hello "))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 2 {
		p, err := l.Start(process.Command{Name: "reader", Args: []string{"-c", "cat /dev/fd/3 /dev/fd/3"}, Input: []byte{}, Files: []*os.File{f}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(p.Stdout)
		if err != nil || string(text) != "hello hello " {
			t.Errorf("read %q, %v", text, err)
		}
		<-p.Done()
	}
}
