package firecracker

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/nex-engine/nex/internal/sandbox"
	"github.com/nex-engine/nex/internal/sandbox/microvm/firecracker/fcapi"
	"github.com/nex-engine/nex/internal/sandbox/microvm/vmm"
)

// limiter bounds one device of several that share the rates, each of which has its part. Firecracker has no bound
// for devices together.
//
// It always says both bounds, so that an update takes away what is not there any more.
func limiter(r vmm.Rates, share int) (*fcapi.RateLimiter, error) {
	bytes, err := bucket(r.Bandwidth, share)
	if err != nil {
		return nil, fmt.Errorf("bandwidth: %w", err)
	}
	operations, err := bucket(r.IOPS, share)
	if err != nil {
		return nil, fmt.Errorf("operations: %w", err)
	}
	return &fcapi.RateLimiter{Bandwidth: bytes, Operations: operations}, nil
}

// bucket is one of as many as share a rate. Its size is that of the rate, for it must hold what is asked for at once;
// it is filled as many times slower.
func bucket(r *sandbox.Rate, share int) (*fcapi.TokenBucket, error) {
	if r == nil {
		return &fcapi.TokenBucket{}, nil // no bound
	}
	if r.Size <= 0 || r.Refill <= 0 || r.Burst < 0 {
		return nil, errors.New("a rate needs a size and a time to refill above 0, and no burst below")
	}
	if share < 1 || r.Refill > math.MaxInt64/2/time.Duration(share) {
		return nil, fmt.Errorf("%v is too long to refill", r.Refill)
	}
	refill := r.Refill * time.Duration(share)
	millis := (refill + time.Millisecond - 1) / time.Millisecond
	b := &fcapi.TokenBucket{Size: r.Size, RefillMillis: int64(millis), Burst: r.Burst / int64(share)}
	if whole := millis * time.Millisecond; whole != refill {
		// More time brings more tokens.
		high, low := bits.Mul64(uint64(r.Size), uint64(whole))
		if high >= uint64(refill) {
			return nil, fmt.Errorf("%d every %v is too much", r.Size, r.Refill)
		}
		size, _ := bits.Div64(high, low, uint64(refill))
		if size > math.MaxInt64 {
			return nil, fmt.Errorf("%d every %v is too much", r.Size, r.Refill)
		}
		b.Size = int64(size)
	}
	return b, nil
}

// limits are the bounds of a machine's devices: all disks share the rates, and each direction of the network has
// them once more.
type limits struct{ disk, network *fcapi.RateLimiter }

func limitsOf(m vmm.Machine, r vmm.Rates) (l limits, err error) {
	if l.disk, err = limiter(r, max(len(m.Disks), 1)); err != nil {
		return limits{}, err
	}
	l.network, err = limiter(r, 1)
	return l, err
}
