// Package admin has the handlers of the APIs that describe and change the
// cluster, a file each. They read the metadata image of this node and hand
// changes on to the active controller.
package admin

import (
	"context"
	"sync/atomic"

	"github.com/stromkafka/strom/internal/api/rights"
	"github.com/stromkafka/strom/internal/auth"
	"github.com/stromkafka/strom/internal/metadata"
	"github.com/stromkafka/strom/internal/notify"
	"github.com/stromkafka/strom/internal/server"
	"github.com/stromkafka/strom/internal/wire"
)

// Forwarder gives a request to the active controller on behalf of whoever sent
// r, wherever that controller is.
type Forwarder interface {
	Forward(ctx context.Context, r *server.Request, body wire.Request, version int16) (wire.Response, error)
}

// View is the newest image that this node has acted on: a leader that it names
// here serves. The zero View shows the empty image.
type View struct {
	image   atomic.Pointer[metadata.Image]
	changed notify.Signal
}

// Publish shows a newer image. It comes after everything else has acted on it.
func (v *View) Publish(img *metadata.Image) {
	v.image.Store(img)
	v.changed.Notify()
}

// Image is the newest image.
func (v *View) Image() *metadata.Image {
	if img := v.image.Load(); img != nil {
		return img
	}
	return metadata.Empty
}

// Wait is the first image for which the condition holds, false when ctx is over
// before.
func (v *View) Wait(ctx context.Context, holds func(*metadata.Image) bool) (*metadata.Image, bool) {
	for {
		changed := v.changed.Wait()
		if img := v.Image(); holds(img) {
			return img, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return v.Image(), false
		}
	}
}

// notAsked is the value of authorised operations that were not asked for.
const notAsked = -1 << 31

// clusterOperations are the caller's rights on the cluster, none for one that may
// not DESCRIBE it.
func clusterOperations(a auth.Authorizer, r *server.Request) int32 {
	if !rights.Cluster(a, r, auth.Describe) {
		return 0
	}
	return rights.Operations(a, r, auth.Cluster, auth.ClusterName)
}

// offline are the replicas of a partition that cannot serve on a listener.
func offline(img *metadata.Image, p *metadata.Partition, listener string) []int32 {
	ids := []int32{}
	for i, id := range p.Replicas {
		b := img.Broker(id)
		if b == nil || b.Fenced || !hasListener(b, listener) || !b.DirOnline(p.Directories[i]) {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

func hasListener(b *metadata.Broker, listener string) bool {
	_, ok := b.Endpoint(listener)
	return ok
}
