package catalog

import (
	"context"

	"github.com/taremesh/tare/workload"
	"github.com/taremesh/tare/workload/imagehub"
)

// ImageHubOptions are those of Image Hub's API outside of any study.
type ImageHubOptions = imagehub.Options

// DefaultImageHub is what ImageHub runs with when nothing else is said.
func DefaultImageHub() ImageHubOptions { return imagehub.DefaultOptions() }

// ImageHub runs Image Hub's API on its own.
func ImageHub(ctx context.Context, o ImageHubOptions, ms []workload.Middleware, ready func(workload.Ready)) error {
	return imagehub.Run(ctx, o, ms, ready)
}

// ImageHubApplication is Image Hub's whole API, to stand behind a proxy.
func ImageHubApplication(o ImageHubOptions) (workload.Workload, error) {
	return imagehub.Application(o)
}

// ImageHubWebOptions are those of Image Hub's web front end.
type ImageHubWebOptions = imagehub.WebOptions

// DefaultImageHubWeb is what ImageHubWeb runs with when nothing else is said.
func DefaultImageHubWeb() ImageHubWebOptions { return imagehub.DefaultWebOptions() }

// ImageHubWeb runs Image Hub's web front end on its own.
func ImageHubWeb(ctx context.Context, o ImageHubWebOptions, ready func(workload.Ready)) error {
	return imagehub.RunWeb(ctx, o, ready)
}

// ImageHubWebService is the web front end as a service, to stand beside the API.
func ImageHubWebService(o ImageHubWebOptions) workload.Workload { return imagehub.Web(o) }
