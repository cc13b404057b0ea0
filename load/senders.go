package load

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// Senders draws who sends each request of a load and what it asks for, from the
// load's seed: of a schedule's arrivals, and of a closed load's requests in the
// order in which they are taken up. It allocates nothing per draw.
type Senders struct {
	users    *alias // nil: one anonymous user
	requests *alias // nil: there is one
	over     Over
	draws    *rand.Rand
	asked    *rand.Rand
}

// NewSenders prepares the draws. They depend on the seed, Over and the
// population only.
func NewSenders(l Load, p Population) (*Senders, error) {
	users, err := newAlias("user", len(p.Users), func(i int) float64 { return p.Users[i].Weight })
	if err != nil {
		return nil, fmt.Errorf("draw users: %w", err)
	}
	s := &Senders{users: users, draws: rand.New(rand.NewPCG(l.Seed, userStream)), asked: rand.New(rand.NewPCG(l.Seed, requestStream))}
	if len(p.Requests) > 1 {
		if s.requests, err = newAlias("request", len(p.Requests), func(i int) float64 { return p.Requests[i].Weight }); err != nil {
			return nil, fmt.Errorf("draw requests: %w", err)
		}
	}
	if l.Over != nil {
		if err := l.Over.check(len(p.Users)); err != nil {
			return nil, fmt.Errorf("draw users: %w", err)
		}
		s.over = Over{Users: slices.Clone(l.Over.Users), Share: l.Over.Share}
	}
	return s, nil
}

// Next draws the user and the request that come next, as indices into the
// population's.
func (s *Senders) Next() (user, request int) {
	if s.requests != nil {
		request = s.requests.draw(s.asked)
	}
	return s.user(), request
}

func (s *Senders) user() int {
	if len(s.over.Users) > 0 && s.draws.Float64() < s.over.Share {
		return s.over.Users[s.draws.IntN(len(s.over.Users))]
	}
	if s.users == nil {
		return 0
	}
	return s.users.draw(s.draws)
}

func (o Over) check(users int) error {
	if !(o.Share >= 0 && o.Share <= 1) {
		return fmt.Errorf("the share of users over their limit is %v, not 0 to 1", o.Share)
	}
	if len(o.Users) == 0 {
		return errors.New("a share of users over their limit, but none is named")
	}
	for _, u := range o.Users {
		if u < 0 || u >= users {
			return fmt.Errorf("user %d is not one of the %d", u, users)
		}
	}
	return nil
}
