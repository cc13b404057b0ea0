package split_test

import (
	"fmt"
	"net/http"

	"github.com/taremesh/tare/function/split"
)

// A client sends half of the users to a new release, and each of them always.
func Example() {
	wrap, err := split.NewTransport(split.Spec{Weights: []int{50, 50}, Sticky: "x-user"}, []string{"old:80", "new:80"})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := http.Client{Transport: wrap(printing{})}
	for _, user := range []string{"ann", "eve", "ann", "eve"} {
		r, err := http.NewRequest(http.MethodGet, "http://images.test/", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		r.Header.Set("X-User", user)
		resp, err := client.Do(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		resp.Body.Close()
	}
	power, err := split.Power(800, 0.1, 0.2)
	fmt.Printf("a share of 0.2 for one of 0.1 is found among 800 requests with probability %.3f, %v\n", power, err)
	// Output:
	// ann new:80
	// eve old:80
	// ann new:80
	// eve old:80
	// a share of 0.2 for one of 0.1 is found among 800 requests with probability 0.997, <nil>
}

// printing sends nothing and says what it would have sent.
type printing struct{}

func (printing) RoundTrip(r *http.Request) (*http.Response, error) {
	fmt.Println(r.Header.Get("X-User"), r.URL.Host)
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}
