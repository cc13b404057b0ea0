package imagehub

import "fmt"

// Subscription is what a user has subscribed to.
type Subscription struct {
	Name           string `json:"name"`
	PullsPerMinute int    `json:"pulls_per_minute"`
}

// The subscriptions, the smallest first.
var (
	Personal   = Subscription{"Personal", 10}
	Team       = Subscription{"Team", 100}
	Enterprise = Subscription{"Enterprise", 1000}
)

// Subscriptions lists them, the smallest first.
func Subscriptions() []Subscription { return []Subscription{Personal, Team, Enterprise} }

// SubscriptionNamed finds a subscription; an unknown name is an error that
// lists the known ones.
func SubscriptionNamed(name string) (Subscription, error) {
	switch name {
	case Personal.Name:
		return Personal, nil
	case Team.Name:
		return Team, nil
	case Enterprise.Name:
		return Enterprise, nil
	}
	return Subscription{}, fmt.Errorf("unknown subscription %q (known: Personal, Team, Enterprise)", name)
}
