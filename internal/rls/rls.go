// Package rls is a rate-limit service: it answers Envoy's protocol
// (envoy.service.ratelimit.v3) and keeps buckets in one place for all proxies
// that ask.
//
// What a descriptor means is the user's: Serve hands each one to a Decide.
// Store is the state for such decisions: token buckets by key, filled
// continuously, each full when it is first named. A request with several
// descriptors is over its limit when one of them is, and draws from the others
// all the same, as Envoy's own service does.
package rls

import (
	"context"
	"net"

	commonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/taremesh/tare/internal/grpcconn"
)

// Entry is one pair of a descriptor.
type Entry struct{ Key, Value string }

// Decide decides on one descriptor of a request that counts as so many. It is
// called by many goroutines.
type Decide func(domain string, descriptor []Entry, hits uint32) Answer

// Answer is the decision on one descriptor.
type Answer struct {
	Limited bool // false: nothing limits it, the rest is empty
	Over    bool // it is refused
	Rate    Rate
	Level
}

// Serve answers on the listener until the context ends.
func Serve(ctx context.Context, l net.Listener, decide Decide) error {
	server := grpc.NewServer()
	rlsv3.RegisterRateLimitServiceServer(server, &service{decide: decide})
	return grpcconn.Serve(ctx, server, l)
}

type service struct {
	rlsv3.UnimplementedRateLimitServiceServer
	decide Decide
}

// ShouldRateLimit answers for one request.
func (s *service) ShouldRateLimit(_ context.Context, q *rlsv3.RateLimitRequest) (*rlsv3.RateLimitResponse, error) {
	all := &rlsv3.RateLimitResponse{OverallCode: rlsv3.RateLimitResponse_OK}
	for _, d := range q.GetDescriptors() {
		a := s.decide(q.GetDomain(), entries(d), max(q.GetHitsAddend(), 1))
		one := status(a)
		if a.Over {
			all.OverallCode = rlsv3.RateLimitResponse_OVER_LIMIT
		}
		all.Statuses = append(all.Statuses, one)
	}
	return all, nil
}

func entries(d *commonv3.RateLimitDescriptor) []Entry {
	all := make([]Entry, 0, len(d.GetEntries()))
	for _, e := range d.GetEntries() {
		all = append(all, Entry{e.GetKey(), e.GetValue()})
	}
	return all
}

func status(a Answer) *rlsv3.RateLimitResponse_DescriptorStatus {
	one := &rlsv3.RateLimitResponse_DescriptorStatus{Code: rlsv3.RateLimitResponse_OK}
	if !a.Limited {
		return one
	}
	if a.Over {
		one.Code = rlsv3.RateLimitResponse_OVER_LIMIT
	}
	one.LimitRemaining = a.Remaining
	one.DurationUntilReset = durationpb.New(a.UntilFull)
	one.CurrentLimit = &rlsv3.RateLimitResponse_RateLimit{RequestsPerUnit: a.Rate.Tokens, Unit: a.Rate.unit()}
	return one
}
