// Package named holds values by name: an immutable set that refuses a name
// given twice and, when asked for a name that it lacks, lists those it has.
//
// It does not register anything by itself: sets are built by their owner and
// passed to whoever needs them.
package named

import (
	"fmt"
	"slices"
	"strings"
)

// Set is an immutable set of values, each under one name. The zero value is
// empty and ready to use.
type Set[T any] struct {
	kind   string
	names  []string
	values map[string]T
}

// NewSet builds a set of things of one kind ("function", "generator"): the
// word that its errors use. An empty name or a name given twice is an error.
func NewSet[T any](kind string, name func(T) string, values ...T) (Set[T], error) {
	s := Set[T]{kind: kind, values: make(map[string]T, len(values))}
	for _, v := range values {
		n := name(v)
		if n == "" {
			return Set[T]{}, fmt.Errorf("a %s without a name", kind)
		}
		if _, twice := s.values[n]; twice {
			return Set[T]{}, fmt.Errorf("two of kind %s are named %q", kind, n)
		}
		s.names = append(s.names, n)
		s.values[n] = v
	}
	return s, nil
}

// Get returns the value of that name, or an *UnknownError.
func (s Set[T]) Get(name string) (T, error) {
	v, ok := s.values[name]
	if !ok {
		return v, &UnknownError{Kind: s.kind, Name: name, Known: s.Names()}
	}
	return v, nil
}

// Names lists the names in the order in which the values were given.
func (s Set[T]) Names() []string { return slices.Clone(s.names) }

// All lists the values in the order in which they were given.
func (s Set[T]) All() []T {
	all := make([]T, 0, len(s.names))
	for _, n := range s.names {
		all = append(all, s.values[n])
	}
	return all
}

// UnknownError says that a set lacks a name.
type UnknownError struct {
	Kind, Name string
	Known      []string
}

func (e *UnknownError) Error() string {
	known := "there are none"
	if len(e.Known) > 0 {
		known = "known: " + strings.Join(e.Known, ", ")
	}
	return fmt.Sprintf("no %s is named %q (%s)", e.Kind, e.Name, known)
}
