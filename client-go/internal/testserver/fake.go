// Package testserver runs servers for the tests of the client: a fake one, and the real one.
package testserver

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// Fake is a server whose answers a test chooses. A call whose function is nil fails as unimplemented.
type Fake struct {
	v1.UnimplementedTraceCompletionServiceServer
	// Complete answers CompleteTrace.
	Complete func(context.Context, *v1.CompleteTraceRequest) (*v1.CompleteTraceResponse, error)
	// Stream answers StreamCompleteTrace.
	Stream func(*v1.StreamCompleteTraceRequest, grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse]) error
	// Batch answers BatchCompleteTrace.
	Batch func(grpc.BidiStreamingServer[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse]) error
	// Health answers health checks. If it is nil, the server has no health service.
	Health *health.Server
}

// CompleteTrace implements the service.
func (f *Fake) CompleteTrace(
	ctx context.Context, request *v1.CompleteTraceRequest,
) (*v1.CompleteTraceResponse, error) {
	if f.Complete == nil {
		return f.UnimplementedTraceCompletionServiceServer.CompleteTrace(ctx, request)
	}
	return f.Complete(ctx, request)
}

// StreamCompleteTrace implements the service.
func (f *Fake) StreamCompleteTrace(
	request *v1.StreamCompleteTraceRequest,
	stream grpc.ServerStreamingServer[v1.StreamCompleteTraceResponse],
) error {
	if f.Stream == nil {
		return f.UnimplementedTraceCompletionServiceServer.StreamCompleteTrace(request, stream)
	}
	return f.Stream(request, stream)
}

// BatchCompleteTrace implements the service.
func (f *Fake) BatchCompleteTrace(
	stream grpc.BidiStreamingServer[v1.BatchCompleteTraceRequest, v1.BatchCompleteTraceResponse],
) error {
	if f.Batch == nil {
		return f.UnimplementedTraceCompletionServiceServer.BatchCompleteTrace(stream)
	}
	return f.Batch(stream)
}

// Serve serves the fake at an address, or at [AnyPort]. It returns the address, and a function that kills the
// server: it closes all connections and does not finish calls.
func (f *Fake) Serve(address string, opts ...grpc.ServerOption) (string, func(), error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", nil, err
	}
	opts = append(opts, grpc.MaxRecvMsgSize(16<<20))
	server := grpc.NewServer(opts...)
	v1.RegisterTraceCompletionServiceServer(server, f)
	if f.Health != nil {
		healthpb.RegisterHealthServer(server, f.Health)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	return listener.Addr().String(), func() { server.Stop(); <-done }, nil
}

// Start serves the fake until the end of the test, and returns its address.
func (f *Fake) Start(t testing.TB, opts ...grpc.ServerOption) string {
	t.Helper()
	address, kill, err := f.Serve(AnyPort, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(kill)
	return address
}
