// Package quota says how long to hold a client back.
package quota

import "time"

// Client is whom quotas are counted for: a user, a client id, or both.
type Client struct {
	User string // the principal's name
	ID   string // the request header's client id
}

// Cost is what one request took.
type Cost struct {
	APIKey        int16
	RequestBytes  int64
	ResponseBytes int64 // 0 for a Produce, whose answer is not written yet
}

// Throttle holds clients back. It is called concurrently.
type Throttle interface {
	// Charge is told what a request cost once it was done, and returns for how
	// long nothing more is read from its connection. The response is not held
	// back (KIP-219); its throttle time is its handler's to fill in.
	Charge(c Client, cost Cost, now time.Time) time.Duration
}

// Unlimited never holds back.
type Unlimited struct{}

// Charge implements Throttle.
func (Unlimited) Charge(Client, Cost, time.Time) time.Duration { return 0 }
