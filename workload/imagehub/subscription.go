package imagehub

import (
	"fmt"
	"slices"
)

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

var subscriptions = [...]Subscription{Personal, Team, Enterprise}

// Subscriptions lists them, the smallest first.
func Subscriptions() []Subscription { return slices.Clone(subscriptions[:]) }

// SubscriptionNamed finds a subscription; an unknown name is an error that
// lists the known ones.
func SubscriptionNamed(name string) (Subscription, error) {
	for _, s := range subscriptions {
		if s.Name == name {
			return s, nil
		}
	}
	return Subscription{}, fmt.Errorf("unknown subscription %q (known: %s, %s, %s)", name, Personal.Name, Team.Name, Enterprise.Name)
}
