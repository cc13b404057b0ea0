package proxywasm

import (
	"errors"
	"fmt"

	"github.com/taremesh/tare/dataplane/proxywasm/meter"
)

// The import that a metered module calls when it has used up a slice.
const (
	meterModule   = "tare"
	meterFunction = "slice_used"
)

// mostElements is how many elements a table may have.
const mostElements = 1 << 17

// prepare makes a module that looks up from its work in time.
func (p *Plugin) prepare(module []byte) ([]byte, error) {
	switch {
	case len(module) == 0:
		return nil, errors.New("the module is empty")
	case len(module) > p.limits.ModuleBytes:
		return nil, fmt.Errorf("the module has %d bytes, more than Limits.ModuleBytes, %d", len(module), p.limits.ModuleBytes)
	}
	return meter.Rewrite(module, meter.Options{
		Module:        meterModule,
		Name:          meterFunction,
		Count:         slice,
		TableElements: mostElements,
	})
}
