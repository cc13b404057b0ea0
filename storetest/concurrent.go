package storetest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/taremesh/tare/experiment"
	"github.com/taremesh/tare/store"
)

// testReaders reads through handles of their own while blocks are appended.
func testReaders(t *testing.T, open Opener) {
	const readers, blocks, samples = 3, 12, 3000
	place := t.TempDir()
	writer := opened(t, open, place)
	e := Experiment(t, "one", at(0))
	begin(t, writer, e)

	written := make(chan struct{})
	var all sync.WaitGroup
	for range readers {
		s := opened(t, open, place)
		all.Go(func() {
			for last := false; !last; {
				select {
				case <-written:
					last = true // and once more, to see them all
				default:
				}
				n, err := readOnce(t, s, e.ID, samples)
				if err != nil {
					t.Error(err)
					return
				}
				if last && n != blocks {
					t.Errorf("a reader saw %d blocks at the end, want %d", n, blocks)
				}
			}
		})
	}
	for i := range blocks {
		if err := writer.Append(t.Context(), e.ID, Block(i, 1, samples)); err != nil {
			t.Error(err)
			break
		}
	}
	close(written)
	all.Wait()
}

// readOnce reads in every way and returns the number of blocks loaded.
func readOnce(t *testing.T, s store.Store, id string, samples int) (int, error) {
	entries, err := s.List(t.Context())
	if err != nil {
		return 0, err
	}
	metas, err := s.Blocks(t.Context(), id)
	if err != nil {
		return 0, err
	}
	r, err := s.Load(t.Context(), id)
	if err != nil {
		return 0, err
	}
	if listed := entries[0].Blocks; listed > len(metas) || len(metas) > len(r.Blocks) {
		return 0, fmt.Errorf("blocks became fewer: %d in the list, then %d entries, then %d loaded", listed, len(metas), len(r.Blocks))
	}
	return len(r.Blocks), whole(r.Blocks, 0, samples)
}

// whole reports the first block, of those from an index on, that is not what
// was appended.
func whole(blocks []experiment.Block, from, samples int) error {
	for i, b := range blocks[from:] {
		if want := Block(from+i, 1, samples); !reflect.DeepEqual(b.Samples, want.Samples) || b.ID != want.ID || b.Took != want.Took {
			return fmt.Errorf("block %d (%s) is not the one that was appended", from+i, b.ID)
		}
	}
	return nil
}

const (
	// writerEnv makes Run the writer that is to be killed, at that place.
	writerEnv = "TARE_STORETEST_WRITER"
	killedID  = "killed"
	// acknowledge is the descriptor on which the writer tells what it has kept.
	acknowledge = 3

	kills         = 20
	killedSamples = 8000
)

// testKill kills a writer again and again at random moments of its start and
// its appends. What it has acknowledged must be there, whole, and at most one
// block more: the one that it was told of as kept, but could not pass on.
func testKill(t *testing.T, open Opener) {
	place := t.TempDir()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	kept := 0
	for kill := range kills {
		told := killWriter(t, place, r)
		s := open(t, place)
		record, err := s.Load(t.Context(), killedID)
		if errors.Is(err, store.ErrUnknown) && max(told, kept) == 0 {
			must(t, s.Close())
			continue // killed before it began
		}
		must(t, err)
		must(t, s.Close())
		n := len(record.Blocks)
		if least := max(told, kept); n < least || n > least+1 {
			t.Fatalf("kill %d: %d blocks are kept, the writer was told of %d", kill, n, least)
		}
		must(t, whole(record.Blocks, kept, killedSamples))
		kept = n
	}
	if kept == 0 {
		t.Fatal("no writer lived to keep a block")
	}
	s := opened(t, open, place)
	must(t, whole(loaded(t, s, killedID).Blocks, 0, killedSamples))
	t.Logf("%d kills, %d blocks, all whole", kills, kept)
}

// killWriter starts a writer, kills it, and returns how many blocks are kept
// as far as it has told.
func killWriter(t *testing.T, place string, r *rand.Rand) (told int) {
	t.Helper()
	tells, child, err := os.Pipe()
	must(t, err)
	defer tells.Close()
	pattern := "^" + strings.ReplaceAll(regexp.QuoteMeta(topName(t)), "/", "$/^") + "$"
	c := exec.Command(os.Args[0], "-test.run="+pattern)
	c.Env = append(os.Environ(), writerEnv+"="+place)
	c.ExtraFiles = []*os.File{child} // becomes descriptor 3
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	output := &strings.Builder{}
	c.Stdout, c.Stderr = output, output
	err = c.Start()
	child.Close()
	must(t, err)

	lines := bufio.NewScanner(tells)
	for range r.IntN(5) {
		if !lines.Scan() {
			break
		}
		told = atoi(t, lines.Text())
	}
	<-time.After(time.Duration(r.Int64N(int64(40 * time.Millisecond)))) // the random moment
	must(t, c.Process.Kill())
	for lines.Scan() {
		told = atoi(t, lines.Text())
	}
	err = c.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the writer was not killed but ended: %v\n%s", err, output)
	}
	return told
}

// topName is the name of the test that called Run.
func topName(t *testing.T) string {
	name := t.Name()
	return name[:strings.LastIndex(name, "/")]
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	must(t, err)
	return n
}

// writeUntilKilled goes on where the last writer was killed. It tells the
// number of blocks that are kept. That it is never killed is a failure.
func writeUntilKilled(t *testing.T, s store.Store) {
	tell := os.NewFile(acknowledge, "acknowledge")
	must(t, s.Begin(t.Context(), Experiment(t, killedID, at(0))))
	entries, err := s.Blocks(t.Context(), killedID)
	must(t, err)
	for n := len(entries); n < 10_000; n++ {
		must(t, s.Append(t.Context(), killedID, Block(n, 1, killedSamples)))
		_, err := io.WriteString(tell, strconv.Itoa(n+1)+"\n")
		must(t, err)
	}
}
