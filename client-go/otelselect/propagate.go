package otelselect

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/trace-completion/trace-completion/client-go/tracecompletion"
)

// Propagate is an option of the client. It sends the trace context of each call in the headers, and the baggage
// if the propagator handles it. It does not create spans. If you want a span for each call, give the stats
// handler of otelgrpc to [tracecompletion.WithDialOptions] instead; it also sends the trace context.
func Propagate(propagator propagation.TextMapPropagator) tracecompletion.Option {
	inject := func(ctx context.Context) context.Context {
		headers := propagation.MapCarrier{}
		propagator.Inject(ctx, headers)
		given, _ := metadata.FromOutgoingContext(ctx)
		given = given.Copy()
		for name, value := range headers {
			// Set, not append: with two values, a server could take either.
			given.Set(name, value)
		}
		return metadata.NewOutgoingContext(ctx, given)
	}
	unary := func(
		ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, call grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		return call(inject(ctx), method, request, answer, conn, opts...)
	}
	stream := func(
		ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return open(inject(ctx), desc, conn, method, opts...)
	}
	return tracecompletion.WithDialOptions(
		grpc.WithChainUnaryInterceptor(unary), grpc.WithChainStreamInterceptor(stream))
}
