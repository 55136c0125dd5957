package tracecompletion

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// maxBusyAttempts is how often a busy server is tried at most, even if the deadline would allow more.
const maxBusyAttempts = 5

// retryBusyCall repeats a call that the server rejected because it is busy. Such a rejection has the code
// RESOURCE_EXHAUSTED and says when to try again. gRPC's own retries look only at the code, and
// RESOURCE_EXHAUSTED also means that an answer is too large, which would be the same at the next try.
func retryBusyCall(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	return retryBusy(ctx, func() error { return call(ctx, method, request, answer, conn, opts...) })
}

// retryBusy repeats a call until the server is no longer busy, or there were too many tries, or the deadline
// would pass during the next pause.
func retryBusy(ctx context.Context, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		pause := busy(err)
		if pause == 0 || attempt == maxBusyAttempts || !wait(ctx, pause) {
			return err
		}
	}
}

// busy returns how long to wait before the next try, and 0 if this error must not be retried.
func busy(err error) time.Duration {
	if err == nil {
		return 0
	}
	var fault *Error
	if !errors.As(err, &fault) {
		if status.Code(err) != codes.ResourceExhausted {
			return 0
		}
		fault = typed(err)
	}
	if fault.Code != codes.ResourceExhausted || fault.RetryDelay <= 0 {
		return 0
	}
	// Up to half as long again, at random, so that rejected callers do not all come back at once.
	return fault.RetryDelay + rand.N(fault.RetryDelay/2+1) //nolint:gosec // nobody gains by guessing a pause
}

// wait waits for the pause, and returns whether it has ended before the context. If the deadline comes before
// the end of the pause, it returns false at once.
func wait(ctx context.Context, pause time.Duration) bool {
	if deadline, has := ctx.Deadline(); has && time.Until(deadline) <= pause {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
