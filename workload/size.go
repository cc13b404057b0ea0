package workload

import "github.com/taremesh/tare/study"

// Size is a number of bytes, as a study writes it.
type Size = study.Size

// MaxSize is the largest size a parameter can have.
const MaxSize = study.MaxSize
