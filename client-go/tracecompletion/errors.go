package tracecompletion

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/trace-completion/trace-completion/client-go/tracecompletion/v1"
)

// domain is whose reasons we know.
const domain = "tracecompletion.v1"

// Error is why a call, or a question of a batch, got no answer. Get it with errors.As.
type Error struct {
	// Code is the gRPC code.
	Code codes.Code
	// Reason is why, for programs. It is unspecified where the server did not say, or was not reached, or
	// is newer than this client: then Code tells what to do.
	Reason v1.ErrorReason
	// Message is why, for people.
	Message string
	// Violations are the faults of the request. The server may leave out some where there are many.
	Violations []Violation
	// RetryDelay is when the server wants to be asked again; 0 where it does not say.
	RetryDelay time.Duration
	// RequestID names the request in the server's log. Empty where the server did not say.
	RequestID string

	status *status.Status
}

// Violation is one fault of a request.
type Violation struct {
	// Field is where: "app_spans[3].end_time_us". Empty for the request as a whole.
	Field string
	// Description is what is wrong, with the limit.
	Description string
}

// Error tells all of it in one line.
func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "tracecompletion: %s", e.Code)
	if e.Reason != v1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		fmt.Fprintf(&text, " (%s)", strings.TrimPrefix(e.Reason.String(), "ERROR_REASON_"))
	}
	fmt.Fprintf(&text, ": %s", e.Message)
	if e.RequestID != "" && !strings.Contains(e.Message, e.RequestID) {
		fmt.Fprintf(&text, " [request id %s]", e.RequestID)
	}
	return text.String()
}

// Is lets errors.Is find context.Canceled and context.DeadlineExceeded in the errors that they caused.
func (e *Error) Is(target error) bool {
	switch target {
	case context.Canceled:
		return e.status.Code() == codes.Canceled
	case context.DeadlineExceeded:
		return e.status.Code() == codes.DeadlineExceeded
	default:
		return false
	}
}

// GRPCStatus is the status as the server, or gRPC, gave it.
func (e *Error) GRPCStatus() *status.Status {
	return e.status
}

// typed reads the details of a status. Errors that are none become one, as gRPC does it.
func typed(err error) *Error {
	return fromStatus(status.Convert(asStatus(err)))
}

// asStatus turns the errors of a context into a status.
func asStatus(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.FromContextError(err).Err()
}

func fromStatus(status *status.Status) *Error {
	fault := &Error{Code: status.Code(), Message: status.Message(), status: status}
	for _, detail := range status.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				fault.Reason = v1.ErrorReason(v1.ErrorReason_value[detail.GetReason()])
				fault.RequestID = detail.GetMetadata()["request_id"]
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				fault.Violations = append(fault.Violations,
					Violation{Field: violation.GetField(), Description: violation.GetDescription()})
			}
		case *errdetails.RetryInfo:
			fault.RetryDelay = detail.GetRetryDelay().AsDuration()
		}
	}
	return fault
}
