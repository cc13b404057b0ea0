// Package ratelimit is the rate limit: a token bucket per user, capacity and
// refill by subscription.
package ratelimit
