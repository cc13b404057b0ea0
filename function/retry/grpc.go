package retry

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// mostGRPC is how many attempts gRPC makes at most.
const mostGRPC = 5

// GRPCServiceConfig is the parameters as gRPC's own retries take them, for
// grpc.WithDefaultServiceConfig: a call that ends unavailable, which is what no
// answer and the statuses of gateways come to, is made again, for all methods.
// What gRPC has no words for is an error: statuses, a time for each attempt, a
// budget, more than five attempts.
func GRPCServiceConfig(s Spec) (string, error) {
	switch {
	case len(s.Statuses) > 0 || slices.Contains(s.On, OnConnectFailure):
		return "", fmt.Errorf("retry: gRPC knows no statuses of HTTP and no connect-failure by itself: leave out statuses and that condition")
	case s.PerTry != 0:
		return "", fmt.Errorf("retry: per_try: gRPC gives attempts no time of their own: leave it out, and give calls a deadline")
	case s.Budget != nil:
		return "", fmt.Errorf("retry: budget: gRPC throttles by tokens instead: leave it out")
	case s.Retries+1 > mostGRPC:
		return "", fmt.Errorf("retry: retries: %d: gRPC makes at most %d attempts", s.Retries, mostGRPC)
	}
	type policy struct {
		MaxAttempts          int      `json:"maxAttempts"`
		InitialBackoff       string   `json:"initialBackoff"`
		MaxBackoff           string   `json:"maxBackoff"`
		BackoffMultiplier    float64  `json:"backoffMultiplier"`
		RetryableStatusCodes []string `json:"retryableStatusCodes"`
	}
	type method struct {
		Name        []struct{} `json:"name"` // one without words: all
		RetryPolicy policy     `json:"retryPolicy"`
	}
	text, err := json.Marshal(map[string][]method{"methodConfig": {{
		Name: make([]struct{}, 1),
		RetryPolicy: policy{
			MaxAttempts: s.Retries + 1, InitialBackoff: seconds(s.Base.Std()), MaxBackoff: seconds(s.Longest.Std()),
			BackoffMultiplier: 2, RetryableStatusCodes: []string{"UNAVAILABLE"},
		},
	}}})
	if err != nil {
		return "", fmt.Errorf("retry: write gRPC's service config: %w", err)
	}
	return string(text), nil
}

// seconds is a time as protobuf's JSON has it.
func seconds(d time.Duration) string {
	return strconv.FormatFloat(math.Round(d.Seconds()*1e9)/1e9, 'f', -1, 64) + "s"
}
