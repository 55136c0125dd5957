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

// ErrNotServing is returned by [Client.Healthy] if the server runs, but its flow log does not answer.
var ErrNotServing = errors.New("tracecompletion: the server is not ready")

// organisationHeader carries the id of the organisation.
const organisationHeader = "x-org-id"

// Client is a client of a Trace Completion server. Make one with [New].
type Client struct {
	target   string
	settings settings
	conn     *grpc.ClientConn
	rpc      v1.TraceCompletionServiceClient
	health   healthpb.HealthClient
}

// New makes a client. The target is the server in gRPC's syntax, such as "host:port" or "dns:///host:port". If
// the host name has several addresses, as that of a headless service has, all of them are used. New does not
// connect yet, so a wrong address is reported by the first call.
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

// Close closes all connections. Running calls fail with CANCELLED.
func (c *Client) Close() error {
	return c.conn.Close()
}

// Complete completes one trace, and waits for the answer. An answer with the OPT_STATUS "PARTIAL_RESULT" is
// not an error: it holds the spans that were found, and its description says what is missing. Errors are of
// type [*Error].
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

// Healthy checks whether the server can answer questions now. It returns nil if so, [ErrNotServing] if the
// server runs but its flow log does not answer, and an [*Error] if the server cannot be reached. It tries to
// connect only once, so that it returns quickly.
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

// outgoing makes the context of a call. It adds the organisation, and a deadline unless ctx has one or timeout
// is 0.
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

// fault turns the error of a call into an [*Error]. If the call waited for a connection until its deadline, the
// code is UNAVAILABLE and the message says why there was no connection.
func (c *Client) fault(ctx context.Context, err error) error {
	fault := typed(err)
	ours := fault.Code == codes.DeadlineExceeded && ctx.Err() != nil && fault.RequestID == ""
	if ours && c.conn.GetState() != connectivity.Ready {
		fault.Code = codes.Unavailable
		fault.Message = fmt.Sprintf("no connection to %s in time: %s", c.target, fault.Message)
	}
	return fault
}
