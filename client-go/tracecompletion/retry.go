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

// maxBusyAttempts bounds how often a busy server is asked, whatever the deadline.
const maxBusyAttempts = 5

// retryBusyCall asks again where the server shed the call before any work and says when to come back. The
// retries of gRPC itself go by the code alone, and RESOURCE_EXHAUSTED also stands for an answer that will
// be too large the next time as well.
func retryBusyCall(
	ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker,
	opts ...grpc.CallOption,
) error {
	return retryBusy(ctx, func() error { return call(ctx, method, request, answer, conn, opts...) })
}

// retryBusy calls until the server is not busy any more, or the deadline would pass meanwhile.
func retryBusy(ctx context.Context, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		pause := busy(err)
		if pause == 0 || attempt == maxBusyAttempts || !wait(ctx, pause) {
			return err
		}
	}
}

// busy is how long to wait before the server that gave this error is asked again, 0 for not at all.
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
	// Up to half as long again, so that all who were shed at once do not come back at once.
	return fault.RetryDelay + rand.N(fault.RetryDelay/2+1) //nolint:gosec // nobody gains by guessing a pause
}

// wait says whether the pause was over before the context was. It does not begin one that cannot be.
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
