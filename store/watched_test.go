package store

import (
	"context"
	"errors"
	"testing"

	"github.com/taremesh/tare/experiment"
)

// during is a store in which something happens between two looks at the lock.
type during struct {
	Store
	happens func()
}

func (d during) List(context.Context) ([]Entry, error) {
	d.happens()
	return []Entry{{ID: "one", State: experiment.Running}}, nil
}

func (d during) Load(context.Context, string) (Record, error) {
	d.happens()
	return Record{State: experiment.Running}, nil
}

// A run that ends, or goes on, while it is read was not killed.
func TestWatchedWhileARunBeginsOrEnds(t *testing.T) {
	acquire := func(dir string) *Lock {
		l, err := Acquire(dir, "one", "s")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for name, c := range map[string]struct {
		before func(dir string) func() // what happens then
		want   experiment.State
	}{
		"nobody":      {func(string) func() { return func() {} }, experiment.Killed},
		"one ends":    {func(dir string) func() { l := acquire(dir); return func() { _ = l.Release() } }, experiment.Running},
		"one goes on": {func(dir string) func() { return func() { l := acquire(dir); t.Cleanup(func() { _ = l.Release() }) } }, experiment.Running},
	} {
		list, load := t.TempDir(), t.TempDir()
		entries, err1 := Watched(during{happens: c.before(list)}, list).List(t.Context())
		r, err2 := Watched(during{happens: c.before(load)}, load).Load(t.Context(), "one")
		if err := errors.Join(err1, err2); err != nil || entries[0].State != c.want || r.State != c.want {
			t.Errorf("%s: %v, %s (%v), want %s", name, entries, r.State, err, c.want)
		}
	}
}
