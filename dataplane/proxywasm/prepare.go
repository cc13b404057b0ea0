package proxywasm

import (
	"bytes"
	"errors"
	"fmt"
)

// The import that a metered module calls when it has used up a slice.
const (
	meterModule   = "tare"
	meterFunction = "slice_used"
)

var magic = []byte("\x00asm")

// prepare checks that bytes may be a module.
func (p *Plugin) prepare(module []byte) ([]byte, error) {
	switch {
	case len(module) == 0:
		return nil, errors.New("the module is empty")
	case len(module) > p.limits.ModuleBytes:
		return nil, fmt.Errorf("the module has %d bytes, more than %d", len(module), p.limits.ModuleBytes)
	case !bytes.HasPrefix(module, magic):
		return nil, fmt.Errorf("it is no WebAssembly module: it begins with %q", module[:min(len(module), 8)])
	}
	return module, nil
}
