package consul

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
)

// Variable names a program to be used instead of any other.
const Variable = "TARE_CONSUL"

// built is where the project's make puts the program, seen from its folder.
const built = ".cache/mesh-tools/bin/consul"

// Remedy says how to get a Consul.
const Remedy = "make mesh-tools builds one into " + built + " of the project's folder; or put a consul on PATH, or set " + Variable + "=FILE"

// ErrAbsent: there is no Consul.
var ErrAbsent = errors.New("there is none; " + Remedy)

// Find returns the path of the Consul program: that in the variable, else the
// one on PATH, else the one that make mesh-tools built in the working directory.
func Find(getenv func(string) string) (string, error) {
	if path := getenv(Variable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find consul by %s: %w; %w", Variable, err, ErrAbsent)
		}
		return path, nil
	}
	path, err := exec.LookPath(Name)
	if err == nil {
		return path, nil
	}
	if own, statErr := os.Stat(built); statErr == nil && own.Mode().IsRegular() {
		return filepath.Abs(built)
	}
	return "", fmt.Errorf("find consul: %w; %w", err, ErrAbsent)
}

// Program asks the Consul for its version and takes the digest of its file.
func (b *Testbed) Program(ctx context.Context) (dataplane.Program, error) {
	path, err := b.consul()
	if err != nil {
		return dataplane.Program{}, err
	}
	out, err := exec.CommandContext(ctx, path, "version", "-format=json").Output()
	var said struct{ Version string }
	if err == nil {
		err = json.Unmarshal(out, &said)
	}
	if err != nil {
		return dataplane.Program{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	digest, err := process.Digest(path)
	if err != nil {
		return dataplane.Program{}, err
	}
	return dataplane.Program{Plane: Name, Version: said.Version, Path: path, SHA256: digest}, nil
}
