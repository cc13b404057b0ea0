package outlierdetection

import (
	"fmt"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/taremesh/tare/dataplane"
	"github.com/taremesh/tare/function"
)

// shape gives the service's cluster the detection. Panic, in which ejections
// would be disregarded, is switched off.
func shape(spec function.Spec, r *dataplane.Resources) error {
	s, err := function.SpecAs[Spec](spec)
	if err != nil {
		return err
	}
	cluster, _, err := r.Cluster(dataplane.ServiceCluster)
	if err != nil {
		return fmt.Errorf("outlier-detection: %w", err)
	}
	cluster.OutlierDetection = &clusterv3.OutlierDetection{
		Consecutive_5Xx:      wrapperspb.UInt32(uint32(s.Failures)),
		Interval:             durationpb.New(s.Review.Std()),
		BaseEjectionTime:     durationpb.New(s.Ejection.Std()),
		MaxEjectionPercent:   wrapperspb.UInt32(uint32(s.mostOut())),
		EnforcingSuccessRate: wrapperspb.UInt32(0),
	}
	dataplane.Panic(cluster, 0)
	return nil
}
