package picture_test

import (
	"fmt"
	"strings"

	"github.com/taremesh/tare/internal/picture"
)

func Example() {
	f := picture.Figure{Width: 100, Height: 40}
	x := picture.Linear(0, 10, 5, 95)
	f.Line("axis", picture.At(x.At(0), 30), picture.At(x.At(10), 30))
	f.Dot("spot", picture.At(x.At(5), 30), 3)
	svg := string(f.SVG("dot", "A dot", "It lies in the middle."))
	fmt.Println(strings.Contains(svg, `<circle class="spot" cx="50" cy="30" r="3"/>`))
	// Output: true
}
