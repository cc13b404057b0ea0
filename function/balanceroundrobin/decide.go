package balanceroundrobin

import (
	"strconv"

	"github.com/taremesh/tare/function"
)

// decide is the model in turn: whatever a request says, the next replica is due.
func decide(function.Spec) func(function.Request) string {
	due := 0
	return func(function.Request) string {
		due++
		return strconv.Itoa(due % Replicas)
	}
}
