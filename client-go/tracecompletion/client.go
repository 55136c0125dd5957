package tracecompletion

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// ErrNotServing is what [Client.Healthy] returns where the server answers, but its flow log does not.
var ErrNotServing = errors.New("tracecompletion: the server is not ready")

// organisationHeader names the organisation whose flow log is asked.
const organisationHeader = "x-org-id"

// Client asks a Trace Completion server. Make one with [New].
type Client struct {
	target   string
	settings settings
	conn     *grpc.ClientConn
	rpc      v1.TraceCompletionServiceClient
	health   healthpb.HealthClient
}

// New makes a client of the server at target, in gRPC's syntax: "host:port", or "dns:///host:port" to name
// all addresses behind a headless service. It does not connect: a wrong address shows with the first call.
func New(target string, opts ...Option) (*Client, error) {
	settings := defaults()
	for _, opt := range opts {
		opt(&settings)
	}
	dial, err := settings.dialOptions()
	if err != nil {
		return nil, fmt.Errorf("tracecompletion: %w", err)
	}
	conn, err := grpc.NewClient(target, dial...)
	if err != nil {
		return nil, fmt.Errorf("tracecompletion: %w", err)
	}
	return &Client{
		target:   target,
		settings: settings,
		conn:     conn,
		rpc:      v1.NewTraceCompletionServiceClient(conn),
		health:   healthpb.NewHealthClient(conn),
	}, nil
}

// Close ends running calls with CANCELLED, and gives all connections back.
func (c *Client) Close() error {
	return c.conn.Close()
}

// Complete completes one trace. An answer with the OPT_STATUS "PARTIAL_RESULT" is no error: what was found
// is there, and the description says what is missing. Errors are of type [*Error].
func (c *Client) Complete(
	ctx context.Context, request *v1.CompleteTraceRequest,
) (*v1.CompleteTraceResponse, error) {
	ctx, cancel := c.outgoing(ctx, c.settings.timeout)
	defer cancel()
	response, err := c.rpc.CompleteTrace(ctx, request)
	if err != nil {
		return nil, c.fault(ctx, err)
	}
	return response, nil
}

// Healthy says whether the server can answer: nil if so, [ErrNotServing] where the server runs but its flow
// log does not answer, an [*Error] where the server cannot be asked. It does not wait for a connection
// beyond the first try, so that it can be asked often.
func (c *Client) Healthy(ctx context.Context) error {
	ctx, cancel := c.outgoing(ctx, c.settings.timeout)
	defer cancel()
	request := &healthpb.HealthCheckRequest{Service: v1.TraceCompletionService_ServiceDesc.ServiceName}
	answer, err := c.health.Check(ctx, request, grpc.WaitForReady(false))
	if err != nil {
		return c.fault(ctx, err)
	}
	if answer.GetStatus() != healthpb.HealthCheckResponse_SERVING {
		return ErrNotServing
	}
	return nil
}

// outgoing is the context of a call: with a deadline, unless timeout is 0, and the organisation.
func (c *Client) outgoing(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if organisation := c.settings.organisation; organisation != "" {
		given, _ := metadata.FromOutgoingContext(ctx)
		if len(given.Get(organisationHeader)) == 0 {
			ctx = metadata.AppendToOutgoingContext(ctx, organisationHeader, organisation)
		}
	}
	if _, has := ctx.Deadline(); !has && timeout > 0 {
		return context.WithTimeout(ctx, timeout)
	}
	return context.WithCancel(ctx)
}

// fault types the error of a call. A call that used up its time waiting for a connection has not been
// refused by a slow server: it says UNAVAILABLE, with the reason why there was no connection.
func (c *Client) fault(ctx context.Context, err error) error {
	fault := typed(err)
	ours := fault.Code == codes.DeadlineExceeded && ctx.Err() != nil && fault.RequestID == ""
	if ours && c.conn.GetState() != connectivity.Ready {
		fault.Code = codes.Unavailable
		fault.Message = fmt.Sprintf("no connection to %s in time: %s", c.target, fault.Message)
	}
	return fault
}
